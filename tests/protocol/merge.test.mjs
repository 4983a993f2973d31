// PROTOCOL §5.1-5.4, 5.7, 5.8: which edit wins, and what is stored of a change that lost a part.
// What losers are told (5.5, 5.6, 5.9) is not looked at here.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, recordOf, remove, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

// Two clients of a new user, and what a third one ends up with.
function pair() {
  const one = server.client();
  const two = one.other();
  const record = async (id = 'a', table = 'todos') =>
      recordOf((await one.other().pullAll({collection: table})).changes, id);
  return {one, two, record, stored: () => database.count(one.user)};
}
const title = (value, time, id = 'a') => update(id, {title: [value, time]});
const fromNow = (ms) => new Date(Date.now() + ms).toISOString();

// Memory and table must agree on who won: each case runs as it is, and with a restart between.
async function withAndWithoutRestart(check) {
  await check(async () => {}, 'memory');
  await check(() => server.restart(), 'the table');
}

test('5.1 edit times are instants in milliseconds; finer digits are cut', async () => {
  const {one, two, record, stored} = pair();
  await one.push(title('first', '2024-01-01T10:00:00.123Z'));
  await two.push(title('finer', '2024-01-01T10:00:00.123999Z'));
  await two.push(title('zoned', '2024-01-01T12:00:00.123+02:00'));
  assert.equal(await stored(), 1, 'the same millisecond');
  await two.push(title('next', '2024-01-01T10:00:00.124Z'));
  assert.equal((await record()).title, 'next');
});

test('5.1 instants are compared, not texts', async () => {
  const {one, two, record} = pair();
  await one.push(title('later', '2024-01-01T01:00:00-09:00'));
  await two.push(title('earlier', '2024-01-01T09:59:59.999Z'));
  assert.equal((await record()).title, 'later');
});

test('5.1 each field of each record, table, app and user is a cell of its own', async () => {
  const {one, two} = pair();
  await one.push(title('x', at(10)));
  const others = [
    [two, update('a', {note: ['x', at(5)]})], [two, title('x', at(5), 'b')],
    [two, {...title('x', at(5)), table: 'notes'}], [two.other({app: 'other'}), title('x', at(5))],
    [two.other({user: fresh('user')}), title('x', at(5))]
  ];
  for (const [client, change] of others) await client.push(change);
  assert.equal(await database.count(one.user), 5);
});

test('5.1 names that run together stay apart', async () => {
  const {one, stored} = pair();
  await one.push(update('ab', {c: [1, at(10)]}, {table: 't'}));
  await one.push(update('a', {bc: [1, at(5)]}, {table: 't'}));
  await one.push(update('b', {c: [1, at(5)]}, {table: 'ta'}));
  await one.push(update('b\u0001', {c: [1, at(5)]}, {table: 'ta'}));
  assert.equal(await stored(), 4);
});

test('5.1 values compare as JSONB does', async () => {
  for (const [first, second] of [
           ['1', '1.0'], ['100', '1e2'], ['{"a":1,"b":[2]}', '{"b":[2.00],"a":1}'],
           ['"ü"', '"\\u00fc"'], ['[]', '[ ]'], ['{"a":1,"a":2}', '{"a":2}'], ['-0', '0']]) {
    await withAndWithoutRestart(async (between, source) => {
      const {one, two, stored} = pair();
      const body = (value) => `{"changes":[{"table":"todos","id":"a","op":"update",
        "fields":{"title":{"value":${value},"at":"${at()}"}}}]}`;
      await one.post(body(first));
      await between();
      for (const client of [one, two]) {
        const answer = await client.post(body(second));
        assert.deepEqual([answer.status, answer.json.conflicts], [200, []]);
      }
      assert.equal(await stored(), 1, `${first} is ${second}, from ${source}`);
    });
  }
});

test('5.1 values that JSONB tells apart are not repeats', async () => {
  for (const [first, second] of [
           ['1', '"1"'], ['[1,2]', '[2,1]'], ['null', '"null"'], ['{}', '[]'], ['0', 'false'],
           ['9007199254740993', '9007199254740992'], ['"a"', '"A"'], ['"é"', '"e\u0301"'],
           ['{"a":null}', '{}']]) {
    const {one, stored} = pair();
    for (const value of [first, second]) {
      await one.post(`{"changes":[{"table":"todos","id":"a","op":"update",
        "fields":{"title":{"value":${value},"at":"${at()}"}}}]}`);
    }
    assert.equal(await stored(), 2, `${first} is not ${second}`);
  }
});

test('5.2 an edit wins if the cell is empty or its time is later, and else loses', async () => {
  await withAndWithoutRestart(async (between, source) => {
    const {one, two, record, stored} = pair();
    const steps = [
      [one, 5, 'empty', 'empty'], [two, 6, 'later', 'later'], [one, 5, 'earlier', 'later'],
      [one, 7, 'back', 'back'], [two, 1, 'far earlier', 'back'], [one, 3, 'own earlier', 'back']
    ];
    for (const [client, ms, value, expected] of steps) {
      await client.push(title(value, at(ms)));
      assert.equal((await record()).title, expected, `${value} from ${source}`);
      await between();
    }
    assert.equal(await stored(), 3);
  });
});

test('5.2 between two clients the first to arrive keeps a tie', async () => {
  await withAndWithoutRestart(async (between) => {
    const {one, two, record, stored} = pair();
    await one.push(title('first', at()));
    await between();
    await two.push(title('second', at()));
    assert.equal((await record()).title, 'first');
    assert.equal(await stored(), 1);
  });
});

test('5.2 a client\'s own later edit in the same millisecond is kept', async () => {
  await withAndWithoutRestart(async (between) => {
    const {one, two, record} = pair();
    await one.push(title('first', at()));
    await between();
    await one.push(title('own', at()));
    await between();
    await two.push(title('theirs', at()));
    assert.equal((await record()).title, 'own');
    await one.push([title('p', at(1)), title('q', at(1)), title('r', at(1))]);
    assert.equal((await record()).title, 'r');
  });
});

test('5.2 clients without an id are one client', async () => {
  const {one, record} = pair();
  await one.other({id: ''}).push(title('first', at()));
  await one.other({id: ''}).push(title('second', at()));
  await one.push(title('third', at()));
  assert.equal((await record()).title, 'second');
});

test('5.2 edits of one push are taken in order', async () => {
  const {one, record, stored} = pair();
  await one.push([
    title('a', at(5)), title('b', at(4)), title('c', at(6)), title('d', at(6)), title('e', at(1))
  ]);
  assert.equal((await record()).title, 'd');
  assert.equal(await stored(), 3);
});

test('5.2 pushes that come together end as if one had come after the other', async () => {
  const {one, record} = pair();
  const clients = [...Array(12).keys()].map(() => one.other());
  await Promise.all(clients.map((client, i) => client.push(title(`v${i}`, at(i)))));
  assert.equal((await record()).title, 'v11');
  const rows = await database.changes(one.user);
  const times = rows.map((row) => row.field_timestamps.title);
  assert.deepEqual(times, [...times].sort(), 'each stored edit beat the one before');
});

test(
    '5.3 an edit that repeats the winner stores nothing and is no conflict, whoever sends it',
    async () => {
      await withAndWithoutRestart(async (between) => {
        const {one, two, stored} = pair();
        const changes = [
          insert('a', {title: 'x', tags: [1, {y: null}], createdAt: at()}), remove('b', at(1)),
          update('c', {done: [null, at(2)]})
        ];
        await one.push(changes);
        await between();
        for (const client of [two, one])
          assert.deepEqual((await client.push(changes)).conflicts, []);
        assert.equal(await stored(), 3);
      });
    });

test('5.4 what is left of an update is stored, a change with nothing left is not', async () => {
  const {one, two, stored} = pair();
  await one.push(update('a', {x: [1, at(10)], y: [1, at(10)]}));
  await two.push(update('a', {x: [2, at(5)], y: [2, at(20)], z: [2, at(5)]}));
  const {serverChanges} = await one.other().pull();
  assert.deepEqual(
      serverChanges[1].fields,
      {y: {value: 2, updatedAt: at(20), at: at(20)}, z: {value: 2, updatedAt: at(5), at: at(5)}});
  await two.push([update('a', {x: [3, at(1)]}), remove('b', at(10)), remove('b', at(5))]);
  assert.equal(await stored(), 3);
});

test(
    '5.4 what is left of an insert is stored as an update at the insert\'s edit time', async () => {
      await withAndWithoutRestart(async (between) => {
        const {one, two} = pair();
        await one.push(title('theirs', at(10)));
        await between();
        await two.push(insert('a', {title: 'mine', note: 'n', createdAt: at(5)}));
        const {serverChanges} = await one.other().pull();
        const {op, id, fields} = serverChanges[1];
        assert.deepEqual([op, id], ['update', 'a']);
        assert.deepEqual(fields, {
          note: {value: 'n', updatedAt: at(5), at: at(5)},
          createdAt: {value: at(5), updatedAt: at(5), at: at(5)}
        });
      });
    });

test('5.4 an insert of which nothing is left is not stored', async () => {
  const {one, two, stored} = pair();
  await one.push(update('a', {title: ['x', at(10)], createdAt: [at(), at(10)]}));
  await two.push(insert('a', {title: 'y', createdAt: at(5)}));
  assert.equal(await stored(), 1);
});

test('5.4 a second insert of a record is merged field by field', async () => {
  const {one, two, record} = pair();
  await one.push(insert('a', {title: 'one', done: false, updatedAt: at(5)}));
  await two.push(insert('a', {title: 'two', extra: 1, updatedAt: at(9)}));
  assert.deepEqual(
      await record(), {id: 'a', title: 'two', done: false, extra: 1, updatedAt: at(9)});
});

test('5.7 an edit time too far in the future is taken as the time of receipt', async () => {
  const {one, two, record} = pair();
  const far = fromNow(3_600_000);
  const before = Date.now();
  await one.push(
      [title('clamped', far), remove('b', far), update('c', {x: [1, '9999-12-31T23:59:59Z']})]);
  const {serverChanges} = await one.other().pull();
  const times =
      [serverChanges[0].fields.title.at, serverChanges[1].deletedAt, serverChanges[2].fields.x.at];
  for (const time of times) {
    assert.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now() + 1, time);
  }
  await two.push(title('corrected', fromNow(1000)));
  assert.equal((await record()).title, 'corrected', 'one wrong clock does not own the field');
});

test('5.7 in an insert, updatedAt or createdAt is sent as the time of receipt too', async () => {
  const {one} = pair();
  const far = fromNow(3_600_000);
  const before = Date.now();
  await one.push([
    insert('both', {createdAt: at(), updatedAt: far}), insert('created', {createdAt: far}),
    insert('unused', {createdAt: far, updatedAt: at(1)})
  ]);
  for (const source of ['memory', 'the table']) {
    const [both, created, unused] =
        (await one.other().pull()).serverChanges.map((change) => change.data);
    for (const time of [both.updatedAt, created.createdAt]) {
      assert.ok(
          Date.parse(time) >= before && Date.parse(time) <= Date.now() + 1,
          `${time} from ${source}`);
    }
    assert.equal(both.createdAt, at());
    assert.deepEqual(unused, {id: 'unused', createdAt: far, updatedAt: at(1)});
    await server.restart();
  }
});

test('5.7 a time within the bound stays, five minutes by default', async () => {
  const {one, two, record} = pair();
  const ahead = fromNow(240_000);
  await one.push(title('ahead', ahead));
  assert.equal((await one.other().pull()).serverChanges[0].fields.title.at, ahead);
  await two.push(title('now', fromNow(0)));
  assert.equal((await record()).title, 'ahead');
  await one.push(update('b', {x: [1, fromNow(330_000)]}));
  const [, change] = (await one.other().pull()).serverChanges;
  assert.ok(Date.parse(change.fields.x.at) <= Date.now() + 1);
});

test('5.7 the bound is MANA_SYNC_MAX_CLOCK_SKEW_MS', async () => {
  const strict = await Server.start({env: {MANA_SYNC_MAX_CLOCK_SKEW_MS: '2000'}});
  try {
    const client = strict.client();
    await client.push(title('x', fromNow(60_000)));
    const [change] = (await client.other().pull()).serverChanges;
    assert.ok(Date.parse(change.fields.title.at) <= Date.now() + 1);
  } finally {
    await strict.stop();
  }
});

test('5.7 where a time is clamped is counted', async () => {
  const metrics = async () =>
      (await server.get('/metrics')).text.split('\n').filter((line) => !line.startsWith('#'));
  const before = new Set(await metrics());
  await server.client().push(title('x', '9999-01-01T00:00:00Z'));
  const changed = (await metrics()).filter((line) => !before.has(line));
  assert.ok(changed.some((line) => /clamp|skew|future/i.test(line)), changed.join('\n'));
});

test('5.8 create, then type: an own earlier edit beats an own receipt-timed one', async () => {
  await withAndWithoutRestart(async (between, source) => {
    const {one, record} = pair();
    const typedAt = fromNow(-5000);
    await one.push(insert('a', {title: ''}));
    await between();
    await one.push(title('typed', typedAt));
    assert.equal((await record()).title, 'typed', source);
    const [, row] = await database.changes(one.user);
    assert.ok(row.field_timestamps.title > typedAt, 'taken at its time of receipt');
    await between();
    await one.push(title('typed more', fromNow(-4000)));
    assert.equal((await record()).title, 'typed more', source);
  });
});

test('5.8 in one push too', async () => {
  const {one, record} = pair();
  await one.push([insert('a', {title: ''}), title('typed', fromNow(-5000))]);
  assert.equal((await record()).title, 'typed');
});

test(
    '5.8 it holds for every receipt-timed edit: without a time, clamped, or a delete', async () => {
      await withAndWithoutRestart(async (between, source) => {
        const {one, record} = pair();
        await one.push(
            [update('a', {none: {value: 1}, clamped: [1, fromNow(3_600_000)]}), remove('a')]);
        await between();
        const earlier = fromNow(-5000);
        await one.push(
            update('a', {none: [2, earlier], clamped: [2, earlier], deletedAt: [null, earlier]}));
        assert.deepEqual(await record(), {none: 2, clamped: 2, deletedAt: null}, source);
      });
    });

test(
    '5.8 another client\'s earlier edit still loses, and an own one to a time of its own',
    async () => {
      await withAndWithoutRestart(async (between, source) => {
        const {one, two, record} = pair();
        await one.push([insert('a', {title: 'mine'}), title('timed', at(10), 'b')]);
        await between();
        await two.push(title('theirs', fromNow(-5000)));
        await one.push(title('earlier', at(5), 'b'));
        assert.deepEqual(
            [(await record()).title, (await record('b')).title], ['mine', 'timed'], source);
      });
    });
