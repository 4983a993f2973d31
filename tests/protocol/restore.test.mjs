// PROTOCOL §10 over a restore from an older backup: what was acknowledged since then is gone from
// the server, and no client misses what comes after it.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {Database, freshDatabase} from './support/postgres.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

const idsOf = ({serverChanges}) => serverChanges.map(({id}) => id).sort();
const change = (id) => insert(id, {title: id, createdAt: at()});

const dump = () =>
    execFileSync('pg_dump', [server.database.url], {encoding: 'utf8', maxBuffer: 1 << 28});

// The server goes on with a database that holds `backup`; `prepare` is run on it first.
async function restore(backup, prepare) {
  await server.stop();
  const database = await freshDatabase(server.database.url);
  execFileSync('psql', ['-XqvON_ERROR_STOP=1', database.url], {input: backup, stdio: 'pipe'});
  if (prepare) await database.run(prepare);
  server.database = new Database(database.url);
  server.env.DATABASE_URL = database.url;
  await server.startAgain();
}

test('10.1 after a restore cursors go on above all that were handed out', async () => {
  const author = server.client();
  const reader = author.other();
  await author.push(change('before'));
  const early = await reader.pull();
  const backup = dump();
  await author.push(change('since'));
  const late = await reader.pull({since: early.syncedUntil});
  assert.deepEqual(idsOf(late), ['since']);

  await restore(backup);
  assert.deepEqual(idsOf(await author.other().pull()), ['before'], 'the rest is lost');
  const pushed = await author.push(change('after'), {since: late.syncedUntil});
  assert.ok(pushed.syncedUntil > late.syncedUntil);
  assert.deepEqual(idsOf(await reader.pull({since: late.syncedUntil})), ['after']);
  assert.deepEqual(idsOf(await author.other().pull({since: early.syncedUntil})), ['after']);
  // Whoever still has it can send it once more.
  assert.deepEqual((await author.push(change('since'))).conflicts, []);
  assert.deepEqual(idsOf(await author.other().pull()), ['after', 'before', 'since']);
});

test('2.5, 10.1 where the clock had been ahead, the lease is raised before the start', async () => {
  const author = server.client();
  const reader = author.other();
  await author.push(change('before'));
  const backup = dump();
  // As a server leaves it whose clock is an hour ahead.
  await server.stop();
  await server.database.run(
      'UPDATE mana_sync_lease SET high_water_us = high_water_us + 3600 * 1000000::bigint');
  await server.startAgain();
  const {syncedUntil} = await reader.pull();
  assert.ok(Date.parse(syncedUntil) > Date.now() + 1800_000);

  await restore(backup);
  const ask = await reader.pull({since: syncedUntil});
  assert.ok(ask.syncedUntil < syncedUntil, 'later than anything handed out counts as now');

  // What docs/OPERATIONS.md says to do.
  await restore(backup, `UPDATE mana_sync_lease SET high_water_us =
      (extract(epoch FROM now() + interval '2 hours') * 1000000)::bigint`);
  await author.push(change('after'));
  assert.deepEqual(idsOf(await reader.pull({since: syncedUntil})), ['after']);
});
