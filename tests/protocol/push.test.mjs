// PROTOCOL §2.1-2.5: what a push does as a whole. Single changes have changes.test.mjs, refused
// bodies bodies.test.mjs, their sizes body_sizes.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert, recordOf, remove, update} from './support/client.mjs';
import {forgetAll, mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

// What the server lets through and PostgreSQL refuses.
await database.run(
    `ALTER TABLE sync_changes ADD CONSTRAINT no_poison CHECK (record_id NOT LIKE 'poison%')`);
const idsOf = (answer) => answer.serverChanges.map((change) => change.id);

test('2.1 all or nothing: a third change that PostgreSQL refuses stores none', async () => {
  const client = server.client();
  await client.refused({
    changes: [
      insert('a', {title: 'x', createdAt: at()}), update('b', {title: ['y', at()]}),
      update('poison', {title: ['z', at()]}), remove('d', at())
    ]
  });
  assert.equal(await database.count(client.user), 0);
  assert.deepEqual((await client.other().pull()).serverChanges, []);
  // Nor does memory believe that it was stored.
  await client.push(
      [insert('a', {title: 'x', createdAt: at()}), update('b', {title: ['y', at()]})]);
  assert.deepEqual(idsOf(await client.other().pull()), ['a', 'b']);
});

test('2.1 all or nothing: a change that validation refuses stores none', async () => {
  const client = server.client();
  await client.refused({
    changes: [
      insert('a', {createdAt: at()}), insert('b', {createdAt: at()}),
      {table: 'todos', id: 'c', op: 'upsert'}
    ]
  });
  assert.equal(await database.count(client.user), 0);
});

test('2.1 all that has something to store is stored in one transaction', async () => {
  const client = server.client();
  await client.push([...Array(300).keys()].map((i) => insert(`r${i}`, {createdAt: at()})));
  assert.equal(
      await database.run(`SELECT count(*), count(DISTINCT xmin::text)
    FROM sync_changes WHERE user_id = '${client.user}'`),
      '300|1');
});

test('2.1 a refused push takes no other down that was pushed at the same time', async () => {
  const first = server.client();
  const good = [...Array(8).keys()].map((i) => [first.other(), `good-${i}`]);
  const bad = {changes: [insert('x', {createdAt: at()}), update('poison', {title: ['y', at()]})]};
  const answers = await Promise.all([
    ...good.map(([client, id]) => client.push(insert(id, {createdAt: at()}))), first.refused(bad),
    first.other().refused(bad),
    ...good.map(([client, id]) => client.push(insert(`${id}-2`, {createdAt: at()})))
  ]);
  assert.equal(answers.length, 18);
  const stored = (await database.changes(first.user)).map((row) => row.record_id).sort();
  assert.deepEqual(stored, good.flatMap(([, id]) => [id, `${id}-2`]).sort());
});

test(
    '2.2 the same push again stores nothing, reaches nobody twice, and has no conflicts',
    async () => {
      const client = server.client();
      const reader = client.other();
      const changes = [
        insert('a', {title: 'x', tags: ['p', {q: 1.50}], createdAt: at()}),
        insert('timeless', {title: 'no time'}),
        update('a', {title: ['y', at(1)], done: [null, at(1)]}), update('a', {title: ['z', at(2)]}),
        remove('b', at(3)), remove('c', at(3), {fields: {title: {value: 'last', at: at(2)}}})
      ];
      await client.push(changes);
      const first = await reader.pull();
      assert.equal(first.serverChanges.length, 7);
      for (let i = 0; i < 3; i += 1) assert.deepEqual((await client.push(changes)).conflicts, []);
      assert.equal(await database.count(client.user), 7);
      assert.deepEqual((await reader.pull({since: first.syncedUntil})).serverChanges, []);
    });

test('2.2 a repeat with newer changes behind it stores only those', async () => {
  const client = server.client();
  const changes = [insert('a', {title: 'x', createdAt: at()}), update('a', {title: ['y', at(1)]})];
  await client.push(changes);
  const answer = await client.push([...changes, update('a', {title: ['z', at(2)]})]);
  assert.deepEqual(answer.conflicts, []);
  assert.deepEqual(
      (await database.changes(client.user)).map((row) => row.op), ['insert', 'update', 'update']);
});

test('2.2 two edits of one cell in the same millisecond are repeated as one push', async () => {
  const client = server.client();
  const changes = [update('a', {title: ['first', at()]}), update('a', {title: ['second', at()]})];
  await client.push(changes);
  const rows = await database.count(client.user);
  assert.deepEqual((await client.push(changes)).conflicts, []);
  assert.equal(await database.count(client.user), rows);
  assert.equal(recordOf((await client.other().pull()).serverChanges, 'a').title, 'second');
});

test('2.2 an edit that was taken at its time of receipt is repeated as it was sent', async () => {
  const client = server.client();
  const typed = update('a', {title: ['typed', new Date(Date.now() - 5000).toISOString()]});
  await client.push([insert('a', {title: ''}), typed]);
  const rows = await database.count(client.user);
  for (let i = 0; i < 2; i += 1) {
    assert.deepEqual((await client.push([insert('a', {title: ''}), typed])).conflicts, []);
    assert.deepEqual((await client.push(typed)).conflicts, []);
    assert.equal(await database.count(client.user), rows);
    await server.restart();
  }
});

test('2.2 a repeat after another client has won stores nothing', async () => {
  const client = server.client();
  const changes = [insert('a', {title: 'x', createdAt: at()}), update('a', {title: ['y', at(1)]})];
  await client.push(changes);
  await client.other().push(update('a', {title: ['theirs', at(2)]}));
  await client.push(changes);
  assert.equal(await database.count(client.user), 3);
  assert.equal(recordOf((await client.other().pull()).serverChanges, 'a').title, 'theirs');
});

test('2.2 a repeat over a restart of the server stores nothing', async () => {
  const client = server.client();
  const changes = [
    insert('a', {title: 'x', createdAt: at()}), insert('timeless', {n: 12.50}),
    update('a', {title: ['y', at(1)], note: [{b: 1, a: [2, null]}, at(1)]}), remove('c', at(2))
  ];
  await client.push(changes);
  const last = (await client.other().pull()).syncedUntil;
  await server.restart();
  assert.deepEqual((await client.push(changes)).conflicts, []);
  assert.equal(await database.count(client.user), 4);
  assert.deepEqual((await client.other().pull({since: last})).serverChanges, []);
});

test('2.2 a repeat over an eviction stores nothing', async () => {
  const small = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(mebibyte)}});
  try {
    const client = small.client();
    const changes = [
      insert('a', {title: 'x', createdAt: at()}), insert('timeless', {n: 1}),
      update('a', {title: ['y', at(1)]})
    ];
    await client.push(changes);
    await forgetAll(small);
    assert.deepEqual((await client.push(changes)).conflicts, []);
    assert.equal(await small.database.count(client.user), 3);
  } finally {
    await small.stop();
  }
});

test('2.2 an edit that lost the first time loses again', async () => {
  const client = server.client();
  await client.push(update('a', {title: ['late', at(10)]}));
  const loser = client.other();
  for (let i = 0; i < 2; i += 1) await loser.push(update('a', {title: ['early', at(5)]}));
  assert.equal(await database.count(client.user), 1);
});

test('2.3 the client id is the header, else the body, else empty', async () => {
  const client = server.client({id: ''});
  const send = async (id, body, header) => {
    const answer = await client.post(
        {changes: [insert(id, {createdAt: at()})], ...body},
        header === undefined ? {} : {'X-Client-Id': header});
    assert.equal(answer.status, 200, answer.text);
  };
  await send('both', {clientId: 'of-body'}, 'of-header');
  await send('header', {}, 'of-header');
  await send('body', {clientId: 'of-body'});
  await send('none', {});
  await send('null', {clientId: null});
  const ids = (await database.changes(client.user)).map((row) => [row.record_id, row.client_id]);
  assert.deepEqual(ids, [
    ['both', 'of-header'], ['header', 'of-header'], ['body', 'of-body'], ['none', ''], ['null', '']
  ]);
});

test(
    '2.4 serverChanges are those of others after since, oldest first, over all tables',
    async () => {
      const one = server.client();
      const two = one.other();
      const start = (await one.push([])).syncedUntil;
      await two.push(
          [insert('a', {createdAt: at()}), insert('b', {createdAt: at()}, {table: 'notes'})]);
      await one.push(insert('own', {createdAt: at()}));
      const middle = (await one.push([])).syncedUntil;
      await two.push([update('a', {title: ['x', at(1)]}), remove('b', at(1), {table: 'notes'})]);
      const whole = await one.push(insert('new', {createdAt: at()}), {since: start});
      assert.deepEqual(whole.serverChanges.map(({table, id, op}) => [table, id, op]), [
        ['todos', 'a', 'insert'], ['notes', 'b', 'insert'], ['todos', 'a', 'update'],
        ['notes', 'b', 'delete']
      ]);
      assert.deepEqual(idsOf(await one.push([], {since: middle})), ['a', 'b']);
      assert.deepEqual(idsOf(await one.push([], {since: whole.syncedUntil})), []);
    });

test('2.4 a push without a client id gets all after since but its own', async () => {
  const client = server.client({id: ''});
  await client.push(insert('a', {createdAt: at()}));
  assert.deepEqual(idsOf(await client.push(insert('b', {createdAt: at()}))), ['a']);
  assert.deepEqual(idsOf(await client.push([])), ['a', 'b']);
});

test('2.4 more than 5,000 changes: hasMore, and syncedUntil is the last one included', async () => {
  const author = server.client();
  for (let part = 0; part < 3; part += 1) {
    await author.push(
        [...Array(2000).keys()].map((i) => insert(`r${part * 2000 + i}`, {createdAt: at()})));
  }
  const reader = author.other();
  const page = await reader.push([]);
  assert.equal(page.serverChanges.length, 5000);
  assert.equal(page.hasMore, true);
  const stamps = (await database.changes(author.user)).map((row) => row.stamp);
  assert.equal(page.syncedUntil, stamps[4999]);
  const rest = await reader.push([], {since: page.syncedUntil});
  assert.equal(rest.serverChanges.length, 1000);
  assert.ok(!('hasMore' in rest), 'hasMore is left out when false');
  assert.deepEqual([...idsOf(page), ...idsOf(rest)], [...Array(6000).keys()].map((i) => `r${i}`));
});

test('2.4 more than 4 MiB: hasMore, and nothing is lost', async () => {
  const author = server.client();
  for (let i = 0; i < 6; i += 1) {
    await author.push(insert(`r${i}`, {text: 'x'.repeat(mebibyte), createdAt: at()}));
  }
  const reader = author.other();
  const ids = [];
  for (let since = beginning, more = true, pages = 0; more; pages += 1) {
    assert.ok(pages < 6, 'pages hold more than one change');
    const answer = await reader.post({since, changes: []});
    assert.ok(answer.text.length <= 4 * mebibyte + 4096, `${answer.text.length} bytes`);
    ids.push(...idsOf(answer.json));
    more = answer.json.hasMore ?? false;
    since = answer.json.syncedUntil;
  }
  assert.deepEqual(ids, ['r0', 'r1', 'r2', 'r3', 'r4', 'r5']);
});

test(
    '2.4 a push whose answer has more still stores and does not skip what is between', async () => {
      const author = server.client();
      for (let i = 0; i < 5; i += 1) {
        await author.push(insert(`r${i}`, {text: 'x'.repeat(mebibyte), createdAt: at()}));
      }
      const writer = author.other();
      const answer = await writer.push(insert('mine', {createdAt: at()}));
      assert.equal(answer.hasMore, true);
      const rest = await writer.push([], {since: answer.syncedUntil});
      assert.deepEqual([...idsOf(answer), ...idsOf(rest)], ['r0', 'r1', 'r2', 'r3', 'r4']);
      assert.equal(await database.count(author.user), 6);
    });

// Microseconds of a cursor or an RFC 3339 time in UTC.
const micros = (text) => {
  const [, seconds, digits = ''] = /^(.*:\d\d)(?:\.(\d+))?Z$/.exec(text);
  return BigInt(Date.parse(`${seconds}Z`)) * 1000n + BigInt(digits.slice(0, 6).padEnd(6, '0'));
};

// The same instant as the cursor, written in a zone `hours` east of Greenwich.
const inZone = (cursor, hours) => {
  const shifted = new Date(Date.parse(`${cursor.slice(0, 19)}Z`) + hours * 3_600_000).toISOString();
  const offset = `${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`;
  return `${shifted.slice(0, 19)}${cursor.slice(19, -1)}${offset}`;
};

// A stream of three changes, and a check of what `since` brings in a push and in a pull.
async function streamOfThree() {
  const author = server.client();
  for (const id of ['a', 'b', 'c']) await author.push(insert(id, {createdAt: at()}));
  const rows = await database.changes(author.user);
  const reader = author.other();
  const brings = async (since, expected, inPull = since) => {
    assert.deepEqual(idsOf(await reader.push([], {since})), expected, `push since ${since}`);
    assert.deepEqual(idsOf(await reader.pull({since: inPull})), expected, `pull since ${inPull}`);
  };
  return {author, reader, brings, stamps: rows.map((row) => row.stamp)};
}

test('2.5 offsets and 0 to 9 fraction digits are understood', async () => {
  const {brings, stamps} = await streamOfThree();
  const second = stamps[1];
  for (const same
           of [second, inZone(second, 0), inZone(second, 2), inZone(second, -11),
               inZone(second, 14), second.replace('Z', '0Z'), second.replace('Z', '99Z'),
               second.replace('Z', '999Z')]) {
    await brings(same, ['c']);
  }
  for (let digits = 0; digits < 6; digits += 1) {
    const cut = `${second.slice(0, digits === 0 ? 19 : 20 + digits)}Z`;
    await brings(cut, ['a', 'b', 'c'].filter((id, i) => micros(stamps[i]) > micros(cut)));
  }
});

test('2.5 a space where a plus was meant is understood', async () => {
  const {author, brings, stamps} = await streamOfThree();
  const zoned = inZone(stamps[1], 2);
  await brings(zoned.replace('+', ' '), ['c']);
  const raw = await server.get(
      `/sync/app/pull?collection=todos&since=${zoned}`, {authorization: `Bearer ${author.token}`});
  assert.deepEqual(idsOf(JSON.parse(raw.text)), ['c'], 'a plus that was not escaped');
});

test('2.5 since missing, null, empty or not RFC 3339 means the beginning', async () => {
  const {reader, brings} = await streamOfThree();
  for (const since of [undefined, null, '']) {
    assert.deepEqual(idsOf(await reader.push([], {since})), ['a', 'b', 'c'], `${since}`);
  }
  for (const since
           of ['yesterday', '0', '2999', '2999-01-01', '2999-01-01T00:00:00',
               '2999-13-01T00:00:00Z', '2999-02-30T00:00:00Z', '2999-01-01T25:00:00Z',
               '2999-01-01T00:00:00.Z', '2999-01-01T00:00:00Zx', '2999-01-01T00:00:00.1234567890Z',
               ' 2999-01-01T00:00:00Z', '2999-01-01T00:00:00+2', '-2999-01-01T00:00:00Z',
               '\u0662999-01-01T00:00:00Z', '9'.repeat(1000)]) {
    await brings(since, ['a', 'b', 'c']);
  }
});

test('2.5 since later than anything handed out counts as now', async () => {
  const {author, reader, brings} = await streamOfThree();
  const far = '2999-01-01T00:00:00Z';
  await brings(far, []);
  for (const ask of [() => reader.push([], {since: far}), () => reader.pull({since: far})]) {
    const answer = await ask();
    assert.ok(answer.syncedUntil < '2100', answer.syncedUntil);
    const id = fresh('later');
    await author.push(insert(id, {createdAt: at()}));
    assert.deepEqual(idsOf(await reader.pull({since: answer.syncedUntil})), [id]);
  }
  // One minute ahead is not handed out either.
  const ahead = new Date(Date.now() + 60_000).toISOString();
  const {syncedUntil} = await reader.push([], {since: ahead});
  await author.push(insert('last', {createdAt: at()}));
  assert.deepEqual(idsOf(await reader.push([], {since: syncedUntil})), ['last']);
});
