// PROTOCOL 8.2: what /metrics says is what was done, in words that Prometheus takes and
// docs/OPERATIONS.md explains.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';

import {at, insert, update} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

const file = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const scrape = async () => (await server.get('/metrics')).text;
const something = () => insert('r', {title: 'x', createdAt: at()});

const requests = (route, status) =>
    `http_requests_total{service="mana-sync",route="${route}",status="${status}"}`;
const durations = (route) =>
    `http_request_duration_seconds_count{service="mana-sync",route="${route}"}`;

// What `act` adds to each metric.
async function added(act) {
  const before = await server.metrics();
  await act();
  const now = await server.metrics();
  return Object.fromEntries(
      Object.entries(now).map(([name, value]) => [name, value - (before[name] ?? 0)]));
}

// What a scrape has families of: {name: type}.
function familiesOf(text) {
  return Object.fromEntries([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map((m) => [m[1], m[2]]));
}

// Requests of every kind.
async function makeLoad() {
  const client = server.client();
  const socket = await Socket.of(client.other());
  const stream = await EventStream.open(client.other());
  await Promise.all([...Array(50).keys()].map(async (i) => {
    const one = i % 2 ? client.other() : server.client();
    await one.push([something(), update(`u${i}`, {n: [i, at(i)]})]);
    await one.pull();
  }));
  await client.post('{');
  await server.get('/nowhere');
  socket.destroy();
  stream.destroy();
}

test('8.2 requests are counted by route and status, each with its time', async () => {
  const client = server.client();
  const more = await added(async () => {
    for (let i = 0; i < 3; i += 1) await client.push(something());
    await client.post('{');
    for (let i = 0; i < 4; i += 1) await client.pull();
    await client.query({collection: 'todos'});  // without a cursor
    await server.get('/health');
    await server.get('/nowhere');
    await server.request({method: 'DELETE', path: '/sync/app'});
    await server.get('/sync/app/pull');
    (await Socket.open(server)).destroy();
    (await EventStream.open(client)).destroy();
  });
  const counted = {
    push: {200: 3, 400: 1, 405: 1},
    pull: {200: 4, 400: 1, 401: 1},
    health: {200: 1},
    none: {404: 1},
    socket: {101: 1},
    stream: {200: 1},
    metrics: {200: 1},  // the scrape before; this one is not answered when it counts
  };
  const expected = {};
  for (const [route, statuses] of Object.entries(counted)) {
    for (const [status, count] of Object.entries(statuses)) {
      expected[requests(route, status)] = count;
    }
    expected[durations(route)] = Object.values(statuses).reduce((a, b) => a + b);
  }
  const isCount = /^http_request(s_total|_duration_seconds_count)/;
  const seen = Object.entries(more).filter(([name, count]) => isCount.test(name) && count !== 0);
  assert.deepEqual(Object.fromEntries(seen), expected);
});

test('8.2 a head that cannot be read is a request of no route', async () => {
  const more = await added(() => server.request({method: 'GET', path: '/a'.repeat(40_000)}));
  assert.equal(more[requests('none', 431)], 1);
});

test('8.2 buckets are cumulative, end in +Inf, and agree with their count', async () => {
  await makeLoad();
  const text = await scrape();
  const histograms = Object.entries(familiesOf(text)).filter(([, type]) => type === 'histogram');
  assert.ok(histograms.length >= 5);
  for (const [name] of histograms) {
    const series = {};
    for (const [, labels, bound, value] of text.matchAll(
             new RegExp(`^${name}_bucket{(.*?),?le="(.*)"} (.*)$`, 'gm'))) {
      (series[labels] ??= []).push([bound, Number(value)]);
    }
    assert.ok(Object.keys(series).length > 0, name);
    for (const [labels, buckets] of Object.entries(series)) {
      const bounds = buckets.map(([bound]) => (bound === '+Inf' ? Infinity : Number(bound)));
      assert.equal(bounds.at(-1), Infinity);
      for (let i = 1; i < buckets.length; i += 1) {
        assert.ok(bounds[i] > bounds[i - 1] && buckets[i][1] >= buckets[i - 1][1], name);
      }
      const braces = labels ? `{${labels}}` : '';
      assert.ok(text.includes(`\n${name}_count${braces} ${buckets.at(-1)[1]}\n`), name);
    }
  }
});

test('8.2 commits, batches and bytes are what was sent', async () => {
  const client = server.client();
  await client.pull();
  const body = {changes: [1, 2, 3].map((i) => insert(`r${i}`, {text: 'x'.repeat(1000)}))};
  const more = await added(() => client.post(body));
  assert.equal(more.mana_sync_batch_units_count, 1);
  assert.equal(more.mana_sync_batch_units_sum, 1);
  assert.equal(more.mana_sync_batch_rows_sum, 3);
  assert.equal(more.mana_sync_changes_stored_total, 3);
  assert.equal(more.mana_sync_commit_duration_seconds_count, 1);
  const seconds = more.mana_sync_commit_duration_seconds_sum;
  assert.ok(seconds > 0 && seconds < 30, `${seconds}`);
  assert.ok(more.mana_sync_received_bytes_total > JSON.stringify(body).length);
  assert.ok(more.mana_sync_sent_bytes_total > 1000, 'the scrape before is among them');
  assert.ok(more.mana_sync_loop_tick_seconds_count > 0);
});

test('8.2 connections are counted by kind', async () => {
  const other = await Server.start();
  // The connection that asks is one of HTTP.
  const counts = (sockets, streams) => until(`${sockets} and ${streams}`, async () => {
    const metrics = await other.metrics();
    return metrics.mana_sync_http_connections === 1 && metrics.mana_sync_websockets === sockets &&
        metrics.mana_sync_followers === streams;
  });
  const socket = await Socket.open(other);
  const stream = await EventStream.open(other.client());
  await counts(1, 1);
  socket.destroy();
  stream.destroy();
  await counts(0, 0);
  await other.stop();
});

test('8.2 the process is described as Prometheus clients do', async () => {
  const metrics = await server.metrics();
  const started = metrics.process_start_time_seconds;
  assert.ok(Math.abs(started - Date.now() / 1000) < 600, `${started}`);
  assert.ok(metrics.process_cpu_seconds_total > 0 && metrics.process_cpu_seconds_total < 600);
  assert.ok(metrics.process_resident_memory_bytes > 1 << 20);
  assert.ok(metrics.process_open_fds > 5 && metrics.process_open_fds < metrics.process_max_fds);
});

test('8.2 promtool finds nothing to say but the name that is kept', async () => {
  await makeLoad();
  const {stderr, error} =
      spawnSync('promtool', ['check', 'metrics'], {input: await scrape(), encoding: 'utf8'});
  assert.equal(error, undefined);
  assert.equal(
      stderr.trim(),
      'mana_sync_connections_total non-counter metrics should not have "_total" suffix');
});

test('8.2 docs/OPERATIONS.md names every metric that there is, and no other', async () => {
  const documented = new Set(readFileSync(file('docs/OPERATIONS.md'), 'utf8')
                                 .match(/`(?:mana_sync|http|process)_[a-z_]+(?=[`{])/g)
                                 .map((name) => name.slice(1)));
  assert.deepEqual([...documented].sort(), Object.keys(familiesOf(await scrape())).sort());
});
