// PROTOCOL §3: pulls.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert, remove, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

const idsOf = (answer) => answer.serverChanges.map((change) => change.id);
const inserts =
    (count, more) => [...Array(count).keys()].map((i) => insert(`r${i}`, {createdAt: at()}, more));
const mebibyte = 1 << 20;

// Every read is right from memory and from the table alike.
async function fromMemoryAndTable(check) {
  await check('memory');
  await server.restart();
  await check('the table');
}

test('3.1 a pull brings one table\'s changes after since, oldest first', async () => {
  const author = server.client();
  await author.push(
      [insert('a', {createdAt: at(5)}), insert('x', {createdAt: at()}, {table: 'notes'})]);
  const middle = (await author.other().pull()).syncedUntil;
  await author.push([
    insert('b', {createdAt: at(1)}), update('a', {title: ['t', at(6)]}),
    remove('x', at(7), {table: 'notes'}), remove('b', at(8))
  ]);
  await fromMemoryAndTable(async () => {
    const reader = author.other();
    const all = await reader.pull();
    assert.deepEqual(
        all.serverChanges.map(({id, op}) => [id, op]),
        [['a', 'insert'], ['b', 'insert'], ['a', 'update'], ['b', 'delete']]);
    assert.deepEqual(all.conflicts, []);
    assert.deepEqual(
        Object.keys(all).sort(), ['conflicts', 'serverChanges', 'syncedUntil', 'text']);
    assert.deepEqual(idsOf(await reader.pull({since: middle})), ['b', 'a', 'b']);
    assert.deepEqual(idsOf(await reader.pull({collection: 'notes', since: middle})), ['x']);
    assert.deepEqual(idsOf(await reader.pull({collection: 'Todos'})), []);
    assert.deepEqual(idsOf(await reader.pull({collection: 'nothing'})), []);
  });
});

test('3.1 since is exclusive: a change\'s own stamp does not bring it', async () => {
  const author = server.client();
  await author.push(inserts(3));
  const stamps = (await database.changes(author.user)).map((row) => row.stamp);
  await fromMemoryAndTable(async () => {
    for (const [i, since] of stamps.entries()) {
      assert.deepEqual(idsOf(await author.other().pull({since})), ['r0', 'r1', 'r2'].slice(i + 1));
    }
  });
});

test('3.1 own changes are left out; without X-Client-Id or with echo=1 they come', async () => {
  const author = server.client();
  await author.push(insert('mine', {createdAt: at()}));
  await author.other().push(insert('theirs', {createdAt: at()}));
  await fromMemoryAndTable(async () => {
    assert.deepEqual(idsOf(await author.pull()), ['theirs']);
    assert.deepEqual(idsOf(await author.pull({echo: '1'})), ['mine', 'theirs']);
    assert.deepEqual(idsOf(await author.other({id: ''}).pull()), ['mine', 'theirs']);
    assert.deepEqual(idsOf(await author.other().pull()), ['mine', 'theirs']);
  });
});

test('3.1 apps are apart, and so are their names', async () => {
  const author = server.client({app: 'one'});
  await author.push(insert('a', {createdAt: at()}));
  for (const app of ['One', 'one ', 'on', 'two', 'one/x', '%6fne']) {
    assert.deepEqual(idsOf(await author.other({app}).pull()), [], app);
  }
  const {text} = await server.get(
      `/sync/%6f%6Ee/pull?collection=todos&since=${beginning}`,
      {authorization: `Bearer ${author.token}`});
  assert.deepEqual(idsOf(JSON.parse(text)), ['a'], 'the path is percent-decoded');
});

test('3.2 a page holds at most 1,000 changes, and pages lose nothing', async () => {
  const author = server.client();
  await author.push(inserts(2500));
  const stamps = (await database.changes(author.user)).map((row) => row.stamp);
  await fromMemoryAndTable(async () => {
    const reader = author.other();
    const first = await reader.pull();
    assert.equal(first.serverChanges.length, 1000);
    assert.equal(first.hasMore, true);
    assert.equal(first.syncedUntil, stamps[999], 'the stamp of the last change included');
    const second = await reader.pull({since: first.syncedUntil});
    assert.equal(second.syncedUntil, stamps[1999]);
    const third = await reader.pull({since: second.syncedUntil});
    assert.ok(!('hasMore' in third), 'hasMore is left out when false');
    assert.ok(third.syncedUntil >= stamps[2499]);
    assert.deepEqual([first, second, third].flatMap(idsOf), stamps.map((_, i) => `r${i}`));
  });
});

test('3.2 a table\'s last page that is just full has no hasMore', async () => {
  const author = server.client();
  await author.push(inserts(1000));
  await author.push(inserts(1, {table: 'notes'}));
  await fromMemoryAndTable(async (source) => {
    const page = await author.other().pull();
    assert.equal(page.serverChanges.length, 1000, source);
    assert.ok(!('hasMore' in page), source);
  });
});

test('3.2 limit=N asks for fewer', async () => {
  const author = server.client();
  await author.push(inserts(5));
  const stamps = (await database.changes(author.user)).map((row) => row.stamp);
  await fromMemoryAndTable(async () => {
    const reader = author.other();
    for (const limit of [1, 2, 4]) {
      const page = await reader.pull({limit});
      assert.equal(page.serverChanges.length, limit);
      assert.equal(page.hasMore, true);
      assert.equal(page.syncedUntil, stamps[limit - 1]);
    }
    for (const limit of [5, 6, 1000]) {
      const page = await reader.pull({limit});
      assert.equal(page.serverChanges.length, 5);
      assert.ok(!('hasMore' in page), `limit ${limit}`);
    }
    assert.equal((await reader.pullAll({limit: 1})).changes.length, 5);
  });
});

test('3.2 a limit that is no number from 1 to 1,000 asks for the greatest page', async () => {
  const author = server.client();
  await author.push(inserts(1200));
  for (const limit of ['0', '', 'x', '1001', '99999999999999999999']) {
    assert.equal((await author.other().pull({limit})).serverChanges.length, 1000, `limit ${limit}`);
  }
});

test(
    '3.2 other clients\' and tables\' changes between do not shrink a page or stop it',
    async () => {
      const author = server.client();
      const reader = author.other();
      for (let i = 0; i < 6; i += 1) {
        await author.push(insert(`r${i}`, {createdAt: at()}));
        await reader.push(
            [...Array(20).keys()].map((n) => insert(`own${i}-${n}`, {createdAt: at()})));
        await author.push(insert(`n${i}`, {createdAt: at()}, {table: 'notes'}));
      }
      await fromMemoryAndTable(async () => {
        const page = await reader.pull({limit: 4});
        assert.deepEqual(idsOf(page), ['r0', 'r1', 'r2', 'r3']);
        assert.equal(page.hasMore, true);
        const rest = await reader.pull({limit: 4, since: page.syncedUntil});
        assert.deepEqual(idsOf(rest), ['r4', 'r5']);
        assert.ok(!('hasMore' in rest));
      });
    });

test('3.2 a page holds at most 4 MiB, but at least one change', async () => {
  const author = server.client();
  const big = {text: 'x'.repeat(1.5 * mebibyte), createdAt: at()};
  for (let i = 0; i < 4; i += 1) await author.push(insert(`r${i}`, big));
  await author.push(insert('huge', {text: 'y'.repeat(6 * mebibyte), createdAt: at()}));
  await author.push(insert('last', {createdAt: at()}));
  await fromMemoryAndTable(async (source) => {
    const reader = author.other();
    const ids = [];
    let since = beginning;
    for (let more = true; more;) {
      const page = await reader.pull({since});
      assert.ok(
          page.text.length <= 4 * mebibyte + 4096 || idsOf(page).join() === 'huge',
          `${page.text.length} bytes from ${source}: ${idsOf(page)}`);
      assert.ok(page.syncedUntil > since, 'the cursor moves');
      ids.push(...idsOf(page));
      more = page.hasMore ?? false;
      since = page.syncedUntil;
    }
    assert.deepEqual(ids, ['r0', 'r1', 'r2', 'r3', 'huge', 'last'], source);
  });
});

test('3.2 a page with hasMore always moves the cursor', async () => {
  const author = server.client();
  await author.push(inserts(300));
  await fromMemoryAndTable(async () => {
    const reader = author.other();
    const seen = [];
    for (let since = beginning, more = true; more;) {
      const page = await reader.pull({since, limit: 7});
      assert.ok(page.syncedUntil > since);
      seen.push(...idsOf(page));
      more = page.hasMore ?? false;
      since = page.syncedUntil;
    }
    assert.deepEqual(seen, [...Array(300).keys()].map((i) => `r${i}`));
  });
});

test('3.3 several tables are pulled with one cursor and one request', async () => {
  const author = server.client();
  const tables = ['todos', 'notes', 'tags', 'with,comma', 'ünï cödé'];
  await author.push(tables.map((table) => insert(table, {createdAt: at()}, {table})));
  await author.push(tables.map((table) => update(table, {x: [1, at(1)]}, {table})));
  await fromMemoryAndTable(async () => {
    const reader = author.other();
    assert.deepEqual(
        idsOf(await reader.pull({collections: 'todos,tags'})), ['todos', 'tags', 'todos', 'tags']);
    assert.deepEqual(idsOf(await reader.pull({collections: 'ünï cödé'})), ['ünï cödé', 'ünï cödé']);
    assert.deepEqual(
        idsOf(await reader.pull({collections: 'notes,nothing,notes'})), ['notes', 'notes']);
    assert.deepEqual(idsOf(await reader.pull({collections: '*'})), [...tables, ...tables]);
    assert.deepEqual(
        idsOf(await reader.pull({collection: 'with,comma'})), ['with,comma', 'with,comma']);
    const page = await reader.pull({collections: 'todos,notes', limit: 3});
    assert.deepEqual(idsOf(page), ['todos', 'notes', 'todos']);
    assert.equal(page.hasMore, true);
    assert.deepEqual(
        idsOf(await reader.pull({collections: 'todos,notes', since: page.syncedUntil})), ['notes']);
  });
});

test('3.4 no collection or no since, or an empty one: 400', async () => {
  const client = server.client();
  for (const parameters
           of [{}, {collection: 'todos'}, {since: beginning}, {collection: '', since: beginning},
               {collections: '', since: beginning}, {collection: 'todos', since: ''},
               {collections: '*', since: ''}, {collections: '*'},
               {Collection: 'todos', since: beginning}]) {
    const answer = await client.query(parameters);
    assert.equal(answer.status, 400, JSON.stringify(parameters));
    assert.match(answer.json.message, /collection|since/);
  }
});

test('3.4 a malformed since means the beginning', async () => {
  const author = server.client();
  await author.push(inserts(2));
  for (const since of ['x', '0', 'null', '2999-99-99T00:00:00Z']) {
    assert.deepEqual(idsOf(await author.other().pull({since})), ['r0', 'r1']);
  }
});
