// PROTOCOL §7: what a follower by server-sent events is sent. How it is opened and how it ends:
// events_ends.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert, remove, update} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

let count = 0;
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});
const idsOf = (changes) => changes.map(({id}) => id);
const now = async (client) => (await client.pull()).syncedUntil;

// The changes that a fresh stream brings, which must be these and no more.
async function brings(client, options, ids) {
  const stream = await EventStream.open(client, options);
  // With nothing to come, what is pushed now must come first.
  const last = something(options.collections?.split(',')[0]);
  if (ids.length === 0) await client.other().push(last);
  await stream.until(Math.max(ids.length, 1));
  assert.deepEqual(stream.ids, ids.length === 0 ? [last.id] : ids);
  stream.destroy();
}

test('7.1 the head goes out at once, before there is anything to send', async () => {
  const stream = await EventStream.open(server.client());
  assert.equal(stream.status, 200);
  assert.match(stream.headers['content-type'], /^text\/event-stream(; *charset=utf-8)?$/);
  assert.match(stream.headers['cache-control'], /no-(store|cache)/);
  assert.ok(!('content-length' in stream.headers) && 'date' in stream.headers);
  assert.deepEqual(stream.events, []);
  stream.destroy();
});

test('7.1 first what is there, then what is committed, each once and in order', async () => {
  const author = server.client();
  const changes = [...Array(20).keys()].map(() => something());
  for (const change of changes.slice(0, 10)) await author.push(change);
  const stream = await EventStream.open(author.other());
  for (const change of changes.slice(10)) await author.push(change);
  await stream.until(20);
  assert.deepEqual(stream.ids, idsOf(changes));
  stream.destroy();
});

test('7.2 changes are as a pull sends them', async () => {
  const author = server.client();
  await author.push([
    insert('a', {title: 'x', n: 1, createdAt: at()}, {actor: {a: 1}, origin: 'o', spaceId: 's'}),
    insert('untimed', {x: null}), update('a', {title: ['y', at(1)], 'odd name': [null, at(1)]}),
    remove('a', at(2)), remove('b'),
    update('c', {z: [{a: ['\n\r\u2028\u0000"\\\ud83d\ude00']}, at()]})
  ]);
  const {serverChanges, syncedUntil} = await author.other().pull();
  const history = await EventStream.open(author.other());
  await history.until(serverChanges.length);
  assert.deepEqual(history.changes, serverChanges);
  const live = await EventStream.open(author.other(), {since: syncedUntil});
  await author.push(update('c', {z: ['\n\n', at(5)], '\r': [1, at(5)]}));
  await live.until(1);
  assert.deepEqual(live.changes, (await author.other().pull({since: syncedUntil})).serverChanges);
  for (const stream of [history, live]) stream.destroy();
});

test('7.1 since says where to begin, and Last-Event-ID wins over it', async () => {
  const author = server.client();
  const cursors = [];
  const changes = [something(), something(), something()];
  for (const change of changes) {
    await author.push(change);
    cursors.push(await now(author.other()));
  }
  const ids = idsOf(changes);
  const reader = author.other();
  await brings(reader, {}, ids);
  await brings(reader, {since: beginning}, ids);
  await brings(reader, {since: cursors[0]}, ids.slice(1));
  await brings(reader, {since: cursors[1]}, ids.slice(2));
  await brings(reader, {lastEventId: cursors[1]}, ids.slice(2));
  await brings(reader, {since: cursors[0], lastEventId: cursors[1]}, ids.slice(2));
  await brings(reader, {since: cursors[1], lastEventId: cursors[0]}, ids.slice(1));
  await brings(reader, {since: cursors[1], lastEventId: ''}, ids.slice(2));
  await brings(reader, {since: cursors[2]}, []);
});

test('7.1, 2.5 a malformed since is the beginning, a later one than any is now', async () => {
  const author = server.client();
  const change = something();
  await author.push(change);
  const reader = author.other();
  for (const since of ['', 'x', '2024-13-01T00:00:00Z', '%', '0', 'null', '2024']) {
    await brings(reader, {since}, [change.id]);
    await brings(reader, {since, lastEventId: since === '%' ? 'x' : since}, [change.id]);
  }
  await brings(reader, {since: '2024-01-01T00:00:00.123+02:00'}, [change.id]);
  await brings(author.other(), {since: '2999-01-01T00:00:00Z'}, []);
});

test('7.1 own changes are left out by X-Client-Id, and the others\' are not', async () => {
  const author = server.client();
  const other = author.other();
  const changes = [...Array(6).keys()].map(() => something());
  const push = (i) => (i % 2 ? other : author).push(changes[i]);
  for (const i of [0, 1, 2, 3]) await push(i);
  const own = await EventStream.open(author);
  const nameless = await EventStream.open(author.other({id: ''}));
  for (const i of [4, 5]) await push(i);
  await own.until(3);
  await nameless.until(6);
  assert.deepEqual(own.ids, [1, 3, 5].map((i) => changes[i].id));
  assert.deepEqual(nameless.ids, idsOf(changes));
  for (const stream of [own, nameless]) stream.destroy();
});

test('7.1 other users\' and other apps\' changes never come', async () => {
  const author = server.client();
  const stream = await EventStream.open(author.other());
  await server.client({app: author.app}).push(something());
  await author.other({app: 'elsewhere'}).push(something());
  const change = something();
  await author.push(change);
  await stream.until(1);
  assert.deepEqual(stream.ids, [change.id]);
  stream.destroy();
});

// Pushes of several tables each, so that runs of one table end within a push and go on in the next.
async function pushMixed(author, pushes, tables = ['a', 'b', 'c']) {
  for (let i = 0; i < pushes; i += 1) {
    const length = 1 + (i % 4);
    await author.push([...Array(length).keys()].map(
        (j) => something(tables[(i + Math.floor(j / 2)) % tables.length])));
  }
}

test('7.2 an event holds one table, and all events together the stream\'s order', async () => {
  const author = server.client();
  const live = await EventStream.open(author.other());
  await pushMixed(author, 40);
  const {changes} = await author.other().pullAll({collections: '*'});
  const history = await EventStream.open(author.other());
  for (const stream of [live, history]) {
    await stream.until(changes.length);
    assert.deepEqual(stream.changes, changes);
    stream.destroy();
  }
});

test('7.1 any event\'s id resumes with exactly the rest', {timeout: 120_000}, async () => {
  const author = server.client();
  const live = await EventStream.open(author.other());
  await pushMixed(author, 40);
  const {changes} = await author.other().pullAll({collections: '*'});
  await live.until(changes.length);
  const history = await EventStream.open(author.other());
  await history.until(changes.length);
  for (const stream of [live, history]) {
    let seen = 0;
    for (const event of stream.events.slice(0, -1)) {
      seen += event.changes.length;
      await brings(author.other(), {lastEventId: event.id}, idsOf(changes.slice(seen)));
    }
    stream.destroy();
  }
  await brings(author.other(), {lastEventId: live.lastId}, []);
});

test('7.1 collections chooses tables, of history and of what comes', async () => {
  const author = server.client();
  const [one, two, all, star] = await Promise.all([
    {collections: 'a'}, {collections: 'a,c,nothing'}, {}, {collections: '*'}
  ].map((options) => EventStream.open(author.other(), options)));
  await pushMixed(author, 20);
  const {changes} = await author.other().pullAll({collections: '*'});
  const ofTables = (...tables) => changes.filter(({table}) => tables.includes(table));
  for (const [stream, expected] of [
           [one, ofTables('a')], [two, ofTables('a', 'c')], [all, changes], [star, changes]]) {
    await stream.until(expected.length);
    assert.deepEqual(stream.changes, expected);
    stream.destroy();
  }
  await brings(author.other(), {collections: 'a'}, idsOf(ofTables('a')));
  await brings(author.other(), {collections: 'c,b'}, idsOf(ofTables('b', 'c')));
  const third = one.events[2];
  const rest = one.events.slice(3).flatMap((event) => idsOf(event.changes));
  await brings(author.other(), {collections: 'a', lastEventId: third.id}, rest);
});

test('5.6 a correction that was stored as a change comes to its author too', async () => {
  const author = server.client();
  const loser = author.other();
  const fields = (time, value) =>
      Object.fromEntries([...Array(5).keys()].map((i) => [`f${i}`, [value.repeat(1 << 20), time]]));
  await author.push(update('x', fields(at(1000), 'w')));
  const since = await now(loser);
  const stream = await EventStream.open(loser, {since});
  await loser.push(update('x', fields(at(0), 'l')), {since});
  const values = new Map();
  await until('the winners come', () => {
    for (const {fields: edits} of stream.changes) {
      for (const [name, {value}] of Object.entries(edits)) values.set(name, value[0]);
    }
    return values.size > 0;
  });
  assert.ok([...values.values()].every((value) => value === 'w'));
  stream.destroy();
});

test('6.2, 7.1 what stored nothing brings nothing', async () => {
  const author = server.client();
  const change = update('x', {a: [1, at(1000)]});
  await author.push(change);
  const stream = await EventStream.open(author.other({id: ''}));
  await author.push(change);
  await author.other().push(update('x', {a: [2, at(0)]}));
  const last = something();
  await author.push(last);
  await stream.until(2);
  assert.deepEqual(stream.ids, ['x', last.id]);
  stream.destroy();
});

async function withHistory(size) {
  const author = server.client();
  const ids = [];
  for (let i = 0; i < size; i += 2000) {
    const changes = [...Array(2000).keys()].map((j) => something(j % 100 < 90 ? 'todos' : 'notes'));
    await author.push(changes);
    ids.push(...idsOf(changes));
  }
  return {author, ids};
}

test(
    '7.2 a large history comes whole, hasMore with all but its end', {timeout: 120_000},
    async () => {
      const {author, ids} = await withHistory(20_000);
      const stream = await EventStream.open(author.other());
      await stream.until(ids.length, {seconds: 60});
      assert.deepEqual(stream.ids, ids);
      const more = stream.events.map(({hasMore}) => hasMore);
      assert.deepEqual(more, more.map((_, i) => i < more.length - 1));
      const [middle] = stream.events.slice(stream.events.length / 2);
      const rest = ids.slice(ids.indexOf(middle.changes.at(-1).id) + 1);
      await brings(author.other(), {lastEventId: middle.id}, rest);
      stream.destroy();
    });

test('7.1 what is committed while history is read comes once', {timeout: 120_000}, async () => {
  const {author, ids} = await withHistory(20_000);
  const writers = [...Array(8).keys()].map(() => author.other());
  let stop = false;
  const writing = Promise.all(writers.map(async (writer) => {
    for (let i = 0; i < 1000 && !stop; i += 1) await writer.push(something());
  }));
  const reader = author.other({id: ''});
  const streams = [];
  for (let i = 0; i < 4; i += 1) {
    const stream = await EventStream.open(reader, i % 2 ? {collections: 'todos'} : {});
    streams.push(stream);
    await until('some of it has come', () => stream.changes.length > 1000, {everyMs: 1});
  }
  stop = true;
  await writing;
  const rows = await server.database.changes(author.user);
  assert.ok(rows.length > ids.length, 'something was committed meanwhile');
  for (const [i, stream] of streams.entries()) {
    const expected = rows.filter((row) => i % 2 === 0 || row.table_name === 'todos');
    await stream.until(expected.length, {seconds: 60});
    assert.deepEqual(stream.ids, expected.map((row) => row.record_id));
    stream.destroy();
  }
});

test('8.1 a follower is a connection, and its user is counted once', async () => {
  const other = await Server.start();
  const come = (connections, users) => until(`${connections} and ${users}`, async () => {
    const health = JSON.parse((await other.get('/health')).text);
    return health.connections === connections + 1 && health.users === users;
  });
  const client = other.client();
  const streams = await Promise.all([...Array(3).keys()].map(() => EventStream.open(client)));
  await come(3, 1);
  const socket = await Socket.of(client);
  await come(4, 1);
  for (const each of [...streams, socket]) each.destroy();
  await come(0, 0);
  await other.stop();
});
