// The load generator against the real server: what it is to find there is that nothing is wrong.
import assert from 'node:assert/strict';
import {readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {after} from 'node:test';

import {Loadgen} from './support/loadgen.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const loadgen = new Loadgen(server);

// Runs a scenario in which nothing may go wrong; its report.
async function clean(scenario, ...options) {
  const {code, stdout, stderr, report} = await loadgen.run(scenario, ...options);
  assert.equal(code, 0, stdout + stderr);
  assert.deepEqual(report.errors, {}, stdout);
  assert.deepEqual(report.failures, [], stdout);
  return report;
}

test('loadgen: sockets are authenticated and held', async () => {
  const {figures} = await clean(
      'idle', '--storm', '--sockets', 50, '--seconds', 0.2, '--server-pid',
      server.process.child.pid);
  assert.equal(figures['sockets authenticated'], 50);
  assert.ok(figures['server RSS before'] > 0);
});

for (const how of ['', '--sse']) {
  test(`loadgen: every listener hears of every push ${how}`, async () => {
    const options = ['--listeners', 10, '--rate', 100, '--seconds', 0.5, how].filter(Boolean);
    const {figures, latencies_ms: latencies} = await clean('notify', ...options);
    assert.equal(figures.pushes, 50);
    assert.equal(figures['notices missed'], 0);
    assert.equal(latencies['answer to last listener'].count, 50);
  });
}

test('loadgen: users hear of their own pushes', async () => {
  const {figures} = await clean('users', '--users', 4, '--rate', 100, '--seconds', 0.5);
  assert.equal(figures.notices, 50);
});

test('loadgen: all come back from a storm', async () => {
  const {figures} = await clean('storm', '--sockets', 100, '--open-rate', 5000);
  assert.equal(figures['sockets authenticated again'], 100);
});

test('loadgen: health is asked for, in turn or pipelined', async () => {
  for (const options of [[], ['--pipelined', 8], ['--rate', 500]]) {
    const {figures} = await clean('health', '--seconds', 0.3, ...options);
    assert.ok(figures.rate > 0);
  }
});

test('loadgen: pushes reach every other device once', async () => {
  const {figures} = await clean('push', '--seconds', 1, '--changes', 5, '--devices', 3);
  assert.ok(figures['changes acknowledged'] > 0);
  assert.equal(figures['changes delivered'], 3 * figures['changes acknowledged']);
});

for (const spelling of ['updatedAt', 'at', 'both']) {
  test(`loadgen: devices that conflict end with the same records, by ${spelling}`, async () => {
    const {figures} = await clean(
        'mixed', '--users', 2, '--seconds', 1, '--rate', 200, '--changes', 3, '--conflicts', 50,
        '--limit', 20, '--edit-time', spelling);
    assert.ok(figures['conflicts reported'] > 0);
    assert.equal(figures['shared records that differ'], 0);
  });
}

test('loadgen: followers get everything once, over cuts and conflicts too', async () => {
  const {figures, latencies_ms: latencies} = await clean(
      'follow', '--users', 2, '--seconds', 1, '--rate', 100, '--followers', 2, '--cuts', 20,
      '--devices', 2, '--changes', 3, '--conflicts', 20);
  assert.ok(figures['followers opened'] > figures.followers);
  assert.equal(figures['changes delivered'], 4 * figures['changes acknowledged']);
  assert.equal(latencies['answer to follower'].count, 2 * figures['changes acknowledged']);
});

test('loadgen: pages are what is behind the cursor', async () => {
  for (const options of [['--behind', 20], ['--behind', 0], ['--older', 100, '--limit', 7]]) {
    const {figures} = await clean('pull', '--seconds', 0.3, '--connections', 8, ...options);
    assert.ok(figures.rate > 0);
  }
});

test('loadgen: a run is compared with an earlier one, and drawn', async () => {
  const plot = path.join(loadgen.directory, 'health.svg');
  const {path: earlier} = await loadgen.run('health', '--seconds', 0.2);
  const {code, stdout} =
      await loadgen.run('health', '--seconds', 0.2, '--compare', earlier, '--save-plot', plot);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /compared +earlier +now +ratio/);
  assert.match(stdout, /health p99, ms +[\d.]+ +[\d.]+ +[\d.]+/);
  assert.match(readFileSync(plot, 'utf8'), /^<svg[^]*<\/svg>\n$/);
});

test('loadgen: a token that is refused fails a run', async () => {
  const other = new Loadgen(server);
  writeFileSync(other.tokens, 'no-token\n');
  const {code, report} = await other.run('idle', '--sockets', 2, '--seconds', 0.1);
  assert.equal(code, 1);
  assert.deepEqual(report.errors, {'closed with 1008 invalid token': 2});
});
