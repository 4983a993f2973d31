// PROTOCOL 9.5: what waits in front of PostgreSQL, or for the issuer's keys, is bounded. What is
// beyond is refused at once, and what waits is served when they come back.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {JwksEndpoint} from './support/jwks_endpoint.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {Cluster, freshDatabase} from './support/postgres.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Key} from './support/tokens.mjs';
import {test, until} from './support/wait.mjs';

const cluster = new Cluster();
const server = await Server.start({database: await freshDatabase(cluster.url)});
after(() => server.stop());

const connect = (count, {port} = server) =>
    Promise.all([...Array(count).keys()].map(() => RawSocket.connect(port)));

const bodyOf = (change) => Buffer.from(JSON.stringify({changes: [change]}));

// A push as it is sent.
const pushOf = (client, body) => Buffer.concat([
  Buffer.from(
      `POST ${client.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${client.token}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`),
  body
]);

const isAnswered = (raw) => raw.received.length > 0;

// Each sends its request; so many are refused, at once. Returns those that wait.
async function sendAll(sockets, requests, refusals) {
  sockets.forEach((raw, i) => raw.send(requests[i]));
  await until(
      `${refusals} are refused`, () => sockets.filter(isAnswered).length === refusals,
      {everyMs: 5});
  for (const raw of sockets.filter(isAnswered)) {
    const {status, headers, body} = await raw.response();
    assert.deepEqual([status, headers['retry-after']], [503, '1'], body);
    raw.isRefused = true;
  }
  return sockets.filter((raw) => !raw.isRefused);
}

async function assertServed(sockets) {
  const answers = await Promise.all(sockets.map((raw) => raw.response()));
  for (const {status, body} of answers) assert.equal(status, 200, body);
}

const metricIs = (name, value, of = server) =>
    until(`${name} is ${value}`, async () => (await of .metrics())[name] === value);

const streamPushesMax = 1024;

test('pushes of one stream: beyond 1,024 that wait they are refused, others are not', async () => {
  const [client, other] = [server.client(), server.client()];
  for (const one of [client, other]) await one.push(insert('first', {createdAt: at()}));
  const [first, last, ...sockets] = await connect(2 + streamPushesMax + 50);
  const pushes = sockets.map((_, i) => pushOf(client, bodyOf(insert(`r${i}`, {createdAt: at()}))));
  cluster.freeze();
  first.send(pushOf(client, bodyOf(insert('in flight', {createdAt: at()}))));
  await metricIs('mana_sync_write_queue_units', 1);
  const waiting = await sendAll(sockets, pushes, 50);
  last.send(pushOf(other, bodyOf(insert('of another', {createdAt: at()}))));
  await metricIs('mana_sync_waiting_pushes', 1 + streamPushesMax + 1);
  cluster.thaw();
  await assertServed([first, last, ...waiting]);
  assert.equal(await server.database.count(client.user), 1 + 1 + streamPushesMax);
  await metricIs('mana_sync_pushes_refused_total{bound="stream"}', 50);
  await metricIs('mana_sync_waiting_pushes', 0);
  for (const raw of [first, last, ...sockets]) raw.destroy();
});

const waitingBytesMax = 256 * mebibyte;

test('large pushes of many: beyond 256 MiB that wait they are refused', async () => {
  const body = bodyOf(insert('r', {text: 'x'.repeat(9 * mebibyte), createdAt: at()}));
  // As sent, and as it is to be stored.
  const fitting = Math.floor(waitingBytesMax / (2 * (body.length + 1000)));
  const sockets = await connect(fitting + 4);
  const clients = sockets.map(() => server.client());
  const pushes = clients.map((client) => pushOf(client, body));
  const before = residentBytes(server);
  cluster.freeze();
  const waiting = await sendAll(sockets, pushes, 4);
  assert.equal((await server.metrics())['mana_sync_pushes_refused_total{bound="bytes"}'], 4);
  const grown = residentBytes(server) - before;
  cluster.thaw();
  await assertServed(waiting);
  if (!underAddressSanitizer)
    assert.ok(grown < waitingBytesMax + 64 * mebibyte, `${Math.round(grown / mebibyte)} MiB`);
  await metricIs('mana_sync_waiting_pushes', 0);
  const stored = await Promise.all(clients.map(({user}) => server.database.count(user)));
  assert.deepEqual(stored, sockets.map((raw) => (raw.isRefused ? 0 : 1)));
  for (const raw of sockets) raw.destroy();
});

const keyWaitersMax = 1024;

test('requests that wait for a key: beyond 1,024 they are refused', async () => {
  const [old, young] = [new Key('old'), new Key('young')];
  const endpoint = await JwksEndpoint.start(old);
  const issued = await Server.start({env: {JWKS_URL: endpoint.url}});
  const ask = (token) => `GET /sync/app/pull?collection=todos&since=${beginning} HTTP/1.1\r\n` +
      `Host: a\r\nAuthorization: Bearer ${token}\r\n\r\n`;
  const sockets = await connect(keyWaitersMax + 50, issued);
  await until('the keys are there', async () => {
    const [raw] = await connect(1, issued);
    const {status} = await raw.send(ask(old.token({sub: 'a'}))).response();
    raw.destroy();
    return status === 200;
  });
  endpoint.hold();
  const request = ask(young.token({sub: 'a'}));
  const waiting = await sendAll(sockets, sockets.map(() => request), 50);
  await metricIs('mana_sync_tokens_waiting', keyWaitersMax, issued);
  await metricIs('mana_sync_key_waits_refused_total{bound="all"}', 50, issued);
  endpoint.serve(old, young);
  await assertServed(waiting);
  await metricIs('mana_sync_tokens_waiting', 0, issued);
  for (const raw of sockets) raw.destroy();
  // Keys that are guessed right after are not looked for.
  const guess = {authorization: `Bearer ${new Key('guess').token({sub: 'a'})}`};
  assert.equal((await issued.get(`${server.client().path}/pull`, guess)).status, 401);
  await metricIs('mana_sync_key_waits_refused_total{bound="time"}', 1, issued);
  await issued.stop();
});
