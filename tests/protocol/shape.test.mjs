// PROTOCOL §4: a change as the server sends it.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, remove, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

test('4.1 insert has data, update fields, delete deletedAt', async () => {
  const client = server.client();
  await client.push([
    insert('a', {title: 'x', createdAt: at()}),
    update('a', {title: ['y', '2024-01-01T11:00:01+01:00'], done: [undefined, at(2)]}),
    remove('a', at(3))
  ]);
  for (const source of ['memory', 'the table']) {
    const {serverChanges} = await client.other().pull();
    for (const change of serverChanges) assert.match(change.eventId, uuid, source);
    assert.equal(new Set(serverChanges.map((change) => change.eventId)).size, 3);
    const same = {schemaVersion: 1, table: 'todos', id: 'a'};
    assert.deepEqual(
        serverChanges.map(({eventId, ...rest}) => rest),
        [
          {...same, op: 'insert', data: {id: 'a', title: 'x', createdAt: at()}}, {
            ...same,
            op: 'update',
            fields: {
              title: {value: 'y', updatedAt: at(1000), at: at(1000)},
              done: {value: null, updatedAt: at(2), at: at(2)}
            }
          },
          {...same, op: 'delete', deletedAt: at(3)}
        ],
        source);
    await server.restart();
  }
});

test(
    '4.1 an event keeps its id: from memory, from the table, in a push and in a pull', async () => {
      const client = server.client();
      await client.push([insert('a', {createdAt: at()}), remove('a', at(1))]);
      const rows = (await database.changes(client.user)).map((row) => row.id);
      for (let i = 0; i < 2; i += 1) {
        const pulled = (await client.other().pull()).serverChanges.map((change) => change.eventId);
        const delta = (await client.other().push([])).serverChanges.map((change) => change.eventId);
        assert.deepEqual([pulled, delta], [rows, rows]);
        await server.restart();
      }
    });

test('4.1 edit times have three digits and Z, as toISOString writes them', async () => {
  const client = server.client();
  await client.push([
    update('a', {x: [1, '2024-01-01T10:00:00Z']}), remove('b', '0001-01-01T00:00:00Z'),
    update('c', {x: [1, '1969-12-31T23:59:59.9999Z']})
  ]);
  for (let i = 0; i < 2; i += 1) {
    const [a, b, c] = (await client.other().pull()).serverChanges;
    assert.deepEqual(
        [a.fields.x.at, b.deletedAt, c.fields.x.at],
        ['2024-01-01T10:00:00.000Z', '0001-01-01T00:00:00.000Z', '1969-12-31T23:59:59.999Z']);
    await server.restart();
  }
});

test('4.2 optional keys are left out, never null, and no whitespace is sent', async () => {
  const client = server.client();
  await client.push([
    insert('a', {title: 'a b', empty: null, createdAt: at()}), update('a', {x: [null, at()]}),
    remove('a', at())
  ]);
  for (let i = 0; i < 2; i += 1) {
    const {text, ...pull} = await client.other().pull();
    assert.equal(
        text, JSON.stringify(JSON.parse(text)), 'one line without insignificant whitespace');
    const [first, second, third] = pull.serverChanges.map((change) => Object.keys(change).sort());
    const always = ['eventId', 'id', 'op', 'schemaVersion', 'table'];
    assert.deepEqual(first, ['data', ...always]);
    assert.deepEqual(second, [...always.slice(0, 1), 'fields', ...always.slice(1)]);
    assert.deepEqual(third, ['deletedAt', ...always]);
    assert.equal(pull.serverChanges[0].data.empty, null, 'a null of the app stays');
    await server.restart();
  }
});

test('4.2 a value comes back as it went in', async () => {
  const values = {
    text: 'line\nbreak\ttab "quoted" \\ / \u0001 \u2028 ü 😀',
    empty: '',
    zero: 0,
    negative: -1.5,
    yes: true,
    no: false,
    nothing: null,
    list: [1, [2, [3]], {}],
    object: {a: {b: []}, '': 0}
  };
  const client = server.client();
  await client.push([
    insert('a', {...values, createdAt: at()}),
    update('b', Object.fromEntries(Object.entries(values).map(([name,
                                                                value]) => [name, [value, at()]])))
  ]);
  for (let i = 0; i < 2; i += 1) {
    const [inserted, updated] = (await client.other().pull()).serverChanges;
    assert.deepEqual(inserted.data, {id: 'a', ...values, createdAt: at()});
    for (const [name, value] of Object.entries(values))
      assert.deepEqual(updated.fields[name].value, value);
    await server.restart();
  }
});

// A user's stream as another program left it, before the server ever looked: one row a second.
async function strangersStream(rows) {
  const client = server.client({user: fresh('stranger')});
  for (const [i, row] of rows.entries()) {
    await database.insertRow({
      app_id: client.app,
      table_name: 'todos',
      user_id: client.user,
      client_id: 'other',
      record_id: `r${i}`,
      op: 'update',
      created_at: stampOf(i),
      ...Object.fromEntries(Object.entries(row).map(
          ([name, value]) =>
              [name, value !== null && typeof value === 'object' ? JSON.stringify(value) : value]))
    });
  }
  return client;
}
const stampOf = (i) => at(i * 1000);
const field = (value, time) => ({value, updatedAt: time, at: time});

test('4.3 an edit time that is an object with at is read', async () => {
  const client = await strangersStream([
    {data: {title: 'x'}, field_timestamps: {title: {at: '2023-05-05T05:05:05Z', clientId: 'c'}}}, {
      op: 'insert',
      data: {title: 'x'},
      field_timestamps: {title: {at: '2023-05-05T05:05:05.123456Z'}}
    }
  ]);
  const [first] = (await client.pull()).serverChanges;
  assert.deepEqual(first.fields, {title: field('x', '2023-05-05T05:05:05.000Z')});
  await client.push([
    update('r0', {title: ['late', '2023-05-05T05:05:04Z']}),
    update('r1', {title: ['late', '2023-05-05T05:05:05.122Z']})
  ]);
  assert.equal(await database.count(client.user), 2, 'and counts in the merge');
});

test('4.3 the row\'s stamp stands in for a missing edit time', async () => {
  const client = await strangersStream([
    {data: {title: 'x', note: 'y'}, field_timestamps: {note: '2023-05-05T05:05:05.000Z'}},
    {data: {title: 'x'}, field_timestamps: null},
    {data: {title: 'x'}, field_timestamps: {title: null}},
    {data: {title: 'x'}, field_timestamps: {title: 'long ago'}},
    {data: {title: 'x'}, field_timestamps: {title: {}}}, {data: {title: 'x'}, field_timestamps: []},
    {data: {title: 'x'}, field_timestamps: {title: 7}}
  ]);
  const {serverChanges} = await client.pull();
  assert.deepEqual(
      serverChanges.map((change) => change.fields.title),
      [0, 1, 2, 3, 4, 5, 6].map((i) => field('x', stampOf(i))));
  assert.deepEqual(serverChanges[0].fields.note, field('y', '2023-05-05T05:05:05.000Z'));
  await client.push(update('r1', {title: ['earlier', stampOf(0)]}));
  assert.equal(await database.count(client.user), 7, 'and counts in the merge');
  await client.push(update('r1', {title: ['later', stampOf(2)]}));
  assert.equal(await database.count(client.user), 8);
});

test('4.3 nulls in optional columns are left out', async () => {
  const nulls = {actor: null, origin: null, space_id: null};
  const client = await strangersStream([
    {data: {x: 1}, actor: 'null'}, {data: {x: 1}, ...nulls},
    {data: {x: 1}, actor: {id: 7}, origin: 'o', space_id: 's'}
  ]);
  const {serverChanges} = await client.pull();
  for (const change of serverChanges.slice(0, 2)) {
    for (const name of ['actor', 'origin', 'spaceId']) assert.ok(!(name in change), name);
  }
  const {actor, origin, spaceId} = serverChanges[2];
  assert.deepEqual({actor, origin, spaceId}, {actor: {id: 7}, origin: 'o', spaceId: 's'});
});

test('4.3 one bad row never fails a page or a push', async () => {
  const client = await strangersStream([
    {data: {x: 0}}, {data: null}, {data: []}, {data: '"text"'}, {data: '7'}, {data: 'null'},
    {op: 'insert', data: null}, {op: 'insert', data: [1]},
    {op: 'insert', data: '"x"', field_timestamps: '"y"'}, {op: 'delete', data: null},
    {op: 'delete', data: {deletedAt: 'then'}},
    {op: 'delete', data: {deletedAt: at(5)}, field_timestamps: {deletedAt: at(5)}},
    {table_name: 'todos', record_id: '', data: {x: 1}}, {data: {x: 1}, schema_version: 9},
    {data: {x: {value: 1, updatedAt: at()}}, field_timestamps: {y: at()}},
    {op: 'insert', data: {createdAt: 5, updatedAt: []}, field_timestamps: {}}, {data: {x: 99}}
  ]);
  for (let i = 0; i < 2; i += 1) {
    const {serverChanges} = await client.pull();
    const found = Object.fromEntries(serverChanges.map((change) => [change.id, change]));
    assert.equal(found.r0.fields.x.value, 0);
    assert.equal(found.r16.fields.x.value, 99);
    assert.equal(found.r11.deletedAt, at(5));
    for (const change of serverChanges) {
      if (change.op === 'insert')
        assert.ok(change.data && !Array.isArray(change.data), 'data is an object');
      if (change.op === 'update') {
        for (const one of Object.values(change.fields)) {
          assert.deepEqual(Object.keys(one).sort(), ['at', 'updatedAt', 'value']);
        }
      }
      for (const [name, value] of Object.entries(change)) assert.notEqual(value, null, name);
    }
    await client.push(update('r1', {x: [i, at(i)]}));
    await client.push(update('r7', {x: [i, at(i)]}));
    await server.restart();
  }
});

test('4.3 what another program stored is merged with like any other edit', async () => {
  const client = await strangersStream([{
    op: 'insert',
    data: {id: 'r0', title: 'x', note: 'n'},
    field_timestamps: {title: at(10), note: at(10)}
  }]);
  await client.push(update('r0', {title: ['lost', at(9)], note: ['won', at(11)]}));
  const [row] = (await database.changes(client.user)).slice(1);
  assert.deepEqual(row.field_timestamps, {note: at(11)});
});
