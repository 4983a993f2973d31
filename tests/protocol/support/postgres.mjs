// Databases for servers under test, in a private cluster.
import {execFile, execFileSync} from 'node:child_process';
import {mkdtempSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';

import {fresh} from './wait.mjs';

const run = promisify(execFile);
const tool = fileURLToPath(new URL('../../../tools/private-postgres', import.meta.url));

// A cluster of the test's own, for what must stop or kill it.
export class Cluster {
  constructor() {
    this.directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-test-'));
    process.on('exit', () => this.remove());
    this.start();
  }

  start() { this.url = execFileSync(tool, ['start', this.directory], {encoding: 'utf8'}).trim(); }

  // Ends it as a power cut would.
  kill() { execFileSync(tool, ['kill', this.directory]); }

  remove() {
    if (this.removed) return;
    this.removed = true;
    execFileSync(tool, ['remove', this.directory]);
  }
}

let shared;
// The cluster that tools/test started, or, where a file is run alone, one for that file.
const sharedUrl = () => process.env.MANA_SYNC_TEST_DATABASE ?? (shared ??= new Cluster()).url;

// A new, empty database.
export async function freshDatabase(clusterUrl = sharedUrl()) {
  const name = fresh('test').replaceAll('-', '_');
  await new Database(clusterUrl).run(`CREATE DATABASE ${name}`);
  const url = new URL(clusterUrl);
  url.pathname = `/${name}`;
  return new Database(url.href);
}

export class Database {
  constructor(url) { this.url = url; }

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
