// A server under test: a process of its own on a free port, with a database of its own.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import net from 'node:net';
import path from 'node:path';
import readline from 'node:readline';
import {fileURLToPath} from 'node:url';

import {Client, request} from './client.mjs';
import {freshDatabase} from './postgres.mjs';
import {JwksFile, Key, seconds} from './tokens.mjs';
import {fresh, until} from './wait.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
export const binary =
    path.join(process.env.MANA_SYNC_BUILD ?? path.join(root, 'build'), 'src/server/mana-sync');
const inherited = ['PATH', 'ASAN_OPTIONS', 'LSAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'TZ'];

// What still runs when a file's tests are over, whatever became of them, ends with them.
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

// The process alone, for tests of how it starts and ends. Nothing is set but what `env` says.
// `wrapper`: a command that becomes it, as in ['prlimit', '--nofile=64'].
export class Process {
  constructor(env, args = [], wrapper = []) {
    const base = Object.fromEntries(
        inherited.filter((name) => name in process.env).map((name) => [name, process.env[name]]));
    const [command, ...rest] = [...wrapper, binary, ...args];
    this.child = spawn(command, rest, {env: {...base, ...env}, stdio: ['ignore', 'pipe', 'pipe']});
    this.stdout = '';
    this.log = [];
    this.child.stdout.on('data', (data) => { this.stdout += data; });
    readline.createInterface({input: this.child.stderr}).on('line', (line) => this.#onLine(line));
    running.add(this.child);
    this.child.on('close', (code, signal) => {
      running.delete(this.child);
      this.end = {code, signal};
    });
    // A test that failed before it stopped its server must not keep the run waiting.
    for (const handle of [this.child, this.child.stdout, this.child.stderr]) handle.unref();
  }

  #onLine(line) {
    this.log.push(line);
    if (this.log.length > 2000) this.log.shift();
    try {
      const event = JSON.parse(line);
      if (event.event === 'listening') this.port = event.port;
    } catch { /* a sanitizer's report, or a line of --check-config */
    }
  }

  get text() { return this.log.join('\n'); }

  // Waits for its end; a process that does not end is killed and fails the test.
  async exit(what = 'the process ends') {
    try {
      await until(what, () => this.end, {seconds: 40});
    } finally {
      this.child.kill('SIGKILL');
    }
    return this.end;
  }
}

export class Server {
  // `env`: variables beside, or in place of, those that every server here gets.
  // `ready: false` returns as soon as it listens, whatever /health says.
  // `beside`: another server, whose database and issuer it shares.
  // `wrapper`: as of Process.
  static async start({env = {}, database, beside, ready = true, wrapper = []} = {}) {
    const server = new Server();
    server.wrapper = wrapper;
    server.database = database ?? beside?.database ?? await freshDatabase();
    server.key = beside?.key ?? new Key('test-key');
    server.jwks = beside?.jwks ?? new JwksFile(server.key);
    server.env = {
      DATABASE_URL: server.database.url,
      JWKS_URL: server.jwks.url,
      PORT: '0',
      MANA_SYNC_LISTEN_ADDRESS: '127.0.0.1',
      MANA_SYNC_LOG_LEVEL: 'info',
      ...env
    };
    await server.startAgain({ready});
    return server;
  }

  // After stop() or kill(): with the same settings, on the same port.
  async startAgain({ready = true} = {}) {
    this.process =
        new Process({...this.env, PORT: String(this.port ?? this.env.PORT)}, [], this.wrapper);
    this.port = await until('the server listens', () => {
      if (this.process.end) throw new Error(`the server ended:\n${this.process.text}`);
      return this.process.port;
    });
    if (ready) await this.ready();
  }

  // Waits until PostgreSQL is reached and, where the keys are the server's own here, these are
  // read.
  async ready() {
    const says = async (path, accept, headers = {}) => until(`${path} is served`, async () => {
      if (this.process.end) throw new Error(`the server ended:\n${this.process.text}`);
      const {status} = await this.get(path, headers).catch(() => ({}));
      return status !== undefined && accept(status);
    });
    await says('/health', (status) => status === 200);
    if (this.env.JWKS_URL !== this.jwks.url) return;
    const headers = {Authorization: `Bearer ${this.token('ready')}`};
    await says('/sync/app/pull', (status) => status !== 503, headers);
  }

  // As a client sees it: 'ok', 'degraded', 'standby'; undefined if it does not answer.
  async status() {
    const answer = await this.request({path: '/health', timeoutMs: 1000}).catch(() => undefined);
    return answer && JSON.parse(answer.text).status;
  }

  says(status, options) {
    return until(
        `/health says ${status}`, async () => await this.status() === status,
        {everyMs: 5, ...options});
  }

  // A graceful end, which must be clean: under AddressSanitizer a leak is not.
  async stop(signal = 'SIGTERM') {
    this.process.child.kill(signal);
    const end = await this.process.exit('the server ends');
    assert.deepEqual(end, {code: 0, signal: null}, `not a clean end:\n${this.process.text}`);
  }

  async restart(options) {
    await this.stop();
    await this.startAgain(options);
  }

  async kill() {
    this.process.child.kill('SIGKILL');
    await this.process.exit();
    // The kernel closes the sockets of an io_uring a moment after its process has ended.
    await until(
        'the port is free again',
        () => new Promise((resolve) => {
          const probe = net.createServer().on('error', () => resolve(false));
          probe.listen(this.port, '127.0.0.1', () => probe.close(() => resolve(true)));
        }),
        {everyMs: 2});
  }

  token(user, claims = {}) {
    return this.key.token({sub: user, iat: seconds(), exp: seconds() + 3600, ...claims});
  }

  // A client of a new user, unless told otherwise.
  client(options = {}) { return new Client(this, {user: fresh('user'), ...options}); }

  // A request without a client: {status, headers, text}.
  request(options) { return request({port: this.port, ...options}); }

  get(path, headers = {}) { return this.request({path, headers}); }

  // What /metrics says, as numbers: {'name{label="x"}': 1}.
  async metrics() {
    const lines = (await this.get('/metrics')).text.split('\n');
    const samples = lines.filter((line) => line && !line.startsWith('#'));
    return Object.fromEntries(samples.map((line) => {
      const end = line.lastIndexOf(' ');
      return [line.slice(0, end), Number(line.slice(end + 1))];
    }));
  }
}
