// PROTOCOL §7, §9: how a stream of events is opened, what it is in HTTP, and how it ends.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {EventParser, EventStream} from './support/events.mjs';
import {Cluster, freshDatabase} from './support/postgres.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const origin = 'http://app.example';
const server = await Server.start({env: {CORS_ORIGINS: origin}});
after(() => server.stop());

let count = 0;
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});
const idsOf = (changes) => changes.map(({id}) => id);
const head = (client, version, ...lines) => [`GET ${client.path}/stream HTTP/${version}`, 'Host: a',
                                             `Authorization: Bearer ${client.token}`, ...lines, '',
                                             ''].join('\r\n');

// What a raw socket has been sent, without its head; the socket goes on.
async function bodyOf(raw, pattern) {
  const text = await until('the head comes', () => {
    const whole = raw.received.toString();
    return whole.includes('\r\n\r\n') && whole;
  });
  const [first, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  assert.match(first, pattern);
  const headers = Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  return {headers, text: () => raw.received.toString().slice(text.indexOf('\r\n\r\n') + 4)};
}

test('1.1 without a token, or with a bad one: 401', async () => {
  const client = server.client();
  for (const [what, headers] of [
           ['none', {Authorization: undefined}], ['empty', {Authorization: ''}],
           ['a bad one', {Authorization: 'Bearer x'}],
           ['an expired one', {Authorization: `Bearer ${server.token('a', {exp: 1})}`}]]) {
    const answer = await server.get(
        `${client.path}/stream`,
        Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined)));
    assert.equal(answer.status, 401, what);
    assert.match(answer.headers['www-authenticate'], /^Bearer/);
    assert.equal(typeof JSON.parse(answer.text).message, 'string');
  }
});

test(
    '9.1 the path takes GET and HEAD: 405 with Allow for others; the paths beside it: 404',
    async () => {
      const client = server.client();
      for (const method of ['POST', 'PUT', 'DELETE']) {
        const path = `${client.path}/stream`;
        const {status, headers} = await server.request({method, path, headers: client.headers()});
        assert.equal(status, 405);
        assert.ok(headers.allow.split(/, */).includes('GET'), headers.allow);
      }
      for (const path of ['/stream/', '/streams', '/stream/x']) {
        assert.equal((await server.get(client.path + path, client.headers())).status, 404);
      }
    });

test('9.1 an appId that is none: 400', async () => {
  const client = server.client();
  for (const app of ['', '%00', '%FF', '%', 'a'.repeat(256)]) {
    const {status} = await server.get(`/sync/${app}/stream`, client.headers());
    assert.equal(status, 400, app.slice(0, 30));
  }
});

test('9.1 HEAD gets the head alone, and the connection goes on', async () => {
  const client = server.client();
  await client.push(something());
  const raw = await RawSocket.connect(server.port);
  raw.send(head(client, '1.1').replace('GET', 'HEAD'));
  const {status, headers} = await raw.response({head: true});
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/event-stream/);
  raw.send('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
  const answer = await raw.response();
  assert.equal(answer.status, 200, 'nothing of a body came before');
  assert.ok(JSON.parse(answer.body).connections >= 1);
  raw.destroy();
});

test('9.1 in HTTP/1.1 the body is chunked', async () => {
  const author = server.client();
  const raw = await RawSocket.connect(server.port);
  raw.send(head(author, '1.1'));
  const {headers, text} = await bodyOf(raw, /^HTTP\/1\.1 200 /);
  assert.equal(headers['transfer-encoding'], 'chunked');
  assert.ok(!('content-length' in headers));
  await author.push(something());
  await until('an event comes', () => text().endsWith('\n\n\r\n'));
  assert.match(text(), /^[0-9a-f]+\r\nid: /i);
  raw.destroy();
});

test('9.1 in HTTP/1.0 the body is bare and ends with the connection', async () => {
  const author = server.client();
  const changes = [something(), something()];
  await author.push(changes[0]);
  const raw = await RawSocket.connect(server.port);
  raw.send(head(author, '1.0', 'Connection: keep-alive'));
  const {headers, text} = await bodyOf(raw, /^HTTP\/1\.[01] 200 /);
  assert.ok(!('transfer-encoding' in headers) && !('content-length' in headers));
  assert.notEqual(headers.connection, 'keep-alive');
  await author.push(changes[1]);
  const events = await until('both come', () => {
    const parser = new EventParser();
    parser.take(text());
    return parser.changes.length >= 2 && parser;
  });
  assert.deepEqual(idsOf(events.changes), idsOf(changes));
  raw.destroy();
});

test('9.4 an allowed origin gets CORS headers with every answer, others get none', async () => {
  const client = server.client();
  for (const headers of [{}, {Authorization: 'x'}]) {
    for (const [from, isAllowed] of [[origin, true], ['http://other.example', false]]) {
      const stream = await EventStream.open(client, {headers: {Origin: from, ...headers}});
      assert.equal(stream.status, 'Authorization' in headers ? 401 : 200);
      const allowed = stream.headers['access-control-allow-origin'];
      assert.equal(allowed, isAllowed ? origin : undefined);
      assert.equal(
          stream.headers['access-control-allow-credentials'], isAllowed ? 'true' : undefined);
      if (isAllowed) assert.match(stream.headers.vary, /\bOrigin\b/);
      stream.destroy();
    }
  }
});

test('9.4 a preflight is answered without a token', async () => {
  const {status, headers} = await server.request({
    method: 'OPTIONS',
    path: '/sync/app/stream',
    headers: {
      'Origin': origin,
      'Access-Control-Request-Method': 'GET',
      'Access-Control-Request-Headers': 'authorization, x-client-id'
    }
  });
  assert.equal(status, 204);
  assert.equal(headers['access-control-allow-origin'], origin);
  assert.match(headers['access-control-allow-headers'], /Authorization/i);
});

test('7.1 what is asked for wrongly is refused, not followed', async () => {
  const client = server.client();
  const long = 'x'.repeat(256);
  const refused = [{headers: {'X-Client-Id': long}}, {collections: ','}, {collections: '\u0000'}];
  for (const options of refused) {
    const stream = await EventStream.open(client, options);
    assert.equal(stream.status, 400, JSON.stringify(options).slice(0, 100));
    stream.destroy();
  }
});

test('7.1 a follower that is gone leaves nothing behind', async () => {
  const author = server.client();
  await author.push([...Array(500).keys()].map(() => something()));
  const users = async () => JSON.parse((await server.get('/health')).text).users;
  await until('nobody else is left', async () => await users() === 0);
  for (let round = 0; round < 10; round += 1) {
    const raws = await Promise.all([...Array(50).keys()].map(() => RawSocket.connect(server.port)));
    for (const [i, raw] of raws.entries()) {
      raw.send(head(author, '1.1'));
      if (i % 2) raw.socket.end();
      if (i % 3 === 0) await author.push(something());
      if (i % 2 === 0) raw.destroy();
    }
    for (const raw of raws) raw.destroy();
  }
  await until('all are gone', async () => await users() === 0);
});

test('6.7, 7.1 at shutdown the responses end as they should', async () => {
  const other = await Server.start();
  const author = other.client();
  for (let i = 0; i < 10; i += 1) {
    await author.push([...Array(1000).keys()].map(() => something()));
  }
  const idle = await EventStream.open(other.client());
  const live = await EventStream.open(author.other());
  await live.until(10_000);
  const reading = await EventStream.open(author.other());
  const stopped = other.stop();
  for (const stream of [idle, live, reading]) await stream.end();
  await stopped;
  assert.equal(new Set(reading.ids).size, reading.ids.length);
  await other.startAgain();
  const rest = await EventStream.open(
      author.other(), reading.lastId === undefined ? {} : {lastEventId: reading.lastId});
  const left = 10_000 - reading.ids.length;
  if (left > 0) await rest.until(left);
  assert.equal(new Set([...reading.ids, ...rest.ids]).size, 10_000);
  rest.destroy();
  await other.stop();
});

const cluster = new Cluster();
after(() => cluster.remove());

// Kills PostgreSQL, waits until the server knows, does `body`, and has it back.
async function withoutPostgres(other, body) {
  cluster.kill();
  try {
    await until('/health says 503', async () => (await other.get('/health')).status === 503);
    return await body();
  } finally {
    cluster.start();
    await other.ready();
  }
}

test('9.5 before PostgreSQL was ever reached: 503 with Retry-After', async () => {
  const database = await freshDatabase(cluster.url);
  cluster.kill();
  const other = await Server.start({database, ready: false});
  const client = other.client();
  const stream = await EventStream.open(client);
  assert.equal(stream.status, 503);
  assert.ok(Number(stream.headers['retry-after']) > 0);
  cluster.start();
  await other.ready();
  const change = something();
  await client.other().push(change);
  const again = await EventStream.open(client);
  await again.until(1);
  again.destroy();
  await other.stop();
});

test(
    '10.1 without PostgreSQL a stream waits, or is refused with 503; nothing is lost',
    {timeout: 180_000}, async () => {
      const other = await Server.start({database: await freshDatabase(cluster.url)});
      const author = other.client();
      const changes = [...Array(300).keys()].map(() => something());
      for (const change of changes.slice(0, 100)) await author.push(change);
      // It forgets the stream, so that history must be read.
      await other.restart();
      const open = () => EventStream.open(author.other());
      const opened = await withoutPostgres(other, async () => {
        const streams = [await open(), await open()];
        for (const {status} of streams) assert.ok([200, 503].includes(status), `${status}`);
        return streams;
      });
      const streams =
          await Promise.all(opened.map((stream) => (stream.status === 200 ? stream : open())));
      for (const change of changes.slice(100, 200)) await author.push(change);
      for (const stream of streams) await stream.until(200, {seconds: 60});
      // And those who have been there before.
      await withoutPostgres(
          other,
          async () => { assert.equal((await author.post({changes: [something()]})).status, 503); });
      for (const change of changes.slice(200)) await author.push(change);
      for (const stream of streams) {
        await stream.until(300, {seconds: 60});
        assert.deepEqual(stream.ids, idsOf(changes));
        stream.destroy();
      }
      await other.stop();
    });
