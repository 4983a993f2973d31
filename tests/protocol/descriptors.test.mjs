// PROTOCOL 9.5: more connections than the process may have, and very many at once.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {fresh, test, until} from './support/wait.mjs';

const limit = 128;
const something = () => insert(fresh('r'), {createdAt: at()});
const get = (path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`;

const server = await Server.start({wrapper: ['prlimit', `--nofile=${limit}:${limit}`]});
after(() => server.stop());

// A connection that stays: what the server says of itself when no other one can be had.
const witness = await RawSocket.connect(server.port);
async function pauses() {
  const {status, body} = await witness.send(get('/metrics')).response();
  assert.equal(status, 200);
  return Number(/^mana_sync_accept_paused_total (\d+)$/m.exec(body)[1]);
}

// Seconds of processor time that the server has used.
function processorSeconds() {
  const stat = readFileSync(`/proc/${server.process.child.pid}/stat`, 'utf8');
  const [user, system] = stat.slice(stat.lastIndexOf(')') + 2).split(' ').slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

const logged = (event) =>
    server.process.log.filter((line) => line.includes(`"event":"${event}"`)).length;

test('9.5 out of descriptors, accepting pauses and what is open goes on', async () => {
  const author = server.client();
  await author.push(something());
  const socket = await Socket.of(author.other());
  const stream = await EventStream.open(author.other());
  assert.equal(await pauses(), 0);

  const crowd =
      await Promise.all([...Array(2 * limit).keys()].map(() => RawSocket.connect(server.port)));
  await until('accepting pauses', async () => await pauses() > 0);
  const goesOn = async (count) => {
    await author.push(something());
    await socket.notice();
    await stream.until(count);
  };
  await goesOn(2);

  const [begin, used, paused] = [Date.now(), processorSeconds(), await pauses()];
  await until('it has tried some times more', async () => await pauses() >= paused + 10);
  const share = (processorSeconds() - used) / ((Date.now() - begin) / 1000);
  assert.ok(share < 0.5, `it spins: ${share} of a processor`);
  await goesOn(3);
  assert.equal(logged('accept_paused'), 1, 'one line, however long it lasts');

  // Those who waited are accepted as others go; so are new ones.
  const [first, second] = [crowd.slice(0, limit), crowd.slice(limit)];
  for (const raw of first) raw.destroy();
  const answers = second.map((raw) => raw.send(get('/health')).response());
  for (const [i, answer] of answers.entries()) {
    assert.equal((await answer).status, 200);
    second[i].destroy();
  }
  const late = await RawSocket.connect(server.port);
  assert.equal((await late.send(get('/health')).response()).status, 200);
  await goesOn(4);
  assert.ok(logged('accept_resumed') >= 1);
  for (const each of [late, socket, stream]) each.destroy();
});

test('9.5 of a crowd of short WebSockets, each gets its turn', async () => {
  const client = server.client();
  const before = await pauses();
  await Promise.all([...Array(5 * limit).keys()].map(async () => {
    const socket = await Socket.of(client.other());
    await socket.close(1000);
  }));
  assert.ok(await pauses() > before, 'there were more than could be had at once');
  await until('all are gone', async () => {
    const {body} = await witness.send(get('/health')).response();
    return JSON.parse(body).users === 0;
  });
  witness.destroy();
});

test('6 2,000 sockets at once are all authenticated and notified', {timeout: 120_000}, async () => {
  const other = await Server.start();
  const clients = [...Array(20).keys()].map(() => other.client());
  const open = (i) => Socket.of(clients[i % clients.length].other({id: ''}));
  const sockets = await Promise.all([...Array(2000).keys()].map(open));
  const health = JSON.parse((await other.get('/health')).text);
  assert.equal(health.users, clients.length);
  assert.ok(health.connections > 2000);
  await Promise.all(clients.map((client) => client.push(something())));
  for (const [i, socket] of sockets.entries()) {
    assert.deepEqual(
        await socket.notice(), {appId: clients[i % clients.length].app, tables: ['todos']});
  }
  const stopped = other.stop();
  for (const socket of sockets) assert.equal((await socket.closed()).code, 1001);
  await stopped;
});
