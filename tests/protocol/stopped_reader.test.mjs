// PROTOCOL 6.2, 7.2: readers that stop reading while their user receives very much. The server's
// memory stays bounded, it closes who takes nothing for 30 s, and they go on from their cursor with
// nothing lost. The times are the server's own: all readers stop side by side.
import assert from 'node:assert/strict';
import {after} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

import {at, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {assertOnceEach} from './support/follow.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {fresh, test, until} from './support/wait.mjs';

// What the server may grow by. One reader's changes alone are 120 MiB.
const growthMax = 50 * mebibyte;

const server = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(8 * mebibyte)}});
after(() => server.stop());

// Long names make long notices: 10 kB each.
const tables = [...Array(10).keys()].map((i) => `table${i}-`.padEnd(1000, 'x'));
const changesOf = (pushes) => [...Array(pushes).keys()].map(
    () => tables.flatMap(
        (table) => [...Array(10).keys()].map(
            () => insert(fresh('r'), {createdAt: at()}, {table}))));

test(
    '6.2, 7.2 readers that take nothing are closed after 30 s, and lose nothing',
    {timeout: 300_000}, async () => {
      const author = server.client();
      const reader = author.other();
      const pushes = changesOf(1000);
      const ids = pushes.flat().map(({id}) => id);
      assert.equal(ids.length, 100_000);
      await author.push(pushes[0]);
      const socket = await Socket.of(reader);
      const stream = await EventStream.open(reader);
      // To this one little is sent: the kernel takes it all.
      const idle = server.client();
      const idleSocket = await Socket.of(idle);
      const idleStream = await EventStream.open(idle);
      await stream.until(100);

      const before = residentBytes(server);
      let most = 0;
      socket.ws.pause();
      idleSocket.ws.pause();
      stream.response.pause();
      idleStream.response.pause();
      // It speaks, so that it is not taken for one that is gone.
      const speaking = setInterval(() => idleSocket.send({type: 'ping'}), 5000).unref();
      const begin = Date.now();
      const secondsSince = () => (Date.now() - begin) / 1000;
      const closedAfter = {};
      const look = async () => {
        most = Math.max(most, residentBytes(server) - before);
        const {mana_sync_websockets: sockets, mana_sync_followers: streams} =
            await server.metrics();
        if (sockets < 2) closedAfter.socket ??= secondsSince();
        if (streams < 2) closedAfter.stream ??= secondsSince();
        return closedAfter.socket && closedAfter.stream;
      };
      const idleChanges = [];
      for (const [i, changes] of pushes.slice(1).entries()) {
        await author.push(changes);
        if (i % 20 === 0) {
          idleChanges.push(insert(fresh('r'), {createdAt: at()}));
          await idle.other().push(idleChanges.at(-1));
          await look();
        }
        // So that the load lasts as long as they are waited for.
        await pause(Math.max(0, (1 + i) * 35 - secondsSince() * 1000));
      }
      await until('both are closed', look, {seconds: 60, everyMs: 100});
      for (const [what, seconds] of Object.entries(closedAfter)) {
        assert.ok(seconds > 29, `${what}: closed after ${seconds} s`);
      }
      assert.equal(idleSocket.end, undefined);
      if (!underAddressSanitizer) {
        assert.ok(most < growthMax, `grew by ${Math.round(most / mebibyte)} MiB`);
      }

      clearInterval(speaking);
      idleSocket.ws.resume();
      idleStream.response.resume();
      await idleStream.until(idleChanges.length);
      assert.deepEqual(idleStream.ids, idleChanges.map(({id}) => id));
      await until('it is notified', () => idleSocket.queue.some(({tables: named}) => named));
      assert.equal(idleSocket.end, undefined);

      stream.response.resume();
      await until('its connection ends', () => stream.closed);
      const rest = await EventStream.open(reader, {lastEventId: stream.lastId});
      await rest.until(ids.length - stream.ids.length, {seconds: 120});
      assertOnceEach([...stream.ids, ...rest.ids], ids, 'the follower that comes back');

      socket.ws.resume();
      await socket.closed();
      const again = await Socket.of(reader);
      const {changes, since} = await reader.pullAll({collections: '*'});
      assertOnceEach(changes.map(({id}) => id), ids, 'the socket\'s user');
      const last = insert(fresh('r'), {createdAt: at()});
      await author.push(last);
      assert.deepEqual((await again.notice()).tables, ['todos']);
      assert.deepEqual((await reader.pull({since})).serverChanges.map(({id}) => id), [last.id]);
      for (const each of [again, rest, idleSocket, idleStream]) each.destroy();
    });

test('6.2 sockets that stop while ever more tables are named', {timeout: 120_000}, async () => {
  const author = server.client();
  const bystander = server.client();
  const sockets = await Promise.all([...Array(20).keys()].map(() => Socket.of(author.other())));
  for (const socket of sockets) socket.ws.pause();
  const before = residentBytes(server);
  let [most, slowest] = [0, 0];
  const names = [];
  for (let i = 0; i < 8; i += 1) {
    const some = [...Array(4000).keys()].map((j) => `table${i}-${j}-`.padEnd(1000, 'x'));
    names.push(...some);
    await author.push(some.map((table) => insert(fresh('r'), {createdAt: at()}, {table})));
    const begin = Date.now();
    await bystander.push(insert(fresh('r'), {createdAt: at()}));
    slowest = Math.max(slowest, Date.now() - begin);
    most = Math.max(most, residentBytes(server) - before);
  }
  if (!underAddressSanitizer) {
    // For each of the 20 all names would be 32 MB, and as much again as a message.
    assert.ok(most < 200 * mebibyte, `grew by ${Math.round(most / mebibyte)} MiB`);
    assert.ok(slowest < 2000, `another user waited for ${slowest} ms`);
  }
  // Each hears of all tables, or is closed, and then pulls.
  await Promise.all(sockets.map(async (socket) => {
    const heard = new Set();
    socket.ws.resume();
    await until('it has heard of all, or is closed', () => {
      for (const {tables: named} of socket.queue.splice(0))
        named.forEach((name) => heard.add(name));
      return heard.size === names.length || socket.end;
    }, {seconds: 60});
    // It is told so, where there is too much to name.
    if (heard.size < names.length) assert.equal(socket.end.code, 1012);
    socket.destroy();
  }));
  assert.equal((await author.other().pullAll({collections: '*'})).changes.length, names.length);
});
