// PROTOCOL 5.5 and 5.6's bounds: which lost edits are reported, and how. What brings the winners to
// clients that do not read this has corrections.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, remove, update} from './support/client.mjs';
import {added, forgetAll, mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(mebibyte)}});
after(() => server.stop());
const {database} = server;

const title = (value, time, id = 'a') => update(id, {title: [value, time]});
const fromNow = (ms) => new Date(Date.now() + ms).toISOString();
const byField = (conflicts) => conflicts.toSorted((x, y) => (x.field < y.field ? -1 : 1));
const lost = (field, [clientValue, clientTimestamp], [serverValue, serverTimestamp], more) => ({
  table: 'todos',
  id: 'a',
  field,
  clientValue,
  clientTimestamp,
  serverValue,
  serverTimestamp,
  ...more
});

// Two clients of a new user.
function pair() {
  const one = server.client();
  return {one, two: one.other()};
}

// Pushes from where the stream stands now: serverChanges then holds nothing but corrections.
async function pushNow(client, changes) {
  const {syncedUntil} = await client.pull({collection: 'none'});
  return client.push(changes, {since: syncedUntil});
}

// Memory and table must tell the same: each case runs as it is, with a restart, and with an
// eviction between.
async function fromEverySource(check) {
  await check(async () => {}, 'memory');
  await check(() => server.restart(), 'the table, after a restart');
  await check(() => forgetAll(server), 'the table, after an eviction');
}

test('5.5 a lost edit is reported with both values and both times', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(title('theirs', at(10)));
    await between();
    const {conflicts} = await pushNow(two, title('mine', at(5)));
    assert.deepEqual(
        conflicts, [lost('title', ['mine', at(5)], ['theirs', at(10)])], `from ${source}`);
  });
});

test('5.5 times are told as toISOString writes them, however they were sent', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(update('a', {
      x: [1, '2024-01-01T12:00:01+02:00'],
      y: [1, '2024-01-01T10:00:01.25Z'],
      z: [1, '2024-01-01T10:00:01.999999999Z']
    }));
    await between();
    const {conflicts} = await pushNow(two, update('a', {
                                        x: [2, '2024-01-01T10:00:00Z'],
                                        y: [2, '2023-12-31T23:30:00.5-10:30'],
                                        z: [2, '2024-01-01T10:00:00.1239Z']
                                      }));
    assert.deepEqual(
        byField(conflicts),
        [
          lost('x', [2, at(0)], [1, at(1000)]), lost('y', [2, at(500)], [1, at(1250)]),
          lost('z', [2, at(123)], [1, at(1999)])
        ],
        source);
  });
});

test('5.5 a tie that is lost is reported', async () => {
  const {one, two} = pair();
  await one.push(title('first', at()));
  const {conflicts} = await pushNow(two, title('second', at()));
  assert.deepEqual(conflicts, [lost('title', ['second', at()], ['first', at()])]);
});

test('5.5 values of every kind are told as they are, null among them', async () => {
  const values = [null, '', false, 0, {a: [1, {b: null}]}, [], 'ü😀\n"\\', '\u2028'];
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    const fields = (time, shift) => Object.fromEntries(
        values.map((_, i) => [`f${i}`, [values[(i + shift) % values.length], time]]));
    await one.push(update('a', fields(at(10), 0)));
    await between();
    const {conflicts} = await pushNow(two, update('a', fields(at(5), 1)));
    const expected = values.map(
        (value, i) => lost(`f${i}`, [values[(i + 1) % values.length], at(5)], [value, at(10)]));
    assert.deepEqual(byField(conflicts), expected, source);
  });
});

test('5.5 an absent value is told as null', async () => {
  const {one, two} = pair();
  await one.push(update('a', {x: {at: at(10)}, y: [1, at(10)]}));
  const {conflicts} = await pushNow(two, update('a', {x: [1, at(5)], y: {at: at(5)}}));
  assert.deepEqual(
      byField(conflicts),
      [lost('x', [1, at(5)], [null, at(10)]), lost('y', [null, at(5)], [1, at(10)])]);
});

test('5.5 numbers keep every digit', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    const body = (value, time) => `{"since":"2999-01-01T00:00:00Z","changes":[{"table":"todos",
      "id":"a","op":"update","fields":{"n":{"value":${value},"at":"${time}"}}}]}`;
    await one.post(body('9007199254740993', at(10)));
    await between();
    const {text} = await two.post(body('0.12345678901234567890123', at(5)));
    assert.match(text, /"clientValue":0\.12345678901234567890123,/, source);
    assert.match(text, /"serverValue":9007199254740993,/, source);
  });
});

test('5.5 a lost delete is reported as its field deletedAt', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(
        [remove('a', at(10)), remove('b', at(10)), update('c', {deletedAt: [null, at(10)]})]);
    await between();
    const {conflicts} = await pushNow(
        two, [remove('a', at(5)), update('b', {deletedAt: [null, at(5)]}), remove('c', at(5))]);
    assert.deepEqual(
        conflicts,
        [
          lost('deletedAt', [at(5), at(5)], [at(10), at(10)]),
          lost('deletedAt', [null, at(5)], [at(10), at(10)], {id: 'b'}),
          lost('deletedAt', [at(5), at(5)], [null, at(10)], {id: 'c'})
        ],
        source);
  });
});

test('5.5 an edit without a time that is lost is reported with its time of receipt', async () => {
  const {one, two} = pair();
  const ahead = fromNow(240_000);
  await one.push([update('a', {title: ['x', ahead], deletedAt: [null, ahead]})]);
  const before = Date.now();
  const {conflicts} = await pushNow(two, [update('a', {title: {value: 'y'}}), remove('a')]);
  const [deleted, titled] = byField(conflicts);
  for (const {clientTimestamp} of conflicts) {
    const time = Date.parse(clientTimestamp);
    assert.equal(clientTimestamp, new Date(time).toISOString());
    assert.ok(time >= before && time <= Date.now() + 1, clientTimestamp);
  }
  const {clientTimestamp} = deleted;
  assert.deepEqual(deleted, lost('deletedAt', [clientTimestamp, clientTimestamp], [null, ahead]));
  assert.deepEqual(titled, lost('title', ['y', titled.clientTimestamp], ['x', ahead]));
});

test('5.5 an insert that lost fields reports each at the insert\'s edit time', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(update('a', {title: ['theirs', at(10)], note: ['n', at(10)]}));
    await one.push(insert('b', {title: 'theirs', createdAt: at(10)}));
    await between();
    const {conflicts} = await pushNow(two, [
      insert('a', {title: 'mine', note: 'm', extra: 1, createdAt: at(5)}),
      insert('b', {title: 'mine', createdAt: at(5)})
    ]);
    assert.deepEqual(
        conflicts.toSorted((x, y) => (x.id + x.field < y.id + y.field ? -1 : 1)),
        [
          lost('note', ['m', at(5)], ['n', at(10)]),
          lost('title', ['mine', at(5)], ['theirs', at(10)]),
          lost('createdAt', [at(5), at(5)], [at(10), at(10)], {id: 'b'}),
          lost('title', ['mine', at(5)], ['theirs', at(10)], {id: 'b'})
        ],
        source);
  });
});

test('5.5 a lost edit that says what the winner says is not reported', async () => {
  const pairs = [
    ['1', '1.0'], ['{"a":1,"b":[2]}', '{"b":[2.00],"a":1}'], ['"ü"', '"\\u00fc"'], ['null', 'null']
  ];
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    const body = (index, time) => {
      const fields = pairs.map((texts, i) => `"f${i}":{"value":${texts[index]},"at":"${time}"}`);
      return `{"changes":[{"table":"todos","id":"a","op":"update","fields":{${fields}}}]}`;
    };
    await one.post(body(0, at(10)));
    await between();
    assert.deepEqual((await two.post(body(1, at(5)))).json.conflicts, [], source);
  });
});

test('5.5 an edit lost to the client\'s own later one is not reported', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(title('other', at(1)));
    await two.push(title('later', at(10)));
    await between();
    assert.deepEqual((await pushNow(two, title('earlier', at(5)))).conflicts, [], source);
    const both = await pushNow(two, [title('new', at(20)), title('old', at(15))]);
    assert.deepEqual(both.conflicts, [], `in one push, ${source}`);
  });
});

test('5.5 each lost edit is reported, two of one cell too', async () => {
  const {one, two} = pair();
  await one.push([title('theirs', at(10)), title('theirs', at(10), 'b')]);
  await one.push({...title('theirs', at(10)), table: 'notes'});
  const {conflicts} = await pushNow(two, [
    title('mine', at(5)), title('mine b', at(5), 'b'), title('mine too', at(6)),
    {...title('mine', at(5)), table: 'notes'}, update('a', {free: [1, at(5)]})
  ]);
  assert.deepEqual(conflicts, [
    lost('title', ['mine', at(5)], ['theirs', at(10)]),
    lost('title', ['mine b', at(5)], ['theirs', at(10)], {id: 'b'}),
    lost('title', ['mine too', at(6)], ['theirs', at(10)]),
    lost('title', ['mine', at(5)], ['theirs', at(10)], {table: 'notes'})
  ]);
});

test('5.5 of pushes that come together each hears of the winner it lost to', async () => {
  const one = server.client();
  const order = [...Array(24).keys()].map((i) => (i * 7) % 24);
  const answers = await Promise.all(order.map(
      async (i) => ({i, ...await one.other().push(title(`v${i}`, at(i)), {since: at()})})));
  for (const {i, conflicts} of answers) {
    assert.ok(conflicts.length <= 1);
    for (const conflict of conflicts) {
      const winner = Number(conflict.serverValue.slice(1));
      assert.ok(winner > i, `${i} lost to ${winner}`);
      assert.deepEqual(conflict, lost('title', [`v${i}`, at(i)], [`v${winner}`, at(winner)]));
    }
  }
  const reported = answers.filter(({conflicts}) => conflicts.length === 1).length;
  assert.equal(reported + await database.count(one.user), 24, 'each is stored or reported');
});

test('2.2 a repeat has no conflicts, from memory or from the table', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(update('a', {title: ['theirs', at()], note: ['theirs', at()]}));
    const changes = [
      title('mine', at(5)), update('a', {title: ['mine again', at(5)]}), remove('a', at(6)),
      insert('b', {title: 'x', createdAt: at(5)}), insert('timeless', {n: 1}),
      update('a', {title: ['last', at(7)]})
    ];
    await two.push(changes);
    await between();
    const rows = await database.count(one.user);
    const again = await pushNow(two, changes);
    assert.deepEqual([again.conflicts, again.serverChanges], [[], []], source);
    const behind = await pushNow(two, [...changes, title('newest', at(8))]);
    assert.deepEqual(behind.conflicts, [], source);
    assert.equal(await database.count(one.user), rows + 1, source);
  });
});

test('2.2 an edit that lost the first time is reported again', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(title('theirs', at(10)));
    const first = await pushNow(two, title('mine', at(5)));
    await between();
    const again = await pushNow(two, title('mine', at(5)));
    assert.equal(first.conflicts.length, 1);
    assert.deepEqual(again.conflicts, first.conflicts, source);
    assert.equal(await database.count(one.user), 1);
  });
});

test('5.6 conflicts holds at most 1,000 entries', async () => {
  const {one, two} = pair();
  const edits =
      (value, time) => [...Array(1500).keys()].map((i) => title(`${value} ${i}`, time, `r${i}`));
  await one.push(edits('theirs', at(10)));
  await fromEverySource(async (between, source) => {
    await between();
    const {conflicts, serverChanges} = await pushNow(two, edits('mine', at(5)));
    assert.deepEqual(
        conflicts,
        [...Array(1000).keys()].map(
            (i) => lost('title', [`mine ${i}`, at(5)], [`theirs ${i}`, at(10)], {id: `r${i}`})),
        source);
    assert.equal(serverChanges.length, 1500, 'what was not reported was corrected');
  });
});

const bytesOf = (json) => Buffer.byteLength(JSON.stringify(json));

test('5.6 conflicts holds at most 1 MiB: values that do not fit are left out', async () => {
  const {one, two} = pair();
  const text = (i) => `${i}`.repeat(300 << 10);
  for (let i = 0; i < 8; i += 1) await one.push(title(text(i), at(10), `r${i}`));
  await fromEverySource(async (between, source) => {
    await between();
    const {conflicts, serverChanges} =
        await pushNow(two, [...Array(8).keys()].map((i) => title(`mine ${i}`, at(5), `r${i}`)));
    assert.ok(bytesOf(conflicts) <= mebibyte, `${bytesOf(conflicts)} from ${source}`);
    assert.equal(conflicts.length, 8, source);
    for (const [i, conflict] of conflicts.entries()) {
      const whole = lost('title', [`mine ${i}`, at(5)], [text(i), at(10)], {id: `r${i}`});
      const {clientValue, serverValue, ...rest} = whole;
      const told = {...conflict};
      delete told.clientValue;
      delete told.serverValue;
      assert.deepEqual(told, rest);
      if ('clientValue' in conflict) assert.equal(conflict.clientValue, clientValue);
      if ('serverValue' in conflict) assert.equal(conflict.serverValue, serverValue);
    }
    assert.ok(conflicts.some((conflict) => 'serverValue' in conflict), 'some fit');
    assert.ok(conflicts.some((conflict) => !('serverValue' in conflict)), 'some do not');
    assert.deepEqual(
        serverChanges.map((change) => change.fields.title.value), [...Array(8).keys()].map(text),
        'what was left out was corrected');
  });
});

test('5.6 a lost value of more than 1 MiB is left out, and the rest of it is told', async () => {
  const {one, two} = pair();
  await one.push(title('theirs', at(10)));
  const {conflicts} = await pushNow(two, title('m'.repeat(2 * mebibyte), at(5)));
  assert.equal(conflicts.length, 1);
  const {table, id, field, clientTimestamp, serverTimestamp} = conflicts[0];
  assert.deepEqual(
      [table, id, field, clientTimestamp, serverTimestamp], ['todos', 'a', 'title', at(5), at(10)]);
  assert.ok(!('clientValue' in conflicts[0]));
});

test('5.6 names alone do not take conflicts past 1 MiB', async () => {
  const {one, two} = pair();
  const table = 't'.repeat(1024);
  const edits = (time) => [...Array(900).keys()].map(
      (i) => ({...title(time, time, `${i}`.padStart(1024, 'r')), table}));
  await one.push(edits(at(10)));
  const {conflicts, serverChanges} = await pushNow(two, edits(at(5)));
  assert.ok(bytesOf(conflicts) <= mebibyte, `${bytesOf(conflicts)} bytes`);
  assert.ok(conflicts.length > 100);
  assert.equal(serverChanges.length, 900);
});

test('5.5 conflicts and corrections are counted', async () => {
  const {one, two} = pair();
  await one.push(update('a', {x: [1, at(10)], y: [1, at(10)], z: [1, at(10)]}));
  const {conflicts, corrections} = await added(
      server,
      () =>
          pushNow(two, update('a', {x: [2, at(5)], y: [2, at(5)], z: [1, at(5)], w: [1, at(5)]})));
  assert.equal(conflicts, 2);
  assert.ok(corrections >= 1, `${corrections}`);
});
