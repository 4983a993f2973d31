// PROTOCOL 9.5: bounds over all clients together, set low here. Each is met, is counted, and leaves
// the others served.
import assert from 'node:assert/strict';

import {at, insert} from './support/client.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {test, until} from './support/wait.mjs';

test('answers that very many do not take: those that kept them longest are closed', async () => {
  const outputMax = 16 * mebibyte;
  const server = await Server.start({env: {MANA_SYNC_MAX_OUTPUT_BYTES: String(outputMax)}});
  const author = server.client();
  for (let i = 0; i < 3; i += 1) {
    await author.push(insert(`r${i}`, {text: 'x'.repeat(mebibyte), createdAt: at()}));
  }
  const pull = `GET ${author.path}/pull?collection=todos&since=x HTTP/1.1\r\nHost: a\r\n` +
      `Authorization: Bearer ${author.token}\r\n\r\n`;
  const before = residentBytes(server);
  let most = 0;
  const slow = [];
  // The kernel takes a part of each connection's answers, and the server keeps about 4 MiB.
  for (let i = 0; i < 25; i += 1) {
    const raw = await RawSocket.connect(server.port);
    raw.socket.pause();
    slow.push(raw.send(pull.repeat(6)));
    const other = server.client();
    await other.push(insert('r', {createdAt: at()}));
    assert.equal((await other.other().pull()).serverChanges.length, 1);
    most = Math.max(most, residentBytes(server) - before);
  }
  const metrics = await until('some are closed', async () => {
    const now = await server.metrics();
    return now.mana_sync_slow_readers_closed_total > 0 && now;
  });
  assert.ok(metrics.mana_sync_output_bytes <= outputMax);
  // All of it would be about 100 MiB.
  if (!underAddressSanitizer) assert.ok(most < 70 * mebibyte, `${Math.round(most / mebibyte)} MiB`);
  for (const raw of slow) raw.destroy();
  await until(
      'nothing is left of it', async () => (await server.metrics()).mana_sync_output_bytes === 0);
  await server.stop();
});

test(
    'bodies of very many at once: those that would be too much are refused at their head',
    async () => {
      const bodyMax = mebibyte;
      const server = await Server.start({
        env: {
          MANA_SYNC_MAX_BODY_BYTES: String(bodyMax),
          MANA_SYNC_MAX_BODIES_BYTES: String(4 * bodyMax)
        }
      });
      const client = server.client();
      const head = (length) => `POST ${client.path} HTTP/1.1\r\nHost: a\r\n` +
          `Authorization: Bearer ${client.token}\r\nContent-Length: ${length}\r\n\r\n`;
      const body = JSON.stringify({changes: [insert('r', {text: 'x'.repeat(bodyMax / 2)})]});
      const metricIs = (name, value) =>
          until(`${name} is ${value}`, async () => (await server.metrics())[name] === value);
      // What is promised takes no room, and what came does: all but the last byte, of seven bodies.
      const promised = await Promise.all([...Array(20)].map(() => RawSocket.connect(server.port)));
      for (const raw of promised) raw.send(head(bodyMax));
      const held = await Promise.all([...Array(7)].map(() => RawSocket.connect(server.port)));
      for (const raw of held) raw.send(head(body.length)).send(body.slice(0, -1));
      await metricIs('mana_sync_bodies_bytes', 7 * (body.length - 1));
      await metricIs('mana_sync_requests_in_flight', 28);  // the scrape's own among them

      const refused = await RawSocket.connect(server.port);
      const answer = await refused.send(head(bodyMax)).response();
      assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1'], answer.body);
      refused.destroy();
      await metricIs('mana_sync_bodies_refused_total', 1);
      await server.client().push(insert('small', {createdAt: at()}));
      for (const raw of held) assert.equal((await raw.send('}').response()).status, 200);
      await metricIs('mana_sync_bodies_bytes', 0);
      for (const raw of [...promised, ...held]) raw.destroy();
      await metricIs('mana_sync_requests_in_flight', 1);
      await server.stop();
    });

test('bodies without a token take no room from those with one', async () => {
  const server = await Server.start(
      {env: {MANA_SYNC_MAX_BODY_BYTES: '1048576', MANA_SYNC_MAX_BODIES_BYTES: '1048576'}});
  const end = `HTTP/1.1\r\nHost: a\r\nContent-Length: ${mebibyte}\r\n\r\n`;
  const strangers = [];
  for (const path of ['/health', '/metrics', '/ws', '/sync/app/pull', '/sync/app/stream']) {
    const raw = await RawSocket.connect(server.port);
    strangers.push(raw.send(`GET ${path} ${end}`).send(Buffer.alloc(mebibyte - 1)));
  }
  const all = strangers.length * mebibyte;
  await until(
      'all is received',
      async () => { return (await server.metrics()).mana_sync_received_bytes_total > all; });
  assert.equal((await server.metrics()).mana_sync_bodies_bytes, 0);
  await server.client().push(insert('r', {text: 'x'.repeat(mebibyte / 2), createdAt: at()}));
  const statuses = [];
  for (const raw of strangers) statuses.push((await raw.send('x').response()).status);
  assert.deepEqual(statuses, [200, 200, 426, 401, 401]);
  for (const raw of strangers) raw.destroy();
  await server.stop();
});

test(
    'connections of one address: those beyond its share are refused, and others are not',
    async () => {
      const server = await Server.start({
        env: {MANA_SYNC_MAX_CONNECTIONS_PER_ADDRESS: '3', MANA_SYNC_LISTEN_ADDRESS: ''},
        ready: false
      });
      const get = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
      const ask = async (host) => {
        const raw = await RawSocket.connect(server.port, host);
        raw.status = (await raw.send(get).response()).status;
        return raw;
      };
      const isServed = (status) => status !== undefined && status !== 503;
      await until('it serves', async () => {
        const raw = await ask('::1');
        raw.destroy();
        return isServed(raw.status);
      });
      // A WebSocket is a connection as any other.
      const first = await Socket.open(server);
      const two = [await ask('127.0.0.1'), await ask('127.0.0.1')];
      assert.ok(two.every(({status}) => isServed(status)));
      const refused = await RawSocket.connect(server.port);
      const answer = await refused.send(get).response();
      assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '1']);
      assert.match(answer.body, /this address/);
      refused.destroy();
      assert.ok(isServed((await ask('::1')).status), 'another address');
      first.destroy();
      await until('what is closed is free again', async () => {
        const raw = await ask('127.0.0.1');
        raw.destroy();
        return isServed(raw.status);
      });
      const metrics = await RawSocket.connect(server.port, '::1');
      const {body} = await metrics.send(get.replace('health', 'metrics')).response();
      assert.match(body, /connections_refused_total{bound="address"} [1-9]/);
      assert.match(body, /connections_refused_total{bound="all"} 0/);
      await server.stop();
    });

test('connections of all: those beyond the maximum are refused', async () => {
  const server = await Server.start({env: {MANA_SYNC_MAX_CONNECTIONS: '2'}});
  const two = [await RawSocket.connect(server.port), await RawSocket.connect(server.port)];
  const refused = await server.get('/metrics');
  assert.equal(refused.status, 503);
  two.forEach((raw) => raw.destroy());
  await until('there is room again', async () => (await server.get('/metrics')).status === 200);
  assert.ok((await server.metrics())['mana_sync_connections_refused_total{bound="all"}'] >= 1);
  await server.stop();
});

test(
    'requests of one user beyond its rate: 429, of pushes and pulls; other users go on',
    async () => {
      const server = await Server.start({env: {MANA_SYNC_MAX_REQUESTS_PER_SECOND_PER_USER: '1'}});
      const client = server.client();
      const statuses = {};
      const count = ({status}) => { statuses[status] = (statuses[status] ?? 0) + 1; };
      let last;
      for (let i = 0; i < 20; i += 1) {
        count(await client.query({collection: 'todos', since: 'x'}));
        count(last = await client.post({changes: [insert(`r${i}`, {createdAt: at()})]}));
      }
      assert.deepEqual(Object.keys(statuses), ['200', '429']);
      assert.ok(statuses[200] >= 10, 'ten seconds\' worth may come at once');
      assert.deepEqual(
          [last.status, last.json.error, last.headers['retry-after']],
          [429, 'too_many_requests', '1']);
      assert.notEqual(last.headers.connection, 'close', 'a client need not connect again');
      assert.ok(await server.database.count(client.user) < 20, 'what is refused is not stored');
      assert.equal((await server.client().pull()).serverChanges.length, 0);
      const metrics = await server.metrics();
      assert.equal(metrics.mana_sync_requests_over_rate_total, statuses[429]);
      assert.equal(metrics.mana_sync_request_rate_users, 3, 'the client of ready() is one');
      await until(
          'it may ask again',
          async () => (await client.query({collection: 'todos', since: 'x'})).status === 200);
      await server.stop();
    });

test('bodies of a hundred clients at once leave the memory as small as their bound', async () => {
  const bodiesMax = 16 * mebibyte;
  const server = await Server.start({
    env: {MANA_SYNC_MAX_BODY_BYTES: String(mebibyte), MANA_SYNC_MAX_BODIES_BYTES: String(bodiesMax)}
  });
  const before = residentBytes(server);
  const senders = await Promise.all([...Array(100)].map(() => RawSocket.connect(server.port)));
  for (const raw of senders) {
    raw.send(
        `POST /sync/app HTTP/1.1\r\nHost: a\r\nContent-Length: ${mebibyte}\r\n` +
        `Authorization: Bearer ${server.token('a')}\r\n\r\n`);
    raw.send(Buffer.alloc(mebibyte - 1, ' '));
  }
  const metrics = await until('all have sent it, or were refused', async () => {
    const now = await server.metrics();
    const held = now.mana_sync_bodies_bytes / (mebibyte - 1);
    return held + now.mana_sync_bodies_refused_total === 100 && now;
  });
  assert.ok(metrics.mana_sync_bodies_bytes <= bodiesMax);
  const grown = residentBytes(server) - before;
  if (!underAddressSanitizer)
    assert.ok(grown < 3 * bodiesMax, `${Math.round(grown / mebibyte)} MiB`);
  for (const raw of senders) raw.destroy();
  await server.stop();
});
