// Two servers on one database: one serves, the other waits, and nobody is left where changes do not
// come any more (PROTOCOL 6.2, 8.1, 9.5, 10.1).
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {FrameSocket} from './support/frames.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {test} from './support/wait.mjs';

const first = await Server.start();
const standby = await Server.start({beside: first, ready: false});
after(() => Promise.all([first.stop(), standby.stop()]));

// What a client of `server` is answered that would follow, be told, or pull.
async function refusals(server, client) {
  const answers = [
    await Socket.open(server, '/ws/app').then((socket) => socket.destroy(), String),
    (await EventStream.open(client)).status,
    (await client.query({collection: 'todos', since: beginning})).status,
    (await client.post({changes: [insert('refused', {createdAt: at()})]})).status,
  ];
  return answers.map((answer) => (/\b503\b/.test(answer) ? 503 : answer));
}

test('8.1, 9.5 a standby says so, and serves nobody', async () => {
  await standby.says('standby');
  const health = await standby.get('/health');
  assert.equal(health.status, 503);
  assert.equal(JSON.parse(health.text).database, 'up');
  assert.deepEqual(await refusals(standby, standby.client()), [503, 503, 503, 503]);
});

test('6.2, 10.1 after a take-over nobody stays with the one that serves no more', async () => {
  const client = first.client();
  const other = client.other();
  await client.push(insert('before', {createdAt: at()}));
  const socket = await Socket.of(other);
  const events = await EventStream.open(other);
  await events.until(1);

  // It sleeps, and its sessions end; another takes over.
  first.process.child.kill('SIGSTOP');
  await first.database.run(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
      'WHERE datname = current_database() AND pid <> pg_backend_pid()');
  await standby.ready();
  first.process.child.kill('SIGCONT');

  assert.equal((await socket.closed()).code, 1012);
  await events.end();
  assert.deepEqual(events.ids, ['before']);
  await first.says('standby');
  assert.deepEqual(await refusals(first, client), [503, 503, 503, 503]);

  const moved = standby.client({user: client.user, id: other.id});
  const goesOn = await EventStream.open(moved, {lastEventId: events.lastId});
  await moved.other().push(insert('after', {createdAt: at()}));
  await goesOn.until(1);
  assert.deepEqual(goesOn.ids, ['after']);
  goesOn.destroy();
});

test(
    '6.7 a stopped server does not keep the standby waiting for clients that say no good-bye',
    async () => {
      const silent = await FrameSocket.open(standby.port, '/ws/app');
      standby.process.child.kill('SIGTERM');
      await first.says('ok');
      assert.equal(standby.process.end, undefined, 'it still waits for the close frame');
      silent.destroy();
      assert.deepEqual(await standby.process.exit(), {code: 0, signal: null});
      await standby.startAgain({ready: false});
    });
