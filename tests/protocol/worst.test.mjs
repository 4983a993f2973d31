// PROTOCOL 9.5, docs/OPERATIONS.md "Bounds": the worst that strangers can send, all at once. The
// server's memory stays within the sum of its bounds, it goes on answering, and nothing of it is
// left when they are gone.
import assert from 'node:assert/strict';
import http from 'node:http';

import {at, insert, request, update} from './support/client.mjs';
import {frame, handshake, opcodes} from './support/frames.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Key} from './support/tokens.mjs';
import {fresh, test, until} from './support/wait.mjs';

const bounds = {
  MANA_SYNC_MAX_CONNECTIONS: 380,
  MANA_SYNC_MAX_BODY_BYTES: mebibyte,
  MANA_SYNC_MAX_BODIES_BYTES: 16 * mebibyte,
  MANA_SYNC_MAX_OUTPUT_BYTES: 16 * mebibyte,
  MANA_SYNC_CACHE_BYTES: 8 * mebibyte
};
// What the two bounds of bytes, the cache and idle connections come to, and a quarter of the GiB
// that docs/OPERATIONS.md has beside: the attackers are few.
const residentBytesMax = 40 * mebibyte + 380 * 8192 + 256 * mebibyte;

const range = (count) => [...Array(count).keys()];

// --- Pushes of nearly a MiB that are as much work, or grow as much, as any can ---

const edit = (value) => ({value, updatedAt: at()});
const pushOf = (...changes) => JSON.stringify({changes});
// JSON that stands for `json` in a change, as it is.
const pushOfRaw = (json, ids = ['r']) =>
    pushOf(...ids.map((id) => update(id, {a: edit('RAW')}))).replaceAll('"RAW"', json);
const deep = (brackets) => '['.repeat(brackets) + ']'.repeat(brackets);
const numbers = (count) => `[${range(count).map(() => '1e300').join()}]`;

const fields = Object.fromEntries(range(60_000).map((i) => [`f${i}`, i]));

const heavyPushes = [
  pushOf(insert('r', fields)), pushOf(...range(9_000).map((i) => update(`r${i}`, {a: edit(i)}))),
  pushOf(...range(800).map((i) => update('r', {a: edit(i)}, {table: `${i}${'t'.repeat(1000)}`}))),
  // Names that would be longer than all else, were each cell asked for by its own.
  pushOf(insert('r'.repeat(1000), fields, {table: 't'.repeat(1000)})),
  // As deep as may be, and deeper.
  pushOfRaw(deep(500), range(900).map((i) => `r${i}`)), '['.repeat(mebibyte - 1),
  // Numbers of six characters that PostgreSQL writes out in 301, up to their bound and beyond it.
  pushOfRaw(numbers(25_000)), pushOfRaw(numbers(150_000)),
  pushOf(update('r', {a: edit('\0'.repeat(150_000))}))
].map((text) => Buffer.from(text));

// --- Attackers ---

const headerLines = `x: ${'x'.repeat(160)}\r\n`.repeat(90);
const unfinishedMessage = Buffer.concat(
    [handshake('/ws'), frame(opcodes.text, 'x'.repeat(60_000), {fin: false}), Buffer.from([0x80])]);

class Attack {
  constructor(server, author) {
    // `author`: whose changes are pulled and followed, and not taken.
    Object.assign(this, {server, author, sockets: new Set(), statuses: {}, isOver: false});
  }

  head(method, path, {token = this.author.token, length} = {}) {
    const more = length === undefined ? '' : `Content-Length: ${length}\r\n`;
    return `${method} ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n${more}\r\n`;
  }

  // `count` connections, each of which does what `act` says and then comes again, until it is over.
  keep(count, act) {
    return range(count).map(async (i) => {
      while (!this.isOver) {
        const raw = await RawSocket.connect(this.server.port);
        this.sockets.add(raw);
        // Whatever the server does to one: it comes again.
        await act(raw, i).catch(() => {});
        raw.destroy();
        this.sockets.delete(raw);
      }
    });
  }

  // They send `bytes`, and wait; `reads: false`: they take no answer either.
  stall(count, bytes, {reads = true} = {}) {
    return this.keep(count, async (raw) => {
      if (!reads) raw.socket.pause();
      raw.send(bytes);
      await until(
          'the connection ends', () => this.isOver || raw.ended || raw.closed, {everyMs: 100});
    });
  }

  // They send request upon request, and read the answers.
  ask(count, piecesOf) {
    return this.keep(count, async (raw, i) => {
      for (let number = 0; !this.isOver; number += 1) {
        for (const piece of piecesOf(i + number)) raw.send(piece);
        const {status} = await raw.response();
        this.statuses[status] = (this.statuses[status] ?? 0) + 1;
      }
    });
  }

  begin() {
    const {server, author} = this;
    const pull = `${author.path}/pull?collection=todos&since=x`;
    const stream = this.head('GET', `${author.path}/stream?since=x`);
    const stalledBody = this.head('POST', author.path, {length: mebibyte}).padEnd(mebibyte - 9000);
    const tokens = [];
    const heavyPush = (number) => {
      const body = heavyPushes[number % heavyPushes.length];
      const token = server.token(fresh('user'));
      tokens.push(token);
      return [this.head('POST', author.path, {token, length: body.length}), body];
    };
    const pullOfIt = (number) => {
      const token = tokens[number % tokens.length];
      return [this.head('GET', `${author.path}/pull?collections=*&since=x`, {token})];
    };
    // Edits that lose ask for what has won, which is large.
    const losing = Buffer.from(
        pushOf(...['a', 'b', 'c'].map((id) => update(id, {text: {value: '', updatedAt: at(-1)}}))));
    const losingPush = () => [this.head('POST', author.path, {length: losing.length}), losing];
    const pullWith = (token) => [this.head('GET', pull, {token})];
    const padding = 'x'.repeat(9_000);
    this.running = [
      ...this.ask(12, heavyPush), ...this.ask(8, pullOfIt), ...this.ask(8, losingPush),
      ...this.ask(12, () => pullWith(server.token(fresh('user'), {padding}))),
      ...this.ask(8, () => pullWith(new Key(fresh('kid')).token({sub: 'a'}))),
      ...this.stall(100, `GET /health HTTP/1.1\r\nHost: a\r\n${headerLines}`),
      ...this.stall(12, stalledBody), ...this.stall(100, unfinishedMessage),
      ...this.stall(50, this.head('GET', pull).repeat(60), {reads: false}),
      ...this.stall(50, stream, {reads: false}),
      ...this.stall(10, stream + 'x'.repeat(60_000), {reads: false}), ...this.stall(50, 'G')
    ];
  }

  async end() {
    this.isOver = true;
    for (const raw of this.sockets) raw.destroy();
    await Promise.all(this.running);
  }
}

// --- What is seen of it ---

// Bounds that all this must meet, and what else must have come of it.
const met = [
  'mana_sync_connections_refused_total{bound="all"}', 'mana_sync_bodies_refused_total',
  'mana_sync_slow_readers_closed_total', 'mana_sync_http_cut_total{bound="linger"}',
  'mana_sync_key_waits_refused_total{bound="time"}', 'mana_sync_cache_evictions_total',
  'mana_sync_sanitized_characters_total', 'mana_sync_corrections_total'
];

// What clients hold, or wait for: when there is none but who asks.
const atRest = {
  mana_sync_connections_total: 1,
  mana_sync_requests_in_flight: 1,
  mana_sync_websockets: 0,
  mana_sync_websockets_unauthenticated: 0,
  mana_sync_followers: 0,
  mana_sync_followers_output_bytes: 0,
  mana_sync_users_connected: 0,
  mana_sync_input_bytes: 0,
  mana_sync_bodies_bytes: 0,
  mana_sync_output_bytes: 0,
  mana_sync_waiting_pushes: 0,
  mana_sync_write_queue_units: 0,
  mana_sync_read_queue_reads: 0,
  mana_sync_stream_loads_in_flight: 0,
  mana_sync_stream_loads_waiting: 0,
  mana_sync_tokens_waiting: 0
};

async function served(client) {
  await client.push(insert('r', {title: 'x', createdAt: at()}));
  const {serverChanges} = await client.pull({echo: 1});
  assert.deepEqual(serverChanges.map(({id}) => id), ['r']);
  client.agent.destroy();
}

test(
    'the worst at once stays within the sum of the bounds, and leaves nothing', async (context) => {
      const env =
          Object.fromEntries(Object.entries(bounds).map(([name, value]) => [name, `${value}`]));
      const server = await Server.start({env});
      // One connection that is there before all others: what is asked over it must be answered.
      const agent = new http.Agent({keepAlive: true, maxSockets: 1});
      server.get = (path) => request({port: server.port, path, agent}).catch((error) => {
        // Of answers that are too much together its own may be one.
        if (error.code !== 'ECONNRESET') throw error;
        return {status: 503, text: ''};
      });
      await server.metrics();
      const author = server.client();
      const text = 'x'.repeat(0.9 * mebibyte);
      for (const id of ['a', 'b', 'c']) await author.push(insert(id, {text, createdAt: at()}));
      author.agent.destroy();
      await served(server.client());

      const before = residentBytes(server);
      let most = 0;
      const attack = new Attack(server, author);
      attack.begin();
      try {
        await until('all bounds are met', async () => {
          const {status} = await server.get('/health');
          assert.ok(status === 200 || status === 503, `${status}`);
          most = Math.max(most, residentBytes(server) - before);
          const metrics = await server.metrics();
          return met.every((name) => metrics[name] > 0) &&
              [200, 400, 401, 503].every((status) => attack.statuses[status] > 0);
        });
      } finally {
        await attack.end();
      }
      const grown = `RSS grew by ${Math.round(most / mebibyte)} MiB`;
      context.diagnostic(`${grown}; answers ${JSON.stringify(attack.statuses)}`);
      if (!underAddressSanitizer) assert.ok(most < residentBytesMax, grown);
      for (const [name, value] of Object.entries(atRest)) {
        await until(`${name} is ${value}`, async () => (await server.metrics())[name] === value);
      }
      await served(server.client());
      agent.destroy();
      await server.stop();
    });
