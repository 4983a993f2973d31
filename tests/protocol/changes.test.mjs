// PROTOCOL §2.6-2.9: what one change of a push means.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, recordOf, remove, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

// A stamp as a receipt time: milliseconds, rounded up (PROTOCOL 5.8).
function receiptTime(stamp) {
  const ms = Date.parse(stamp.replace(/\d{3}Z$/, 'Z'));
  return new Date(ms + (/000Z$/.test(stamp) ? 0 : 1)).toISOString();
}

// Pushes one change; what another client gets of it, and the row.
async function pushed(change, client = server.client()) {
  const {syncedUntil} = await client.other().pull({collections: '*'});
  await client.push(change);
  const {serverChanges} = await client.other().pull({collections: '*', since: syncedUntil});
  const rows = (await database.changes(client.user)).slice(-serverChanges.length);
  return {
    client,
    sent: serverChanges[0],
    all: serverChanges,
    row: rows[0],
    receipt: rows[0] && receiptTime(rows[0].stamp)
  };
}

test('2.6 a field\'s edit time is updatedAt or at, and at if both are there', async () => {
  const {sent} = await pushed(update('a', {
    one: {value: 1, updatedAt: at(1)},
    two: {value: 2, at: at(2)},
    three: {value: 3, updatedAt: at(30), at: at(3)},
    four: {value: 4, at: at(4), updatedAt: at(40)},
    five: {value: 5, at: null, updatedAt: at(5)}
  }));
  for (const [i, name] of ['one', 'two', 'three', 'four', 'five'].entries()) {
    assert.deepEqual(sent.fields[name], {value: i + 1, updatedAt: at(i + 1), at: at(i + 1)});
  }
});

test('2.6 an edit time that is missing or null is the time of receipt', async () => {
  const before = Date.now();
  const {sent, receipt} = await pushed(update('a', {
    one: {value: 1},
    two: {value: 2, updatedAt: null},
    three: {value: 3, at: null},
    four: {value: 4, at: null, updatedAt: null}
  }));
  for (const field of Object.values(sent.fields)) assert.equal(field.updatedAt, receipt);
  assert.ok(Date.parse(receipt) >= before && Date.parse(receipt) <= Date.now() + 1, receipt);
});

test('2.6 an edit time that is no RFC 3339 string is refused, naming it', async () => {
  const client = server.client();
  for (const name of ['updatedAt', 'at']) {
    for (const time
             of [1704103200000, true, {}, [], '', 'yesterday', '2024-01-01', '2024-01-01T10:00:00',
                 '2024-13-01T10:00:00Z', '2024-01-01T10:00:00.Z', '1704103200000']) {
      const message = await client.refused({
        changes: [update('ok', {x: [1, at()]}), update('a', {title: {value: 1, [name]: time}})]
      });
      assert.match(message, /changes\[1\].*title/, message);
    }
  }
  assert.equal(await database.count(client.user), 0);
});

test('2.6 edit times with offsets and other digits are the same instants', async () => {
  const {sent} = await pushed(update('a', {
    none: [1, '2024-01-01T10:00:00Z'],
    one: [1, '2024-01-01T10:00:00.1Z'],
    nine: [1, '2024-01-01T10:00:00.123999999Z'],
    east: [1, '2024-01-01T12:00:00.5+02:00'],
    west: [1, '2023-12-31T23:30:00-10:30']
  }));
  const times =
      Object.fromEntries(Object.entries(sent.fields).map(([name, field]) => [name, field.at]));
  assert.deepEqual(times, {none: at(0), one: at(100), nine: at(123), east: at(500), west: at(0)});
});

test('2.6 a value may be absent, and a field may be null: null', async () => {
  const {sent, receipt} =
      await pushed(update('a', {absent: {updatedAt: at()}, empty: {}, nothing: null}));
  assert.deepEqual(sent.fields, {
    absent: {value: null, updatedAt: at(), at: at()},
    empty: {value: null, updatedAt: receipt, at: receipt},
    nothing: {value: null, updatedAt: receipt, at: receipt}
  });
});

test('2.6 a field that is neither an object nor null is refused', async () => {
  for (const field of ['text', 7, true, ['x', at()]]) {
    const message = await server.client().refused(
        {changes: [{table: 'todos', id: 'a', op: 'update', fields: {title: field}}]});
    assert.match(message, /changes\[0\].*title/);
  }
});

test('2.6 field names are opaque', async () => {
  const names = [
    'a.b', 'a b', ' ', 'ünïcödé 😀', '$set', 'constructor', 'toString', 'a"b\\c', 'a/b', 'id',
    'table', 'value', 'updatedAt', '0', '{x}', '\t\n', 'ﬀ', 'e\u0301', '\u00e9'
  ];
  const fields = Object.fromEntries(names.map((name, i) => [name, [i, at(i)]]));
  const {client, sent} = await pushed(update('a', fields));
  assert.deepEqual(Object.keys(sent.fields).sort(), names.sort());
  for (const [name, [value, time]] of Object.entries(fields)) {
    assert.deepEqual(sent.fields[name], {value, updatedAt: time, at: time}, name);
  }
  await client.push(update('a', fields));
  assert.equal(await database.count(client.user), 1, 'each is recognized as a repeat');
});

test('2.7 an insert\'s edit time is updatedAt, else createdAt', async () => {
  for (const [data, time] of [
           [{title: 'x', updatedAt: at(2), createdAt: at(1)}, at(2)],
           [{title: 'x', updatedAt: at(1), createdAt: at(2)}, at(1)],
           [{title: 'x', createdAt: at(1)}, at(1)], [{title: 'x', updatedAt: at(2)}, at(2)],
           [{title: 'x', updatedAt: null, createdAt: at(1)}, at(1)],
           [{title: 'x', updatedAt: 1704103200000, createdAt: at(1)}, at(1)],
           [{title: 'x', updatedAt: 'yesterday', createdAt: at(1)}, at(1)],
           [{title: 'x', updatedAt: {}, createdAt: '2024-01-01T12:00:00.001+02:00'}, at(1)]]) {
    const {sent, row} = await pushed(insert('a', data));
    assert.deepEqual(sent.data, {id: 'a', ...data}, 'data is the app\'s own');
    const keys = Object.keys(data).sort();
    assert.deepEqual(row.field_timestamps, Object.fromEntries(keys.map((key) => [key, time])));
  }
});

test('2.7 an insert\'s time is that of every key of data but id', async () => {
  const {client} = await pushed(insert('a', {title: 'old', note: null, createdAt: at(10)}));
  const other = client.other();
  await other.push(update('a', {title: ['lost', at(9)], note: ['lost', at(9)]}));
  await other.push(update('a', {title: ['won', at(11)], note: ['won', at(11)]}));
  const {title, note} = recordOf((await client.other().pull()).serverChanges, 'a');
  assert.deepEqual([title, note], ['won', 'won']);
  assert.equal(await database.count(client.user), 2);
});

test('2.7 an insert without a usable time is sent on with its time in updatedAt', async () => {
  for (const data
           of [{title: 'x'}, {title: 'x', updatedAt: null}, {title: 'x', createdAt: null},
               {title: 'x', updatedAt: 5, createdAt: 'soon'}, {title: 'x', updatedAt: 'never'},
               {}]) {
    const {sent, receipt} = await pushed(insert('a', data));
    assert.deepEqual(sent.data, {id: 'a', ...data, updatedAt: receipt});
  }
});

test('2.7 an insert without a time is a repeat, whatever was written since', async () => {
  const {client} = await pushed(insert('a', {title: 'x', done: false}));
  const later = new Date(Date.now() + 1000).toISOString();
  await client.other().push(update('a', {title: ['theirs', later]}));
  await client.push(update('a', {done: [true, later]}));
  const {changes, since} = await client.other().pullAll();
  for (let i = 0; i < 2; i += 1) {
    assert.deepEqual((await client.push(insert('a', {title: 'x', done: false}))).conflicts, []);
    assert.equal(await database.count(client.user), 3);
    await server.restart();
  }
  assert.deepEqual((await client.other().pull({since})).serverChanges, []);
  const {title, done} = recordOf(changes, 'a');
  assert.deepEqual([title, done], ['theirs', true]);
});

test('2.7 an insert without a time that says something else is no repeat', async () => {
  const {client} = await pushed(insert('a', {title: 'x'}));
  await client.push(insert('a', {title: 'y'}));
  assert.equal(recordOf((await client.other().pull()).serverChanges, 'a').title, 'y');
});

test(
    '2.7 an update takes fields; with data and no fields, data\'s keys at the time of receipt',
    async () => {
      const {sent, receipt} =
          await pushed({table: 'todos', id: 'a', op: 'update', data: {title: 'x', done: null}});
      assert.deepEqual(sent.fields, {
        title: {value: 'x', updatedAt: receipt, at: receipt},
        done: {value: null, updatedAt: receipt, at: receipt}
      });
      const both = await pushed(
          {table: 'todos', id: 'a', op: 'update', data: {b: 1}, fields: {c: {value: 2, at: at()}}});
      assert.deepEqual(Object.keys(both.sent.fields), ['c']);
    });

test('2.7 fields: {} is accepted and stores nothing', async () => {
  const client = server.client();
  await client.push(update('a', {}));
  assert.equal(await database.count(client.user), 0);
});

test('2.8 a delete is stored and sent as a delete with its deletedAt', async () => {
  const {sent} = await pushed(remove('a', '2024-01-01T12:00:00.0071+02:00'));
  assert.deepEqual({op: sent.op, deletedAt: sent.deletedAt}, {op: 'delete', deletedAt: at(7)});
  assert.ok(!('fields' in sent) && !('data' in sent));
});

test('2.8 a delete without deletedAt has the time of receipt', async () => {
  for (const change of [remove('a'), remove('a', null)]) {
    const {sent, receipt} = await pushed(change);
    assert.equal(sent.deletedAt, receipt);
  }
});

test('2.8 a deletedAt that is no RFC 3339 string is refused', async () => {
  for (const deletedAt of ['', 'now', 1704103200000, true, {}, '2024-01-01']) {
    assert.match(
        await server.client().refused({changes: [remove('a', deletedAt)]}),
        /changes\[0\].*deletedAt/);
  }
});

test(
    '2.8 fields of a delete are an update before it; its fields.deletedAt is ignored', async () => {
      const {all} = await pushed(remove('a', at(5), {
        fields:
            {title: {value: 'last', updatedAt: at(4)}, deletedAt: {value: at(9), updatedAt: at(9)}}
      }));
      assert.deepEqual(all.map((change) => change.op), ['update', 'delete']);
      assert.deepEqual(all[0].fields, {title: {value: 'last', updatedAt: at(4), at: at(4)}});
      assert.equal(all[1].deletedAt, at(5));
      const only =
          await pushed(remove('a', at(5), {fields: {deletedAt: {value: at(9), at: at(9)}}}));
      assert.deepEqual(only.all.map(({op, deletedAt}) => [op, deletedAt]), [['delete', at(5)]]);
    });

test('2.8 a delete forgets nothing: a late edit raises no half record', async () => {
  const {client} = await pushed(insert('a', {title: 'x', done: true, createdAt: at(10)}));
  await client.push(remove('a', at(20)));
  const other = client.other();
  await other.push(update('a', {title: ['late', at(5)]}));
  assert.equal(await database.count(client.user), 2, 'an edit older than the cell\'s winner loses');
  await other.push(update('a', {title: ['newer', at(15)]}));
  assert.deepEqual(
      recordOf((await client.other().pull()).serverChanges, 'a'),
      {id: 'a', title: 'newer', done: true, createdAt: at(10), deletedAt: at(20)});
});

test('2.8 an un-delete is an update of deletedAt to null', async () => {
  const {client} = await pushed(remove('a', at(10)));
  await client.push(update('a', {deletedAt: [null, at(20)]}));
  await client.other().push(remove('a', at(15)));
  const deleted = async () => recordOf((await client.other().pull()).serverChanges, 'a').deletedAt;
  assert.equal(await deleted(), null, 'an earlier delete does not come back');
  assert.equal(await database.count(client.user), 2);
  await client.other().push(remove('a', at(30)));
  assert.equal(await deleted(), at(30));
});

test('2.9 null for an optional key means absent', async () => {
  const client = server.client({id: ''});
  const nothing = {actor: null, origin: null, spaceId: null, schemaVersion: null};
  const answer = await client.post({
    clientId: null,
    since: null,
    schemaVersion: null,
    changes: [
      {...insert('a', {title: 'x', createdAt: at()}), ...nothing, fields: null, deletedAt: null},
      {...update('b', {title: ['x', at()]}), ...nothing, data: null, deletedAt: null},
      {...remove('c', at()), ...nothing, data: null, fields: null}
    ]
  });
  assert.equal(answer.status, 200, answer.text);
  const {serverChanges} = await client.pull();
  assert.deepEqual(serverChanges.map((change) => change.op), ['insert', 'update', 'delete']);
  for (const change of serverChanges) {
    for (const name of ['actor', 'origin', 'spaceId']) assert.ok(!(name in change), name);
  }
  for (const changes of [null, undefined, []])
    assert.equal((await client.post({changes})).status, 200);
});

test('2.9 schemaVersion is absent or 1; higher is refused, naming the maximum', async () => {
  const client = server.client();
  const change = insert('a', {createdAt: at()});
  assert.match(await client.refused({schemaVersion: 2, changes: [change]}), /schemaVersion.*\b1\b/);
  assert.match(
      await client.refused({changes: [change, {...change, schemaVersion: 7}]}),
      /changes\[1\]\.schemaVersion.*\b1\b/);
  for (const version of ['1', true, {}, 1e300]) {
    await client.refused({schemaVersion: version, changes: [change]});
    await client.refused({changes: [{...change, schemaVersion: version}]});
  }
  assert.equal(await database.count(client.user), 0);
  await client.push({...change, schemaVersion: 1}, {schemaVersion: 1});
  assert.equal(await database.count(client.user), 1);
});

test('2.9 actor, origin and spaceId are stored and handed on untouched', async () => {
  const more = {
    actor: {type: 'agent', id: 7, nested: {list: [1, null, 'ü']}},
    origin: 'import "x"',
    spaceId: 'space-1'
  };
  for (const change
           of [insert('a', {createdAt: at(), spaceId: 'ignored'}, more),
               update('a', {title: ['x', at()]}, more), remove('a', at(), more)]) {
    const {client, sent} = await pushed(change);
    const {actor, origin, spaceId} = sent;
    assert.deepEqual({actor, origin, spaceId}, more);
    await server.restart();
    assert.deepEqual(
        (await client.other().pull()).serverChanges, [sent], 'from the table as from memory');
  }
  assert.deepEqual(
      (await pushed(insert('a', {}, {actor: {}, origin: '', spaceId: ''}))).sent.actor, {});
});

test('2.9 a spaceId is also taken from data and from fields', async () => {
  assert.equal((await pushed(insert('a', {createdAt: at(), spaceId: 's1'}))).sent.spaceId, 's1');
  assert.equal((await pushed(update('a', {spaceId: ['s2', at()]}))).sent.spaceId, 's2');
  const {sent, row} = await pushed(insert('a', {createdAt: at(), spaceId: 's1'}, {spaceId: null}));
  assert.deepEqual([sent.spaceId, row.space_id], ['s1', 's1']);
});

test('2.9 unknown keys anywhere are ignored', async () => {
  const client = server.client();
  const odd = {unknown: {deep: [1, {x: null}]}, op2: 'delete', Table: 'other'};
  await client.push({...update('a', {title: {value: 'x', at: at(), ...odd}}), ...odd}, odd);
  const [change] = (await client.other().pull()).serverChanges;
  assert.deepEqual(change.fields, {title: {value: 'x', updatedAt: at(), at: at()}});
});
