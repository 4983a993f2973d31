// Least privilege: the database roles of docs/OPERATIONS.md are enough, and hold nothing more.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';

import {at, insert} from './support/client.mjs';
import {Database, freshDatabase} from './support/postgres.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const admin = await freshDatabase();
const name = new URL(admin.url).pathname.slice(1);
const roles = {
  owner: fresh('owner').replaceAll('-', '_'),
  server: fresh('server').replaceAll('-', '_')
};

// The statements of a section of the documentation, with this run's names.
function documented(section) {
  const operations = fileURLToPath(new URL('../../docs/OPERATIONS.md', import.meta.url));
  const text = readFileSync(operations, 'utf8');
  const begin = text.indexOf(section);
  assert.ok(begin >= 0, section);
  const statements = /\n\n((?: {4}.*\n)+)/.exec(text.slice(begin))[1];
  return statements.replace(/mana_sync_server/g, roles.server)
      .replace(/\bmana_sync_owner\b/g, roles.owner)
      .replace(/DATABASE mana_sync\b/g, `DATABASE ${name}`);
}

function urlAs(role) {
  const url = new URL(admin.url);
  url.username = role;
  url.password = 'change-me';
  return url.href;
}

async function serves(server, ids) {
  const client = server.client();
  for (const id of ids) await client.push(insert(id, {createdAt: at()}));
  assert.equal((await client.other().pull()).serverChanges.length, ids.length);
}

const assertNoRefusal = (process) => assert.doesNotMatch(process.text, /permission denied|must be/);

after(async () => {
  const cluster = new URL(admin.url);
  cluster.pathname = '/mana_sync';
  const database = new Database(cluster.href);
  await database.run(`DROP DATABASE ${name} WITH (FORCE)`);
  await database.run(`DROP ROLE ${roles.owner}`);
  await database.run(`DROP ROLE ${roles.server}`);
});

test('a role that owns nothing but the tables migrates and serves', async () => {
  for (const statement of documented('A role that owns').split(';\n').filter((s) => s.trim())) {
    if (/CREATE DATABASE/.test(statement)) {
      await admin.run(`ALTER DATABASE ${name} OWNER TO ${roles.owner}`);
    } else {
      await admin.run(statement);
    }
  }
  const database = new Database(urlAs(roles.owner));
  const server = await Server.start({database});
  await serves(server, ['a', 'b']);
  await server.restart();
  await serves(server, ['c']);
  assertNoRefusal(server.process);
  await server.stop();
});

test('a role that may only read and add serves when there is nothing to migrate', async () => {
  for (const statement of documented('A role that only serves').split(';\n')) {
    if (statement.trim()) await admin.run(statement);
  }
  const database = new Database(urlAs(roles.server));
  const first = await Server.start({database});
  await serves(first, ['a']);
  // A take-over reads the other's locks, and ends its batches.
  const second = await Server.start({database, ready: false});
  await first.kill();
  await second.ready();
  await serves(second, ['b']);
  for (const {process} of [first, second]) assertNoRefusal(process);
  for (const forbidden
           of ['DELETE FROM sync_changes', 'UPDATE sync_changes SET op = op',
               'TRUNCATE sync_changes', 'CREATE TABLE more (id int)', 'DELETE FROM mana_sync_lease',
               'ALTER TABLE sync_changes ADD x int']) {
    await assert.rejects(database.run(forbidden), /permission denied|must be owner/, forbidden);
  }
  await second.stop();
});
