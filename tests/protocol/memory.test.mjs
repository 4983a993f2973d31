// PROTOCOL 10.1 and 2.2 with little memory, much, or none: what is forgotten is read again, and
// what is held needs no query.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {after} from 'node:test';

import {at, insert, recordOf, remove, update} from './support/client.mjs';
import {followed} from './support/follow.mjs';
import {added, counts, mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {fresh, test} from './support/wait.mjs';

const seconds = Number(process.env.MANA_SYNC_TEST_FOLLOW_SECONDS ?? 20);
// Its quarantine keeps what was freed.
const underAddressSanitizer = 'ASAN_OPTIONS' in process.env;

// A test with a server of its own, whose streams may take `cacheBytes`.
function testWithCache(cacheBytes, name, check) {
  test(name, {timeout: 300_000}, async (context) => {
    const server = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(cacheBytes)}});
    try {
      await check(server, context);
    } finally {
      await server.stop();
    }
  });
}

const idsOf = (answer) => answer.serverChanges.map((change) => change.id);

function residentBytes(server) {
  const status = readFileSync(`/proc/${server.process.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
}

// Calls `act` again and again while `body` runs; returns how often.
async function during(body, act) {
  let ended = false;
  const keepOn = async () => {
    let times = 0;
    for (; !ended; times += 1) await act(times);
    return times;
  };
  const acting = keepOn();
  // Its failure is told below, when the body is over.
  acting.catch(() => {});
  try {
    await body();
  } finally {
    ended = true;
    await acting.catch(() => {});
  }
  return acting;
}

// --- Streams that are forgotten while they are used ---

testWithCache(
    mebibyte, '10.1 a follower misses nothing while streams are evicted', async (server) => {
      const before = await counts(server);
      // Sixteen other users, each of whom takes a good part of the memory.
      const others = [...Array(16).keys()].map(() => server.client());
      const text = 'x'.repeat(mebibyte / 32);
      const evictions = [];
      const follow = () => followed(server, 8, seconds / 2);
      const sampled = () =>
          during(follow, async () => evictions.push((await counts(server)).evictions));
      await during(
          sampled, (i) => others[i % others.length].push(insert(`r${i}`, {text, createdAt: at()})));
      assert.ok(new Set(evictions).size > 10, 'evictions went on in the middle of it');
      const after = await counts(server);
      assert.ok(after.evictions > before.evictions + 10, `${after.evictions} evictions`);
      assert.ok(after.loads > before.loads + 16 + 1, `${after.loads} loads: some again`);
    });

const activeStreams = 10_000;

// Uses 10,000 streams from a few connections: each is created, left, and come back to. `check` is
// called now and then.
async function useManyStreams(server, check) {
  const connections =
      [...Array(12).keys()].map(() => new http.Agent({keepAlive: true, maxSockets: 1}));
  const text = 'x'.repeat(4096);
  const cursors = [];
  const users = [...Array(activeStreams).keys()].map(() => fresh('user'));
  const tokens = users.map((user) => server.token(user));
  const clients = (i, agent) => ['writer', 'reader'].map(
      (id) => Object.assign(server.client({user: users[i], token: tokens[i], id}), {agent}));
  const rounds = [
    async (i, [writer, reader]) => {
      const pushed = await writer.push(insert(`r${i}`, {text, n: i, createdAt: at(10)}));
      assert.deepEqual([pushed.serverChanges, pushed.conflicts], [[], []]);
      const page = await reader.pull();
      assert.deepEqual(idsOf(page), [`r${i}`]);
      assert.equal(page.serverChanges[0].data.n, i);
      cursors[i] = page.syncedUntil;
    },
    async (i, [writer, reader]) => {
      // One edit wins and one loses.
      const pushed = await reader.push(
          update(`r${i}`, {m: [`${i}${text}`, at(20)], n: ['early', at(5)]}), {since: cursors[i]});
      assert.deepEqual(
          pushed.conflicts.map(({field, serverValue}) => [field, serverValue]), [['n', i]]);
      assert.deepEqual(recordOf(pushed.serverChanges, `r${i}`), {n: i});
      const page = await writer.pull({since: cursors[i]});
      assert.deepEqual(recordOf(page.serverChanges, `r${i}`), {m: `${i}${text}`});
      assert.deepEqual((await writer.pull({since: page.syncedUntil})).serverChanges, []);
    }
  ];
  for (const round of rounds) {
    let next = 0;
    await Promise.all(connections.map(async (agent) => {
      while (next < activeStreams) {
        const i = next;
        next += 1;
        await round(i, clients(i, agent));
        if (i % 500 === 0) await check();
      }
    }));
  }
  for (const agent of connections) agent.destroy();
}

testWithCache(
    8 * mebibyte,
    '10.1 ten thousand active streams in 8 MiB: right answers, and memory stays bounded',
    async (server, context) => {
      const before = residentBytes(server);
      let most = 0;
      const use = await added(server, () => useManyStreams(server, async () => {
                                        most = Math.max(most, residentBytes(server) - before);
                                        const {bytes} = await counts(server);
                                        // What is under way is not evicted.
                                        assert.ok(bytes <= 10 * mebibyte, `${bytes} bytes`);
                                      }));
      const {bytes, streams} = await counts(server);
      context.diagnostic(
          `RSS grew by ${Math.round(most / mebibyte)} MiB at most; at the end ${streams} streams ` +
          `in ${bytes} bytes; meanwhile ${JSON.stringify(use)}`);
      assert.ok(bytes > mebibyte && streams > 100, 'the budget is used');
      assert.ok(bytes <= 8 * mebibyte && streams < activeStreams / 2);
      // Each stream was loaded when it was first used and when it was come back to; in between it
      // was evicted, and what followed was a hit.
      assert.ok(use.loads >= 2 * activeStreams - streams, `${use.loads} loads`);
      assert.ok(use.loads < 3 * activeStreams, `${use.loads} loads`);
      assert.ok(use.misses >= 2 * activeStreams - streams, `${use.misses}`);
      assert.ok(use.hits >= 2 * activeStreams, `${use.hits} hits`);
      assert.ok(use.evictions >= 2 * activeStreams - 2 * streams);
      assert.ok(use.loadedChanges >= activeStreams / 2);
      // 10,000 streams of nearly 5 KiB would be 48 MiB more than what 8 MiB of them came to: 21.
      if (!underAddressSanitizer) {
        assert.ok(most < 44 * mebibyte, `${Math.round(most / mebibyte)} MiB`);
      }
    });

// --- Loads ---

// A user's changes; instrumented code takes several times as long.
const greatChanges = underAddressSanitizer ? 50_000 : 200_000;

// Stores `count` changes of each user as another program would.
async function fill(server, users, count) {
  await server.database.run(`
    INSERT INTO sync_changes
      (app_id, table_name, record_id, user_id, op, data, field_timestamps, client_id, created_at)
    SELECT 'app', 'todos', 'r' || i, u, 'insert',
      jsonb_build_object('id', 'r' || i, 'title', 'Buy milk', 'createdAt', '${at()}'),
      '{"title":"${at()}","createdAt":"${at()}"}', 'filler',
      '2024-01-01'::timestamptz + i * interval '1 ms'
    FROM generate_series(1, ${count}) i, unnest('{${users}}'::text[]) u`);
}

testWithCache(
    256 * mebibyte, 'a great stream is loaded once, while others\' pushes are answered',
    async (server) => {
      const great = server.client();
      const other = server.client();
      await fill(server, [great.user], greatChanges);
      await other.push(insert('first', {createdAt: at()}));
      const since = (await other.push([])).syncedUntil;
      let others = 0;
      let meanwhile;
      const pushGreat = async (i) => {
        const device = great.other();
        const push = () => device.push(update(`r${i + 1}`, {title: [`new ${i}`, at(i + 1)]}), {since});
        // On a busy machine the load may outlast a request's 30 s: 503, and clients repeat.
        await push().catch(push);
        meanwhile ??= others;
      };
      const pushAll = () => Promise.all([...Array(20).keys()].map(pushGreat));
      const loads =
          await added(server, () => during(pushAll, async (i) => {
                                await other.push(insert(`o${i}`, {createdAt: at()}), {since});
                                others += 1;
                              }));
      assert.equal(loads.loads, 1, 'one load for twenty pushes');
      assert.equal(loads.loadedChanges, greatChanges);
      assert.ok(meanwhile >= 5, `${meanwhile} pushes of another user meanwhile`);
      assert.equal(await server.database.count(great.user), greatChanges + 20);
      assert.equal(await server.database.count(other.user), 1 + others);
      const lost =
          await great.other().push(update(`r${greatChanges}`, {title: ['old', at(-1)]}), {since});
      assert.deepEqual(lost.conflicts.map((conflict) => conflict.serverValue), ['Buy milk']);
      assert.equal(recordOf(lost.serverChanges, `r${greatChanges}`).title, 'Buy milk');
    });

const loadsInFlightMax = 8;

testWithCache(
    256 * mebibyte, 'only a few streams are loaded at a time, and none is forgotten',
    async (server) => {
      const clients = [...Array(32).keys()].map(() => server.client());
      await fill(server, clients.map((client) => client.user), 3000);
      let most = 0;
      let waited = 0;
      const use = () => Promise.all(clients.flatMap(
          (client) =>
              [client.push(insert('new', {createdAt: at()}), {since: '2999-01-01T00:00:00Z'}),
               client.other().pull({limit: 1})]));
      const loads = await added(server, () => during(use, async () => {
                                          const {loading, loadsWaiting} = await counts(server);
                                          most = Math.max(most, loading);
                                          waited = Math.max(waited, loadsWaiting);
                                        }));
      assert.ok(most <= loadsInFlightMax, `${most} loads at a time`);
      assert.ok(most > 0 && waited > 0, 'some waited');
      assert.equal(loads.loads, clients.length);
      const {loading, loadsWaiting} = await counts(server);
      assert.deepEqual([loading, loadsWaiting], [0, 0]);
      const stored = await server.database.rows(
          'SELECT user_id, count(*) AS changes FROM sync_changes GROUP BY 1');
      assert.deepEqual(
          [...new Set(stored.map(({changes}) => changes))], [3001], 'each push stored its change');
      assert.equal(stored.length, clients.length);
    });

// --- No memory ---

testWithCache(0, 'without a cache every answer is right', async (server) => {
  const one = server.client();
  const two = one.other();
  const start = (await one.push([])).syncedUntil;
  const changes = [
    insert('a', {title: 'x', createdAt: at(10)}), insert('timeless', {n: 1}), remove('b', at(10))
  ];
  await one.push(changes);
  const repeat = await one.push(changes);
  assert.deepEqual(repeat.conflicts, []);
  assert.equal(await server.database.count(one.user), 3);

  const answer = await two.push(
      [update('a', {title: ['y', at(5)], m: [1, at()]}), update('timeless', {n: {value: 2}})]);
  assert.deepEqual(idsOf(answer).slice(-3), ['a', 'timeless', 'b']);
  assert.deepEqual(answer.conflicts.map(({field}) => field), ['title']);
  assert.equal(recordOf(answer.serverChanges, 'timeless').n, 2, '5.9');
  const late = await two.push(remove('b', at(5)), {since: answer.syncedUntil});
  assert.equal(recordOf(late.serverChanges, 'b').deletedAt, at(10));

  const page = await two.pull({since: start, limit: 2});
  assert.deepEqual(idsOf(page), ['a', 'timeless']);
  assert.equal(page.hasMore, true);
  const rest = await two.pull({since: page.syncedUntil});
  assert.deepEqual(idsOf(rest), ['b']);
  const {streams} = await counts(server);
  assert.equal(streams, 0, 'nothing is kept');
});

testWithCache(0, '10.1 a follower misses nothing without a cache', async (server) => {
  await followed(server, 2, seconds / 5);
  assert.equal((await counts(server)).streams, 0);
});

// --- What costs no query ---

testWithCache(
    256 * mebibyte, 'an empty poll, a recent pull and a push\'s delta ask no store',
    async (server) => {
      const one = server.client();
      const two = one.other();
      await one.push(insert('a', {title: 'x', createdAt: at()}));
      let {syncedUntil: since} = await two.pull();
      const use = await added(server, async () => {
        for (let i = 0; i < 10; i += 1) {
          assert.deepEqual((await two.pull({since})).serverChanges, []);
          assert.deepEqual((await two.pull({since, collections: '*'})).serverChanges, []);
          const start = since;
          await one.push(update('a', {title: [i, at(i + 1)]}), {since: start});
          const page = await two.pull({since: start});
          assert.deepEqual(page.serverChanges.map((change) => change.fields.title.value), [i]);
          assert.deepEqual(idsOf(await one.pull({since: start, echo: '1'})), ['a']);
          assert.deepEqual(idsOf(await one.pull({since: start})), []);
          const pushed = await two.push(insert(`r${i}`, {createdAt: at()}), {since: start});
          assert.deepEqual(idsOf(pushed), ['a']);
          since = pushed.syncedUntil;
        }
      });
      assert.equal(use.fromStore, 0);
      assert.equal(use.fromMemory, 10 * 7);
      assert.deepEqual([use.loads, use.misses, use.evictions], [0, 0, 0]);
      assert.ok(use.hits >= 10 * 7);
    });

testWithCache(
    256 * mebibyte, 'after a restart the first poll asks the store, the next does not',
    async (server) => {
      const client = server.client();
      await client.push(insert('a', {title: 'x', createdAt: at()}));
      const reader = client.other();
      let since = (await reader.pull()).syncedUntil;
      await server.restart();
      const poll = async () => added(server, async () => {
        const page = await reader.pull({since});
        assert.deepEqual(page.serverChanges, []);
        since = page.syncedUntil;
      });
      const first = await poll();
      assert.deepEqual([first.fromStore, first.fromMemory, first.misses], [1, 0, 1]);
      for (let i = 0; i < 3; i += 1) {
        const next = await poll();
        assert.deepEqual([next.fromStore, next.fromMemory, next.loads], [0, 1, 0], 'nobody pushed');
      }
      // Nor does a poll after a push, which loads the stream.
      await client.push(insert('b', {createdAt: at()}), {since});
      const news = await added(
          server, async () => { assert.deepEqual(idsOf(await reader.pull({since})), ['b']); });
      assert.deepEqual([news.fromStore, news.fromMemory], [0, 1]);
    });
