// The load generator, as a program, against a server under test.
import {execFile} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {fresh} from './wait.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const build = process.env.MANA_SYNC_BUILD ?? path.join(root, 'build');
const binary = path.join(build, 'tools/loadgen/mana-sync-loadgen');

export class Loadgen {
  // Users of `server` that nobody else is.
  constructor(server, {users = 4} = {}) {
    this.server = server;
    this.directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-loadgen-'));
    process.on('exit', () => rmSync(this.directory, {recursive: true, force: true}));
    this.tokens = path.join(this.directory, 'tokens');
    const tokens = Array.from({length: users}, () => server.token(fresh('user')));
    writeFileSync(this.tokens, tokens.map((token) => `${token}\n`).join(''));
  }

  // Runs a scenario; {code, stdout, stderr, report, path: the report's}.
  async run(scenario, ...options) {
    const json = path.join(this.directory, `${fresh('report')}.json`);
    const args = [
      '--url', `http://127.0.0.1:${this.server.port}`, '--tokens', this.tokens, '--json', json,
      scenario, ...options.map(String)
    ];
    const {code, stdout, stderr} = await new Promise((resolve) => {
      execFile(binary, args, {timeout: 50_000}, (error, out, err) => {
        resolve({code: error ? error.code ?? error.signal : 0, stdout: out, stderr: err});
      });
    });
    const report = code === 0 || code === 1 ? JSON.parse(readFileSync(json, 'utf8')) : undefined;
    return {code, stdout, stderr, report, path: json};
  }
}
