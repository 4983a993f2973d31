// PROTOCOL §6: whom a WebSocket hears of, and when, and how it ends.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, update} from './support/client.mjs';
import {FrameSocket} from './support/frames.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {fresh, test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

let count = 0;
// A change of a record that nobody has seen yet.
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});

// Pushes of this table reach every socket of the user and app: what was to come came before it.
const fence = async (client) => client.other().push(something('fence'));
const fenceNotice = (client) => ({appId: client.app, tables: ['fence']});

test('6.1 a socket of an app hears of each push to it', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  const author = client.other();
  for (let i = 0; i < 20; i += 1) {
    await author.push(something(`table${i}`));
    assert.deepEqual(await socket.notice(), {appId: client.app, tables: [`table${i}`]});
  }
  await socket.silent();
  socket.destroy();
});

test('6.1 a socket of an app does not hear of the user\'s other apps', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  await client.other({app: 'elsewhere'}).push(something());
  await fence(client);
  assert.deepEqual(await socket.notice(), fenceNotice(client));
  await socket.silent();
  socket.destroy();
});

test('6.1 a socket of no app hears of all the user\'s apps', async () => {
  const client = server.client();
  const socket = await Socket.of(client, {path: '/ws'});
  for (const app of ['one', 'two', 'three']) {
    await client.other({app}).push(something());
    assert.deepEqual(await socket.notice(), {appId: app, tables: ['todos']});
  }
  const apps = [...Array(30).keys()].map((i) => `app${i}`);
  await Promise.all(apps.map((app) => client.other({app}).push(something())));
  const heard = [];
  while (heard.length < apps.length) heard.push(await socket.notice());
  assert.deepEqual(heard.map(({appId}) => appId).sort(), [...apps].sort());
  await socket.silent();
  socket.destroy();
});

test('6.1 tables are sorted and unique', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  const tables = ['b', 'a', 'Z', 'ä', '𝕏', '\ufffd', 'a b', '"', '\\', 'a', 'b'];
  await client.other().push(tables.map((table) => something(table)));
  const expected = ['"', 'Z', '\\', 'a', 'a b', 'b', 'ä', '\ufffd', '𝕏'];
  assert.deepEqual((await socket.notice()).tables, expected);
  socket.destroy();
});

test('6.1 an appId is percent-decoded, and stands in the notice as in a push', async () => {
  for (const app of ['a b', 'ü/"\\', '𝕏', '%', 'x'.repeat(255)]) {
    const client = server.client({app});
    const one = await Socket.of(client);
    const all = await Socket.of(client, {path: '/ws'});
    await client.other().push(something());
    for (const socket of [one, all]) {
      assert.deepEqual(await socket.notice(), {appId: app, tables: ['todos']});
      socket.destroy();
    }
  }
});

test('6.1 a client\'s own pushes do not wake the socket that named it in auth', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  const nameless = await Socket.open(server, `/ws/${client.app}`);
  await nameless.auth(client.token);
  await client.push(something());
  assert.deepEqual(await nameless.notice(), {appId: client.app, tables: ['todos']});
  await fence(client);
  assert.deepEqual(await socket.notice(), fenceNotice(client));
  // The body's clientId counts as the header's does (2.3).
  const headless = client.other({id: ''});
  await headless.push(something('own'), {clientId: client.id});
  await fence(client);
  assert.deepEqual(await socket.notice(), fenceNotice(client));
  await socket.silent();
  for (const each of [socket, nameless]) each.destroy();
});

test('6.1 a push without a client id wakes every socket of the user', async () => {
  const client = server.client({id: ''});
  const sockets = await Promise.all(['a', '', null, undefined].map(async (clientId) => {
    const socket = await Socket.open(server, `/ws/${client.app}`);
    return socket.auth(client.token, clientId === undefined ? {} : {clientId});
  }));
  await client.push(something());
  for (const socket of sockets) {
    assert.deepEqual(await socket.notice(), {appId: client.app, tables: ['todos']});
    socket.destroy();
  }
});

test('6.1 another user\'s pushes never wake it', async () => {
  const client = server.client();
  const sockets = [await Socket.of(client), await Socket.of(client, {path: '/ws'})];
  for (let i = 0; i < 10; i += 1) await server.client({app: client.app}).push(something());
  // Nor one whose name begins alike.
  await server.client({user: `${client.user}x`}).push(something());
  await fence(client);
  for (const socket of sockets) {
    assert.deepEqual(await socket.notice(), fenceNotice(client));
    await socket.silent();
    socket.destroy();
  }
});

test('6.2 at the moment of the notice a pull has the push', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  let since;
  for (let i = 0; i < 50; i += 1) {
    const change = something();
    const pushed = client.other().push(change);
    await socket.notice();
    const {serverChanges, syncedUntil} = await client.pull({since});
    assert.deepEqual(serverChanges.map(({id}) => id), [change.id]);
    since = syncedUntil;
    await pushed;
  }
  socket.destroy();
});

test('6.2 a push that stored nothing wakes nobody', async () => {
  const client = server.client();
  const author = client.other();
  const first = [something(), update('x', {a: [1, at(1000)]})];
  await author.push(first);
  const socket = await Socket.of(client);
  await author.push(first);
  await author.push([]);
  await author.push({table: 'todos', id: 'x', op: 'update', fields: {}});
  const {conflicts} = await client.other().push(update('x', {a: [2, at(0)]}));
  assert.equal(conflicts.length, 1, 'an edit that lost');
  await author.refused({changes: [something(), {op: 'none'}]});
  await fence(client);
  assert.deepEqual(await socket.notice(), fenceNotice(client));
  await socket.silent();
  socket.destroy();
});

test('6.2 only tables of what was stored are named', async () => {
  const client = server.client();
  const author = client.other();
  const old = something('old');
  await author.push(old);
  const socket = await Socket.of(client);
  await author.push([old, something('new')]);
  assert.deepEqual((await socket.notice()).tables, ['new']);
  socket.destroy();
});

test('6.2 to a socket that reads slowly notices merge, and none is lost', async () => {
  const client = server.client();
  const author = client.other();
  const socket = await Socket.of(client);
  // The same long names in each push: a notice is 10 kB, so that the kernel does not take them all.
  const many = [...Array(10).keys()].map((i) => `long${i}-`.padEnd(1000, 'x'));
  let bytes = 0;
  socket.ws.on('message', (data) => { bytes += data.length; });
  socket.ws.pause();
  const pushes = 800;
  for (let i = 0; i < pushes; i += 1) {
    await author.push([...many, `${i}`].map((table) => something(table)));
  }
  socket.ws.resume();
  const heard = new Set();
  await until('every table is named', async () => {
    for (const table of (await socket.notice()).tables) heard.add(table);
    return heard.size >= many.length + pushes;
  }, {everyMs: 0});
  assert.deepEqual(
      [...heard].sort(), [...many, ...[...Array(pushes).keys()].map((i) => `${i}`)].sort());
  assert.ok(bytes < pushes * 10_000 * 0.8, `${bytes} bytes: some were merged`);
  await socket.silent();
  socket.destroy();
});

test('6.7 at shutdown: close 1001', async () => {
  const other = await Server.start();
  const clients = [...Array(20).keys()].map(() => other.client());
  const sockets = await Promise.all([
    ...clients.map((client) => Socket.of(client)),
    ...clients.map(() => Socket.open(other)),
  ]);
  const stopped = other.stop();
  for (const socket of sockets) assert.equal((await socket.closed()).code, 1001);
  await stopped;
});

test('6.7 who does not answer the close does not hold up the end', async () => {
  const other = await Server.start();
  const silent = await FrameSocket.open(other.port, '/ws');
  const paused = await Socket.of(other.client());
  paused.ws.pause();
  const begin = Date.now();
  await other.stop();
  const seconds = (Date.now() - begin) / 1000;
  assert.ok(seconds < 12, `${seconds} s; the grace is 10`);
  assert.equal((await silent.nextFrame()).payload.readUInt16BE(), 1001);
  for (const each of [silent, paused]) each.destroy();
});

test('8.1, 8.2 sockets are counted as connections, and their users once each', async () => {
  const other = await Server.start();
  // The connection that asks counts too.
  const come = (connections, users) =>
      until(`${connections} connections and ${users} users`, async () => {
        const health = JSON.parse((await other.get('/health')).text);
        const metrics = await other.metrics();
        return health.connections === connections + 1 && health.users === users &&
            metrics.mana_sync_connections_total === connections + 1 &&
            metrics.mana_sync_users_connected === users;
      });
  await come(0, 0);
  const clients = [other.client(), other.client()];
  const sockets = await Promise.all(
      [...clients, ...clients].map((client) => Socket.open(other, `/ws/${client.app}`)));
  await come(4, 0);
  for (const [i, socket] of sockets.entries()) await socket.auth(clients[i % 2].token);
  await come(4, 2);
  sockets[0].destroy();
  await come(3, 2);
  // Its user's other one now belongs to another user.
  await sockets[2].auth(clients[1].token);
  await come(3, 1);
  for (const socket of sockets) socket.destroy();
  await come(0, 0);
  await other.stop();
});
