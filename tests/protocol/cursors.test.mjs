// PROTOCOL §10: cursors. Followers under load have follower.test.mjs, killed servers
// durability.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, cursorPattern, insert, remove, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

const idsOf = (answer) => answer.serverChanges.map((change) => change.id);

test(
    '10.1 from cursor to cursor every change comes once, whatever was asked in between',
    async () => {
      const author = server.client();
      const reader = author.other();
      const seen = [];
      let since = beginning;
      for (let i = 0; i < 60; i += 1) {
        await author.push(insert(`r${i}`, {createdAt: at()}));
        // A cursor of a push serves a pull, and the other way round.
        const answer = i % 3 === 0 ?
            await reader.push(insert(`own${i}`, {createdAt: at()}), {since}) :
            await reader.pull({since});
        seen.push(...idsOf(answer));
        since = answer.syncedUntil;
        if (i % 20 === 19) await server.restart();
      }
      assert.deepEqual(seen, [...Array(60).keys()].map((i) => `r${i}`));
    });

test('10.1 a cursor of one table is good for the others', async () => {
  const author = server.client();
  const reader = author.other();
  await author.push(
      [insert('a', {createdAt: at()}), insert('n', {createdAt: at()}, {table: 'notes'})]);
  const {syncedUntil} = await reader.pull();
  await author.push(insert('n2', {createdAt: at()}, {table: 'notes'}));
  assert.deepEqual(idsOf(await reader.pull({collection: 'notes', since: syncedUntil})), ['n2']);
});

test('10.1 a page that ends inside one push goes on inside it', async () => {
  const author = server.client();
  await author.push([...Array(50).keys()].map((i) => insert(`r${i}`, {createdAt: at()})));
  for (const limit of [1, 7, 49]) {
    for (let i = 0; i < 2; i += 1) {
      const {changes} = await author.other().pullAll({limit});
      assert.deepEqual(
          changes.map((change) => change.id), [...Array(50).keys()].map((n) => `r${n}`));
      await server.restart();
    }
  }
});

test('10.1 a cursor taken while pushes are under way misses none of them', async () => {
  const author = server.client();
  const writers = [...Array(10).keys()].map(() => author.other());
  const reader = author.other();
  const seen = [];
  let since = beginning;
  const pull = async () => {
    const answer = await reader.pull({since});
    seen.push(...idsOf(answer));
    since = answer.syncedUntil;
  };
  for (let round = 0; round < 20; round += 1) {
    const pushes = writers.map(
        (writer, i) => writer.push(
            [...Array(20).keys()].map((n) => insert(`${round}-${i}-${n}`, {createdAt: at()}))));
    await pull();
    await pull();
    await Promise.all(pushes);
  }
  await pull();
  assert.equal(new Set(seen).size, seen.length);
  assert.equal(seen.length, 20 * 10 * 20);
});

test('10.1 no cursor goes back over a restart or a kill', async () => {
  const author = server.client();
  const reader = author.other();
  let last = beginning;
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < 30; i += 1) {
      const {syncedUntil} = i % 10 === 0 ?
          await author.push(insert(`r${round}-${i}`, {createdAt: at()})) :
          await reader.pull({since: last});
      assert.ok(syncedUntil > last, `${last} then ${syncedUntil}`);
      last = syncedUntil;
    }
    if (round % 2 === 0) {
      await server.kill();
      await server.startAgain();
    } else {
      await server.restart();
    }
    // A change after the restart lies above every cursor handed out before it.
    await author.push(insert(`after${round}`, {createdAt: at()}));
    assert.deepEqual(idsOf(await reader.pull({since: last})), [`after${round}`]);
    last = (await reader.pull({since: last})).syncedUntil;
  }
});

test('10.1 a restart does not push cursors far ahead of the clock', async () => {
  const reader = server.client();
  for (let i = 0; i < 3; i += 1) await server.restart();
  const {syncedUntil} = await reader.pull();
  assert.ok(Date.parse(syncedUntil) < Date.now() + 60_000, syncedUntil);
});

test('10.1 what another program stored before is followed too', async () => {
  const author = server.client();
  for (const i of [0, 1, 2]) {
    await database.insertRow({
      app_id: author.app,
      table_name: 'todos',
      record_id: `old${i}`,
      user_id: author.user,
      op: 'update',
      data: '{"x":1}',
      client_id: 'other',
      created_at: `2024-01-01T10:00:00.00000${i}Z`
    });
  }
  await author.push(update('new', {x: [1, at()]}));
  const {changes} = await author.other().pullAll({limit: 1});
  assert.deepEqual(changes.map((change) => change.id), ['old0', 'old1', 'old2', 'new']);
});

test('10.2 cursors are UTC with six digits and Z, and sort as strings', async () => {
  const author = server.client();
  const cursors = [];
  const take = (answer) => cursors.push(answer.syncedUntil);
  for (let i = 0; i < 30; i += 1) {
    take(await author.push(insert(`r${i}`, {createdAt: at()})));
    take(await author.other().pull());
    take(await author.other().pull({since: cursors.at(-1)}));
    take(await author.push([]));
    take(await author.push(remove(`r${i}`)));
  }
  const page = await author.other().pull({limit: 3});
  for (const cursor of [...cursors, page.syncedUntil]) assert.match(cursor, cursorPattern);
  assert.deepEqual(cursors, [...cursors].sort());
});

test('10.2 syncedUntil of a push covers the push', async () => {
  const author = server.client();
  for (let i = 0; i < 10; i += 1) {
    const {syncedUntil} = await author.push(insert(`r${i}`, {createdAt: at()}));
    const {stamp} = (await database.changes(author.user)).at(-1);
    assert.ok(syncedUntil >= stamp, `${syncedUntil} is not before ${stamp}`);
    assert.deepEqual((await author.pull({since: syncedUntil, echo: '1'})).serverChanges, []);
  }
});

test('10.3 an answer with nothing new still moves the cursor forward', async () => {
  const reader = server.client();
  let {syncedUntil: last} = await reader.pull();
  for (let i = 0; i < 100; i += 1) {
    const {syncedUntil} =
        i % 2 ? await reader.pull({since: last}) : await reader.push([], {since: last});
    assert.ok(syncedUntil > last, `${last} then ${syncedUntil}`);
    last = syncedUntil;
  }
});

test('10.3 it moves with the clock, so that a follower never pulls from long ago', async () => {
  const before = new Date(Date.now() - 1000).toISOString();
  assert.ok((await server.client().pull()).syncedUntil > before);
  const author = server.client();
  await author.push(insert('a', {createdAt: at()}));
  assert.ok((await author.pull()).syncedUntil > before);
});
