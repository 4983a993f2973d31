// PROTOCOL §2.10-2.11: which bodies are refused, and which odd ones are not.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert, update} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {database} = server;

const good = JSON.stringify(insert('good', {createdAt: at()}));
const changeset = (change) => `{"changes":[${good},${change}]}`;

// Every body must be refused with 400; nothing of the good change beside the bad one is stored.
async function allRefused(bodies, place) {
  const client = server.client();
  const wrong = [];
  for (const [what, body] of Object.entries(bodies)) {
    const answer = await client.post(body);
    if (answer.status !== 400 || (place && !answer.json.message.includes(place))) {
      wrong.push(`${what}: ${answer.status} ${answer.text.slice(0, 200)}`);
    }
  }
  assert.deepEqual(wrong, []);
  assert.equal(await database.count(client.user), 0);
}

test('2.10 a body that is not one JSON object is refused', async () => {
  const whole = `{"changes":[${good}]}`;
  await allRefused({
    empty: '',
    spaces: '  \r\n',
    array: `[${whole}]`,
    text: '"x"',
    number: '7',
    null: 'null',
    true: 'true',
    truncated: whole.slice(0, -1),
    'truncated in a string': whole.slice(0, 30),
    'one bracket': '{',
    'two objects': `${whole}${whole}`,
    'a byte behind': `${whole}x`,
    'a comma behind': `${whole},`,
    'NUL behind': `${whole}\0`,
    'BOM before': `\ufeff${whole}`,
    'UTF-16': Buffer.from(whole, 'utf16le'),
    'no quotes': '{changes:[]}',
    'single quotes': '{\'changes\':[]}',
    'trailing comma': '{"changes":[],}',
    'missing comma': '{"changes":[] "x":1}',
    comment: '{"changes":[]/**/}',
    'doubled colon': '{"changes"::[]}',
    'unclosed array': '{"changes":[}',
    'crossed': '{"changes":[}]',
  });
});

test('2.10 bad JSON is refused wherever it stands, in keys nobody reads too', async () => {
  const bad = {
    literal: 'tru',
    'leading zero': '01',
    'leading plus': '+1',
    'bare dot': '.5',
    'open fraction': '1.',
    'open exponent': '1e',
    hexadecimal: '0x1',
    NaN: 'NaN',
    Infinity: 'Infinity',
    'a bad escape': '"\\x41"',
    'a short escape': '"\\u12"',
    'a raw newline': '"a\nb"',
    'a raw NUL': '"a\0b"',
    'crossed brackets': '[1,2}',
    'trailing comma': '[1,]',
    'no value': '',
    'an open string': '"x',
    'two values': '1 2'
  };
  for (const [what, text] of Object.entries(bad)) {
    await allRefused({
      [`${what}, top`]: `{"changes":[${good}],"unknown":${text}}`,
      [`${what}, in a change`]: changeset(`{"table":"t","id":"a","op":"delete","unknown":${text}}`),
      [`${what}, a value`]: changeset(
          `{"table":"t","id":"a","op":"update","fields":{"x":{"value":${text},"at":"${at()}"}}}`),
      [`${what}, in data`]:
          changeset(`{"table":"t","id":"a","op":"insert","data":{"x":[{"y":${text}}]}}`),
    });
  }
});

test('2.10 invalid UTF-8 is refused', async () => {
  for (const [what, bytes] of Object.entries({
         'a lone byte': 'ff',
         overlong: 'c080',
         surrogate: 'eda080',
         'cut off': 'e282',
         'too high': 'f4908080',
         'continuation alone': '80'
       })) {
    const bad = Buffer.from(bytes, 'hex');
    const around = (before, behind) =>
        Buffer.concat([Buffer.from(before), bad, Buffer.from(behind)]);
    await allRefused({
      [`${what}, value`]:
          around(`{"changes":[${good},{"table":"t","id":"a","op":"insert","data":{"x":"`, '"}}]}'),
      [`${what}, key`]: around(`{"changes":[${good}],"`, '":1}'),
      [`${what}, unknown`]: around(`{"changes":[${good}],"unknown":["`, '"]}'),
      [`${what}, id`]: around(`{"changes":[${good},{"table":"t","op":"delete","id":"`, '"}]}'),
    });
  }
});

test('2.10 more than 512 brackets deep is refused, 512 are not', async () => {
  // The body, changes, the change and data are four.
  const nested = (depth) => changeset(`{"table":"t","id":"a","op":"insert","data":{"x":${
                                      '['.repeat(depth - 4)}${']'.repeat(depth - 4)}}}`);
  const unknown = (depth) =>
      `{"changes":[],"x":${'{"a":'.repeat(depth - 1)}1${'}'.repeat(depth - 1)}}`;
  const client = server.client();
  for (const body of [nested(512), unknown(512)]) {
    const answer = await client.post(body);
    assert.equal(answer.status, 200, answer.text);
  }
  await allRefused({
    data: nested(513),
    unknown: unknown(513),
    'far more': nested(200_000),
    'never closed': '['.repeat(100_000),
    'objects never closed': '{"a":'.repeat(100_000)
  });
});

test('2.10 changes neither an array nor null is refused', async () => {
  for (const value of ['{}', '"x"', '7', 'true'])
    await allRefused({[value]: `{"changes":${value}}`}, 'changes');
  for (const value of ['null', '7', '"x"', '[]']) {
    await allRefused({[value]: `{"changes":[${good},${value}]}`}, 'changes[1]');
  }
});

test('2.10 a wrong op is refused, naming the place', async () => {
  for (const op of ['"upsert"', '"INSERT"', '"insert "', '""', 'null', '7', '["insert"]']) {
    await allRefused(
        {[op]: changeset(`{"table":"t","id":"a","op":${op},"fields":{}}`)}, 'changes[1].op');
  }
  await allRefused({missing: changeset('{"table":"t","id":"a"}')}, 'changes[1].op');
  const four = `{"changes":[${good},${good},${good},{"table":"t","id":"a","op":"x"}]}`;
  await allRefused({fourth: four}, 'changes[3].op');
});

test('2.10 table and id must be strings of 1 to 1,024 bytes', async () => {
  for (const name of ['table', 'id']) {
    const change = {table: 't', id: 'a', op: 'delete'};
    const wrong = {
      missing: undefined,
      empty: '',
      null: null,
      number: 7,
      array: ['x'],
      object: {},
      '1,025 bytes': 'x'.repeat(1025),
      '1,026 bytes': 'ü'.repeat(513)
    };
    for (const [what, value] of Object.entries(wrong)) {
      await allRefused(
          {[what]: changeset(JSON.stringify({...change, [name]: value}))}, `changes[1].${name}`);
    }
  }
});

test('2.10 names as long as they may be are stored and found again', async () => {
  // Random letters, so that PostgreSQL cannot compress them into its index.
  const long = (bytes) =>
      Buffer.from(Array.from({length: bytes}, () => 33 + Math.random() * 94)).toString('latin1');
  const client = server.client({user: long(255), app: long(255), id: 'c'.repeat(255)});
  const more = {origin: 'o'.repeat(255), spaceId: 's'.repeat(255), table: long(1024)};
  await client.push(update(long(1024), {title: ['x', at()]}, more));
  await server.restart();
  const {serverChanges} = await client.other().pull({collection: more.table});
  assert.equal(serverChanges.length, 1);
  assert.equal(serverChanges[0].table, more.table);
});

test('2.10 a client id, origin or spaceId over 255 bytes is refused', async () => {
  const long = 'x'.repeat(256);
  const change = insert('a', {createdAt: at()});
  const client = server.client({id: ''});
  await client.refused({clientId: long, changes: [change]});
  await client.refused({clientId: 'ü'.repeat(128), changes: [change]});
  assert.equal((await client.post({changes: [change]}, {'X-Client-Id': long})).status, 400);
  for (const name of ['origin', 'spaceId']) {
    const message = await client.refused({changes: [change, {...change, [name]: long}]});
    assert.ok(message.includes(`changes[1].${name}`), message);
  }
  assert.equal(await database.count(client.user), 0);
});

test('2.10 wrong types are refused, naming the place', async () => {
  const of = (more) => changeset(JSON.stringify({table: 't', id: 'a', op: 'update', ...more}));
  for (const [name, values] of Object.entries({
         actor: ['x', 7, [], true],
         origin: [7, {}, []],
         spaceId: [7, {}],
         fields: ['x', 7, []]
       })) {
    for (const value of values) {
      await allRefused(
          {[`${name} ${JSON.stringify(value)}`]: of({[name]: value})}, `changes[1].${name}`);
    }
  }
  for (const data of ['x', 7, []]) {
    await allRefused({data: of({op: 'insert', data})}, 'changes[1].data');
  }
  const client = server.client({id: ''});
  await client.refused({clientId: 7, changes: []});
  await client.refused({clientId: {}, changes: []});
});

test('2.10 a number beyond the range of a double is refused', async () => {
  const withNumber = (number) =>
      [changeset(`{"table":"t","id":"a","op":"update","fields":{"x":{"value":${number},"at":"${
           at()}"}}}`),
       changeset(`{"table":"t","id":"a","op":"insert","data":{"x":{"y":[${number}]}}}`)];
  for (const number
           of ['1e309', '-1e309', '1e400', '1.8e308', '1e131071', '1e99999999999',
               `1${'0'.repeat(309)}`, `${'9'.repeat(400)}.5`]) {
    const [field, data] = withNumber(number);
    await allRefused(
        {[`${number.slice(0, 20)} in a field`]: field, [`${number.slice(0, 20)} in data`]: data});
  }
});

test('2.10 integers and decimals keep every digit', async () => {
  const numbers = [
    '9007199254740993', '-9007199254740993', '123456789012345678901234567890',
    '18446744073709551616', '-9223372036854775809', '0.1234567890123456789012345678901234567890123',
    '3.14159265358979323846264338327950288', '100000000000000000000000.000000000000000000001',
    '1.10', '0.0000000000000000000001'
  ];
  const client = server.client();
  const fields = numbers.map((number, i) => `"n${i}":{"value":${number},"at":"${at()}"}`);
  const answer = await client.post(
      `{"changes":[{"table":"todos","id":"a","op":"update","fields":{${fields.join(',')}}}]}`);
  assert.equal(answer.status, 200, answer.text);
  for (const source of ['memory', 'the table']) {
    const {text} = await client.other().pull();
    for (const number of numbers)
      assert.ok(text.includes(`"value":${number},`), `${number} from ${source}`);
    await server.restart();
  }
});

test('2.10 the greatest doubles are accepted', async () => {
  const client = server.client();
  const fields = [
    '1.7976931348623157e308', '-1.7976931348623157E+308', '1e308', '5e-324', '1E5', '-0', '0e0'
  ].map((number, i) => `"n${i}":{"value":${number},"at":"${at()}"}`);
  const answer = await client.post(
      `{"changes":[{"table":"todos","id":"a","op":"update","fields":{${fields.join(',')}}}]}`);
  assert.equal(answer.status, 200, answer.text);
  const [change] = (await client.other().pull()).serverChanges;
  assert.equal(change.fields.n0.value, Number.MAX_VALUE);
  assert.equal(change.fields.n4.value, 100_000);
});

test('2.10 of duplicate keys the last wins', async () => {
  const client = server.client();
  const answer =
      await client.post(`{"changes":[],"changes":[{"table":"wrong","id":"x","op":"delete","id":"a",
    "table":"todos","op":"update","fields":{"y":{"value":1,"at":"${at()}"}},
    "fields":{"title":{"value":"wrong","value":"right","at":"yesterday","at":"${at(1)}"},
    "twice":{"value":1,"at":"${at()}"},"twice":{"value":2,"at":"${at(2)}"}}}]}`);
  assert.equal(answer.status, 200, answer.text);
  const [change] = (await client.other().pull()).serverChanges;
  assert.deepEqual([change.id, change.op, change.fields], [
    'a', 'update', {
      title: {value: 'right', updatedAt: at(1), at: at(1)},
      twice: {value: 2, updatedAt: at(2), at: at(2)}
    }
  ]);
  await client.post(`{"changes":[{"table":"todos","id":"b","op":"insert",
    "data":{"x":1,"createdAt":"${at()}","x":2,"deep":{"k":1,"k":2}}}]}`);
  assert.deepEqual(
      (await client.other().pull()).serverChanges[1].data, {x: 2, createdAt: at(), deep: {k: 2}});
});

test('2.10 escaped key names mean the same as plain ones', async () => {
  const client = server.client();
  const answer = await client.post(
      `{"\\u0063hanges":[{"\\u0074able":"todos","i\\u0064":"a","o\\u0070":"up\\u0064ate",
    "\\u0066ields":{"t\\u0069tle":{"\\u0076alue":"x","\\u0061t":"${at()}"}}}]}`);
  assert.equal(answer.status, 200, answer.text);
  const [change] = (await client.other().pull()).serverChanges;
  assert.deepEqual(change.fields, {title: {value: 'x', updatedAt: at(), at: at()}});
  await client.push(update('a', {title: ['x', at()]}));
  assert.equal(await database.count(client.user), 1, 'the same field');
});

test('2.11 \\u0000 and lone surrogates become U+FFFD in any string of a change', async () => {
  const client = server.client({id: ''});
  for (const [escape, expected] of [
           ['\\u0000', '\ufffd'], ['\\ud800', '\ufffd'], ['\\udfff', '\ufffd'],
           ['\\udc00\\ud800', '\ufffd\ufffd'], ['\\ud800\\ud800', '\ufffd\ufffd'],
           ['\\ud800x', '\ufffdx'], ['\\ud800\\u0041', '\ufffdA'], ['\\ud83d\\ude00', '😀'],
           ['\\\\u0000', '\\u0000'], ['\\\\ud800', '\\ud800'], ['\\\\\\u0000', '\\\ufffd']]) {
    const [id, odd] = [fresh('r'), `<${escape}>`];
    const answer = await client.post(`{"clientId":"c","changes":[
      {"table":"todos","id":"${id}${odd}","op":"update","origin":"${odd}","spaceId":"${odd}",
       "actor":{"${odd}":["${odd}"]},"fields":{"${odd}":{"value":{"${odd}":["${odd}"]},"at":"${
        at()}"}}},
      {"table":"todos","id":"${id}","op":"insert","data":{"${odd}":"${odd}","createdAt":"${at()}"}},
      {"table":"${odd}","id":"${id}","op":"delete"}]}`);
    assert.equal(answer.status, 200, answer.text);
    const text = `<${expected}>`;
    const changes = (await client.pull({collections: '*'})).serverChanges;
    const sent = changes.find((change) => change.id === id + text);
    assert.ok(sent, escape);
    assert.deepEqual([sent.origin, sent.spaceId], [text, text]);
    assert.deepEqual(sent.actor, {[text]: [text]});
    assert.deepEqual(sent.fields, {[text]: {value: {[text]: [text]}, updatedAt: at(), at: at()}});
    const inserted = changes.find((change) => change.id === id && change.op === 'insert');
    assert.deepEqual(inserted.data, {[text]: text, createdAt: at()});
    assert.ok(changes.some((change) => change.id === id && change.table === text));
  }
});

test('2.11 a batch with such a string can be repeated', async () => {
  const client = server.client();
  const body = `{"changes":[{"table":"todos","id":"a","op":"update",
    "fields":{"title":{"value":"a\\u0000b","at":"${at()}"}}}]}`;
  for (let i = 0; i < 2; i += 1) assert.equal((await client.post(body)).status, 200);
  assert.equal(await database.count(client.user), 1);
});

test('2.11 they are counted', async () => {
  const metrics = async () =>
      (await server.get('/metrics')).text.split('\n').filter((line) => !line.startsWith('#'));
  const before = new Set(await metrics());
  await server.client().push(update('a', {title: ['a\u0000b', at()]}));
  const changed = (await metrics()).filter((line) => !before.has(line));
  assert.ok(
      changed.some((line) => /replace|surrogate|character|nul/i.test(line)), changed.join('\n'));
});
