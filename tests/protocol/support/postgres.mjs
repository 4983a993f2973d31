// Databases for servers under test, in a private cluster.
import {execFile, execFileSync} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

import {fresh} from './wait.mjs';

const run = promisify(execFile);
const tool = fileURLToPath(new URL('../../../tools/private-postgres', import.meta.url));

// A cluster of the test's own, for what must stop or kill it; in a new directory below `parent`.
// `replicaOf`: another one, which it follows until promote().
export class Cluster {
  constructor({parent = os.tmpdir(), replicaOf} = {}) {
    this.directory = mkdtempSync(path.join(parent, 'mana-sync-test-'));
    process.on('exit', () => this.remove());
    if (replicaOf) {
      this.url = this.#tool('replicate', replicaOf.directory);
    } else {
      this.start();
    }
  }

  start() { this.url = this.#tool('start'); }

  // As start(), while other things go on.
  async startAgain() { await run(tool, ['start', this.directory]); }

  promote() { this.#tool('promote'); }

  // Ends it as a power cut would.
  kill() { this.#tool('kill'); }

  // Ends it at once, but in order (`pg_ctl stop -m fast`).
  async stop() { await run(tool, ['stop', this.directory]); }

  get isRunning() {
    try {
      return this.#tool('pid') !== '';
    } catch {
      return false;
    }
  }

  // Stops all its processes where they stand, until thaw().
  freeze() {
    const postmaster = Number(this.#tool('pid'));
    this.frozen = [postmaster];
    process.kill(postmaster, 'SIGSTOP');
    for (const child of childrenOf(postmaster)) {
      process.kill(child, 'SIGSTOP');
      this.frozen.push(child);
    }
  }

  thaw() {
    for (const pid of (this.frozen ?? []).reverse()) process.kill(pid, 'SIGCONT');
    this.frozen = undefined;
  }

  // Has its write-ahead log in a directory of its owner from now on. It is restarted.
  moveLog(directory) {
    this.#tool('stop');
    const log = path.join(this.directory, 'data/pg_wal');
    execFileSync('cp', ['-a', `${log}/.`, directory]);
    rmSync(log, {recursive: true});
    symlinkSync(directory, log);
    this.start();
  }

  remove() {
    if (this.removed) return;
    this.removed = true;
    this.thaw();
    this.#tool('remove');
  }

  #tool(verb, ...more) {
    const args = [verb, this.directory, ...more];
    return execFileSync(tool, args, {encoding: 'utf8', stdio: 'pipe'}).trim();
  }
}

// The processes whose parent is `parent`.
function childrenOf(parent) {
  const parentOf = (pid) => {
    try {
      // What stands behind the name, which may hold anything, is: state, parent, …
      return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ')[1]);
    } catch {
      return undefined;  // it has ended meanwhile
    }
  };
  return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => parentOf(pid) === parent);
}

let shared;
// The cluster that tools/test started, or, where a file is run alone, one for that file.
const sharedUrl = () => process.env.MANA_SYNC_TEST_DATABASE ?? (shared ??= new Cluster()).url;

// A new, empty database. `options`: of CREATE DATABASE.
export async function freshDatabase(clusterUrl = sharedUrl(), options = '') {
  const name = fresh('test').replaceAll('-', '_');
  await new Database(clusterUrl).run(`CREATE DATABASE ${name} ${options}`);
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return new Database(url.href);
}

export class Database {
  constructor(url) { this.url = url; }

  get name() { return new URL(this.url).pathname.slice(1); }

  // Runs a statement; what psql prints, unaligned.
  async run(sql) {
    const {stdout} = await run(
        'psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', sql, this.url], {maxBuffer: 1 << 28});
    return stdout.trim();
  }

  // The rows of a query, as objects.
  async rows(query) {
    return JSON.parse(await this.run(`SELECT coalesce(json_agg(t), '[]') FROM (${query}) t`));
  }

  // The stored changes of a user, in stamp order, with the stamp as a cursor.
  async changes(user) {
    return this.rows(`SELECT *, to_char(created_at AT TIME ZONE 'UTC',
      'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS stamp
      FROM sync_changes WHERE user_id = ${quote(user)} ORDER BY created_at`);
  }

  async count(user) {
    return Number(
        await this.run(`SELECT count(*) FROM sync_changes WHERE user_id = ${quote(user)}`));
  }

  // Stores a row as another program might; columns that are left out get their defaults.
  async insertRow(row) {
    const columns = Object.keys(row);
    const values = columns.map((column) => row[column] === null ? 'NULL' : quote(row[column]));
    await this.run(`INSERT INTO sync_changes (${columns}) VALUES (${values})`);
  }
}

const quote = (text) => `'${String(text).replaceAll('\'', '\'\'')}'`;
