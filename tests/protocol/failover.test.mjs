// PROTOCOL 10.1, 2.1: from one server to the other. (What a standby says has standby.test.mjs.)
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const one = await Server.start();
const two = await Server.start({beside: one, ready: false});
const {database} = one;
after(() => Promise.all([one.stop(), two.stop()]));

// The one that serves, and the one that waits.
async function roles() {
  const isFirst = await until('one of them serves', async () => {
    const statuses = await Promise.all([one.status(), two.status()]);
    return statuses.includes('ok') && statuses.includes('standby') && {one: statuses[0] === 'ok'};
  });
  return isFirst.one ? [one, two] : [two, one];
}

const clientAt = (server, {user, id}) => server.client({user, id});

// Ends the session that holds the lease, as a network would that is cut.
const endLease = () => database.run(
    'SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = \'advisory\' ' +
    'AND mode = \'ExclusiveLock\' AND database = ' +
    '(SELECT oid FROM pg_database WHERE datname = current_database())');

const stored = async (user) => (await database.changes(user)).map((row) => row.record_id);

// A request that stands in the connection of a server that does not read it yet.
async function unread(client, answered) {
  const socket = await until('it is connected', () => {
    const [open] = Object.values(client.agent.sockets).flat();
    return open?.connecting === false && open;
  }, {everyMs: 1});
  await until('it is sent', () => socket.writableLength === 0, {everyMs: 1});
  return {answered};
}

for (const how of ['SIGKILL', 'SIGTERM']) {
  test(`10.1 after ${how} the standby takes over, and no cursor goes back`, async (context) => {
    const [serving, standby] = await roles();
    const author = serving.client();
    let last = beginning;
    for (let i = 0; i < 20; i += 1) {
      await author.push(insert(`before-${i}`, {createdAt: at()}));
      const {syncedUntil} = await author.other().pull({since: last});
      assert.ok(syncedUntil > last);
      last = syncedUntil;
    }
    const died = performance.now();
    await (how === 'SIGKILL' ? serving.kill() : serving.stop());
    await standby.says('ok');
    context.diagnostic(`it serves ${Math.round(performance.now() - died)} ms after`);

    const moved = clientAt(standby, author);
    const {syncedUntil} = await moved.push(insert('after', {createdAt: at()}));
    assert.ok(syncedUntil > last, `${last}, then ${syncedUntil}`);
    const {serverChanges} = await moved.other().pull({since: last});
    assert.deepEqual(serverChanges.map((change) => change.id), ['after']);
    await serving.startAgain({ready: false});
  });
}

test('2.1 one that was frozen, and wakes after the take-over, stores nothing', async () => {
  const [frozen, other] = await roles();
  const clients = [...Array(10).keys()].map(() => frozen.client());
  for (const client of clients) await client.push(insert('before', {createdAt: at()}));
  frozen.process.child.kill('SIGSTOP');
  const late = [];
  for (const client of clients) {
    const changes = [insert('late', {createdAt: at()})];
    late.push(await unread(client, client.post({changes})));
  }
  // Its other sessions stay: what it sends reaches PostgreSQL.
  await endLease();
  await other.says('ok');
  for (const client of clients) {
    await clientAt(other, client).push(insert('after', {createdAt: at()}));
  }
  frozen.process.child.kill('SIGCONT');

  for (const [i, {answered}] of late.entries()) {
    assert.equal((await answered).status, 503);
    assert.deepEqual(await stored(clients[i].user), ['before', 'after']);
  }
  await frozen.says('standby');
});

test('2.1 a batch that was under way at the take-over is not stored after it', async () => {
  const [frozen, other] = await roles();
  const client = frozen.client();
  await client.push(insert('before', {createdAt: at()}));
  const lock = database.run('BEGIN; LOCK TABLE sync_changes IN SHARE MODE; SELECT pg_sleep(3600)');
  lock.catch(() => {});
  const locked = (isGranted) => until('the table is locked', async () => {
    const condition = `relation = 'sync_changes'::regclass AND ${isGranted ? '' : 'NOT'} granted`;
    return await database.run(`SELECT count(*) FROM pg_locks WHERE ${condition}`) !== '0';
  });
  await locked(true);
  const late = client.post({changes: [insert('late', {createdAt: at()})]});
  await locked(false);
  frozen.process.child.kill('SIGSTOP');
  const leases = () => other.process.text.split('lease_acquired').length;
  const before = leases();
  await endLease();
  await until('the other has the lease', () => leases() > before);
  await database.run(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE \'%pg_sleep(3600)%\'' +
      ' AND pid <> pg_backend_pid()');
  await other.says('ok');
  await clientAt(other, client).push(insert('after', {createdAt: at()}));
  frozen.process.child.kill('SIGCONT');

  assert.equal((await late).status, 503);
  assert.deepEqual(await stored(client.user), ['before', 'after']);
  await frozen.says('standby');
});

test('10.1 one that wakes after the take-over moves no cursor back', async () => {
  const [frozen, other] = await roles();
  const authors = [...Array(10).keys()].map(() => frozen.client());
  for (const author of authors) {
    await author.push(insert('before', {createdAt: at()}));
    await author.other().pull();
  }
  frozen.process.child.kill('SIGSTOP');
  await endLease();
  await other.says('ok');
  const late = [];
  for (const author of authors) {
    const moved = clientAt(other, author);
    const {syncedUntil: since} = await moved.push(insert('after', {createdAt: at()}));
    const reader = author.other();
    late.push([since, await unread(reader, reader.query({collection: 'todos', since}))]);
  }
  frozen.process.child.kill('SIGCONT');
  for (const [since, {answered}] of late) {
    const {status, json} = await answered;
    if (status !== 503) assert.ok(json.syncedUntil >= since, `${since}, then ${json.syncedUntil}`);
  }
  await frozen.says('standby');
});

test('8.1 one that is frozen for good is succeeded, though its sessions live', async (context) => {
  const [frozen, other] = await roles();
  const client = frozen.client();
  await client.push(insert('before', {createdAt: at()}));
  frozen.process.child.kill('SIGSTOP');
  const begin = performance.now();
  await other.says('ok');
  context.diagnostic(`the other serves ${Math.round(performance.now() - begin)} ms later`);
  await clientAt(other, client).push(insert('after', {createdAt: at()}));
  frozen.process.child.kill('SIGCONT');
  await frozen.says('standby');
  assert.deepEqual(await stored(client.user), ['before', 'after']);
});
