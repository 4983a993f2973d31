// PROTOCOL 5.6 and 5.9: the winners that come back to who did not know them. What is reported of
// lost edits has conflicts.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert, recordOf, remove, update} from './support/client.mjs';
import {forgetAll, mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(mebibyte)}});
after(() => server.stop());
const {database} = server;

const title = (value, time, id = 'a') => update(id, {title: [value, time]});
const fromNow = (ms) => new Date(Date.now() + ms).toISOString();
const field = (value, time) => ({value, updatedAt: time, at: time});

// Two clients of a new user.
function pair() {
  const one = server.client();
  return {one, two: one.other()};
}

const cursorOf = async (client) => (await client.pull({collection: 'none'})).syncedUntil;

// Pushes from where the stream stands now: serverChanges then holds nothing but corrections.
async function pushNow(client, changes) {
  return client.push(changes, {since: await cursorOf(client)});
}

// Each case runs as it is, with a restart, and with an eviction between.
async function fromEverySource(check) {
  await check(async () => {}, 'memory');
  await check(() => server.restart(), 'the table, after a restart');
  await check(() => forgetAll(server), 'the table, after an eviction');
}

// The one correction that an answer holds; its shape is an update's (PROTOCOL 4, 4.1, 4.2).
function correctionOf({serverChanges}, source) {
  assert.equal(serverChanges.length, 1, source);
  const [{eventId, ...rest}] = serverChanges;
  assert.match(eventId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  return rest;
}
const correction = (fields, more) =>
    ({schemaVersion: 1, table: 'todos', id: 'a', op: 'update', fields, ...more});

test('5.6 the winner of a lost edit comes back as an update with its time', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push({...title('theirs', at(10)), actor: {name: 'x'}, origin: 'o', spaceId: 's'});
    await between();
    const answer = await pushNow(two, title('mine', at(5)));
    assert.deepEqual(
        correctionOf(answer, source), correction({title: field('theirs', at(10))}), source);
    assert.equal(await database.count(one.user), 1, 'nothing is stored');
  });
});

test('5.6 one correction per record, each cell once', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push([
      insert('a', {title: 't', note: 'n', createdAt: at(10)}), title('b', at(11), 'b'),
      {...title('other', at(12)), table: 'notes'}, update('a', {tags: [[1, {x: null}], at(13)]})
    ]);
    await between();
    const {serverChanges} = await pushNow(two, [
      title('1', at(1)), update('a', {note: [1, at(1)], free: [1, at(1)]}), title('2', at(2)),
      title('3', at(1), 'b'), update('a', {tags: [1, at(3)]}), title('4', at(3)),
      {...title('5', at(1)), table: 'notes'}
    ]);
    const told = serverChanges.map(({eventId, ...rest}) => rest)
                     .toSorted((x, y) => (x.table + x.id < y.table + y.id ? -1 : 1));
    assert.deepEqual(
        told,
        [
          correction({title: field('other', at(12))}, {table: 'notes'}), correction({
            title: field('t', at(10)),
            note: field('n', at(10)),
            tags: field([1, {x: null}], at(13))
          }),
          correction({title: field('b', at(11))}, {id: 'b'})
        ],
        source);
    assert.equal(new Set(serverChanges.map((change) => change.eventId)).size, 3);
  });
});

test('5.6 an insert that lost fields gets their winners, whoever wrote them', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(insert('a', {title: 't', createdAt: at(10)}));
    await one.other().push(update('a', {note: [null, at(20)]}));
    await between();
    const answer =
        await pushNow(two, insert('a', {title: 'x', note: 'y', own: 1, createdAt: at(5)}));
    assert.deepEqual(
        correctionOf(answer, source), correction({
          title: field('t', at(10)),
          note: field(null, at(20)),
          createdAt: field(at(10), at(10))
        }),
        source);
  });
});

test('5.6 a lost delete is corrected, and so is what lost to a delete', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push([remove('a', at(10)), update('b', {deletedAt: [null, at(10)]})]);
    await between();
    const {serverChanges} =
        await pushNow(two, [update('a', {deletedAt: [null, at(5)]}), remove('b', at(5))]);
    assert.deepEqual(
        serverChanges.map(({eventId, ...rest}) => rest),
        [
          correction({deletedAt: field(at(10), at(10))}),
          correction({deletedAt: field(null, at(10))}, {id: 'b'})
        ],
        source);
  });
});

test('5.6 values keep every digit', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    const body = (value, time) => `{"since":"2999-01-01T00:00:00Z","changes":[{"table":"todos",
      "id":"a","op":"update","fields":{"n":{"value":${value},"at":"${time}"}}}]}`;
    await one.post(body('12345678901234567890.10', at(10)));
    await between();
    assert.match(
        (await two.post(body('1', at(5)))).text, /\{"value":12345678901234567890\.10,/, source);
  });
});

test('5.6 an edit with the winner\'s value and an earlier time is corrected', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(title('same', at(10)));
    await between();
    const answer = await pushNow(two, title('same', at(5)));
    assert.deepEqual(
        correctionOf(answer, source), correction({title: field('same', at(10))}), source);
    assert.deepEqual(answer.conflicts, []);
  });
});

test('5.6 an edit lost to the client\'s own later one is corrected', async () => {
  await fromEverySource(async (between, source) => {
    const {one} = pair();
    await one.push(title('later', at(10)));
    await between();
    const answer = await pushNow(one, title('earlier', at(5)));
    assert.deepEqual(
        correctionOf(answer, source), correction({title: field('later', at(10))}), source);
    const both = await pushNow(one, [title('new', at(20)), title('old', at(15))]);
    assert.deepEqual(correctionOf(both), correction({title: field('new', at(20))}), 'in one push');
  });
});

test('5.6 no correction of what the delta holds already', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push([
      insert('a', {title: 'old', note: 'n', createdAt: at(10)}), title('theirs', at(20)),
      remove('b', at(20))
    ]);
    await between();
    const {serverChanges, conflicts} = await two.push(
        [update('a', {title: [1, at(5)], note: [1, at(5)]}), remove('b', at(5))],
        {since: beginning});
    assert.deepEqual(
        serverChanges.map(({id, op}) => [id, op]),
        [['a', 'insert'], ['a', 'update'], ['b', 'delete']], source);
    assert.equal(conflicts.length, 3);
  });
});

test('5.6 only what the delta does not hold is corrected', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(update('a', {x: ['before', at(10)]}));
    const since = await cursorOf(two);
    await one.push(update('a', {y: ['after', at(10)]}));
    await two.push(update('a', {z: ['own', at(10)]}));
    await between();
    const {serverChanges} =
        await two.push(update('a', {x: [1, at(5)], y: [1, at(5)], z: [1, at(5)]}), {since});
    const fields = serverChanges.map((change) => change.fields);
    assert.deepEqual(
        fields.toSorted((x, y) => Object.keys(x).length - Object.keys(y).length),
        [
          {y: field('after', at(10))},
          {x: field('before', at(10)), z: field('own', at(10))},
        ],
        source);
  });
});

test('5.6 2.4 a winner behind the end of the delta\'s page is corrected at once', async () => {
  const {one, two} = pair();
  await one.push([...Array(5000).keys()].map((i) => insert(`r${i}`, {createdAt: at(10)})));
  await one.push([title('theirs', at(10)), insert('last', {createdAt: at(10)})]);
  await fromEverySource(async (between, source) => {
    await between();
    const answer = await two.push(
        [title('mine', at(5)), update('r0', {createdAt: ['x', at(5)]})], {since: beginning});
    assert.equal(answer.hasMore, true);
    assert.equal(answer.serverChanges.length, 5001, source);
    const corrections = answer.serverChanges.filter((change) => change.id === 'a');
    assert.deepEqual(
        corrections.map((change) => change.fields), [{title: field('theirs', at(10))}]);
    assert.equal(answer.serverChanges.filter((change) => change.id === 'r0').length, 1);
    const rest = await two.push([], {since: answer.syncedUntil});
    assert.deepEqual(rest.serverChanges.map((change) => change.id), ['a', 'last'], source);
  });
});

// Pushes edits that lose to 1 MiB each; the answer and its pages, as texts and as changes.
async function losesMuch(one, two, records, since) {
  for (const id of records) await one.push(title(id.repeat(mebibyte / id.length), at(10), id));
  since ??= await cursorOf(two);
  const body = {since, changes: records.map((id) => title('mine', at(5), id))};
  const push = async () => {
    const first = await two.post(body);
    assert.equal(first.status, 200, first.text.slice(0, 500));
    const answers = [first];
    while (answers.at(-1).json.hasMore) {
      assert.ok(answers.length <= records.length, 'pages end');
      answers.push(await two.post({since: answers.at(-1).json.syncedUntil, changes: []}));
    }
    return answers;
  };
  return {push, answers: await push()};
}
const big = ['rec0', 'rec1', 'rec2', 'rec3', 'rec4', 'rec5', 'rec6', 'rec7', 'rec8', 'rec9'];

function assertBigWinners(changes, who) {
  for (const id of big) {
    const {title: value} = recordOf(changes, id);
    assert.ok(value === id.repeat(mebibyte / id.length), `${id} at ${who}: ${value?.slice(0, 9)}`);
  }
}
const changesOf = (answers) => answers.flatMap((answer) => answer.json.serverChanges);

test('5.6 corrections past 4 MiB are stored, and pages bring them', async () => {
  const {one, two} = pair();
  const third = one.other();
  const {answers} = await losesMuch(one, two, big);
  for (const {text} of answers) {
    assert.ok(text.length <= 5 * mebibyte + 4096, `${text.length} bytes`);
    const {serverChanges} = JSON.parse(text);
    assert.ok(JSON.stringify(serverChanges).length <= 4 * mebibyte + 4096);
  }
  assertBigWinners(changesOf(answers), 'the author');
  assert.equal(answers[0].json.conflicts.length, big.length);

  const stored = (await database.changes(one.user)).slice(big.length);
  assert.ok(stored.length > 0, 'some were stored');
  for (const row of stored) {
    assert.deepEqual(
        [row.client_id, row.op, row.field_timestamps], ['', 'update', {title: at(10)}]);
  }
  const ids = changesOf(answers).map((change) => change.eventId);
  assert.equal(new Set(ids).size, ids.length, 'nothing comes twice');

  for (const client of [one, two, third, one.other({id: ''})]) {
    await fromEverySource(async (between, source) => {
      await between();
      const {changes} = await client.pullAll(client === one ? {echo: '1'} : {});
      assertBigWinners(changes, `a device, from ${source}`);
    });
  }
});

test('2.2 5.6 a repeat of a push whose corrections were stored stores nothing', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    const {push} = await losesMuch(one, two, big);
    const rows = await database.count(one.user);
    assert.ok(rows > big.length);
    for (let i = 0; i < 2; i += 1) {
      await between();
      assertBigWinners(changesOf(await push()), `the author, from ${source}`);
      assert.equal(await database.count(one.user), rows, source);
    }
  });
});

test('5.6 a stored correction does not take the cell from its author', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await losesMuch(one, two, big);
    await between();
    // Only the author of a winner wins a tie.
    await two.push(title('not mine', at(10), big.at(-1)));
    await one.other({id: ''}).push(title('nobody\'s', at(10), big.at(-1)));
    await one.push(big.map((id) => title('own', at(10), id)));
    const {changes} = await one.other().pullAll();
    for (const id of big) assert.equal(recordOf(changes, id).title, 'own', source);
  });
});

test('5.6 a delta that fills the answer and corrections beside it lose nothing', async () => {
  const {one, two} = pair();
  await one.push(insert('first', {createdAt: at()}));
  const {answers} = await losesMuch(one, two, big, beginning);
  assertBigWinners(changesOf(answers), 'the author');
  assert.ok(changesOf(answers).some((change) => change.id === 'first'));
});

// --- Receipt-timed edits that took a cell
// ---------------------------------------------------------

// The receipt time that the newest stored row gives a field.
async function receiptOf(client, name) {
  const row = (await database.changes(client.user)).at(-1);
  assert.equal(row.client_id, client.id);
  return row.field_timestamps[name];
}

test('5.9 an edit without a time that takes a cell comes back with its receipt time', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(update('a', {title: ['theirs', fromNow(-1000)], note: ['n', at(10)]}));
    await between();
    const answer =
        await pushNow(two, update('a', {title: {value: 'mine'}, note: {value: 'n'}, free: null}));
    const receipt = await receiptOf(two, 'title');
    assert.deepEqual(
        correctionOf(answer, source),
        correction({title: field('mine', receipt), note: field('n', receipt)}), source);
    assert.deepEqual(answer.conflicts, []);
  });
});

test('5.9 a clamped edit that takes a cell does, too', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push(title('theirs', fromNow(-1000)));
    await between();
    const answer = await pushNow(two, title('mine', fromNow(3_600_000)));
    const receipt = await receiptOf(two, 'title');
    assert.ok(receipt < fromNow(1000));
    assert.deepEqual(
        correctionOf(answer, source), correction({title: field('mine', receipt)}), source);
  });
});

test('5.9 so do inserts and deletes without a time', async () => {
  await fromEverySource(async (between, source) => {
    const {one, two} = pair();
    await one.push([title('theirs', fromNow(-1000)), update('a', {deletedAt: [null, at()]})]);
    await between();
    const inserted = await pushNow(two, insert('a', {title: 'mine', free: 1}));
    const insertedAt = await receiptOf(two, 'title');
    assert.deepEqual(
        correctionOf(inserted, source), correction({title: field('mine', insertedAt)}), source);
    const removed = await pushNow(two, remove('a'));
    const removedAt = await receiptOf(two, 'deletedAt');
    assert.deepEqual(
        correctionOf(removed, source), correction({deletedAt: field(removedAt, removedAt)}),
        source);
  });
});

test('5.9 it comes beside the delta that brought what it beat', async () => {
  const {one, two} = pair();
  await one.push(title('theirs', fromNow(-1000)));
  const {serverChanges} = await two.push(update('a', {title: {value: 'mine'}}), {since: beginning});
  // First, so that what is newer is applied after it.
  assert.deepEqual(serverChanges.map((change) => change.fields.title.value), ['mine', 'theirs']);
});

test(
    '5.9 never otherwise: not of a cell that nobody else held, or an edit with a time', async () => {
      await fromEverySource(async (between, source) => {
        const {one, two} = pair();
        await one.push(title('theirs', fromNow(-2000), 'b'));
        await two.push([title('own', fromNow(-1000)), update('c', {x: {value: 1}})]);
        await between();
        const {serverChanges, conflicts} = await pushNow(two, [
          update('a', {empty: {value: 1}}), insert('d', {n: 1}),
          remove('e'), update('c', {x: {value: 2}}), title('later', fromNow(-500), 'b')
        ]);
        assert.deepEqual([serverChanges, conflicts], [[], []], source);
      });
    });
