// deploy/: the alert rules and the dashboard ask for metrics that there are, and the alerts fire
// when they should.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';

import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const file = (name) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url));
const rules = file('alerts.yml');
const dashboard = JSON.parse(readFileSync(file('grafana-dashboard.json'), 'utf8'));
const panels = dashboard.panels.filter((panel) => panel.type !== 'row');
const expressions = panels.flatMap((panel) => panel.targets.map(({expr}) => expr));

const directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-rules-'));
after(() => rmSync(directory, {recursive: true}));

// Runs promtool on `content`, which as JSON is YAML as well.
function promtool(command, content) {
  const input = path.join(directory, 'input.json');
  writeFileSync(input, JSON.stringify(content));
  return checked(spawnSync('promtool', [...command, input], {encoding: 'utf8'}));
}

function checked({status, stdout, stderr, error}) {
  assert.equal(error, undefined);
  assert.equal(status, 0, stdout + stderr);
}

// The names in a text that are metrics of the server's.
const metricsIn = (text) =>
    new Set(text.match(/\b(mana_sync|http_request|http_requests|process)_[a-z_]+\b/g));

test('promtool takes the alert rules', () => {
  checked(spawnSync('promtool', ['check', 'rules', rules], {encoding: 'utf8'}));
});

test('promtool takes every expression of the dashboard', () => {
  assert.ok(expressions.length >= panels.length);
  const plain = (expr) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*');
  const records = expressions.map((expr, i) => ({record: `panel:${i}`, expr: plain(expr)}));
  promtool(['check', 'rules'], {groups: [{name: 'dashboard', rules: records}]});
});

test('the rules and the dashboard use no metric that is not there', async () => {
  const server = await Server.start();
  const {text} = await server.get('/metrics');
  await server.stop();
  const samples = new Set(text.split('\n').map((line) => line.match(/^[a-z_]+/)?.[0]));
  const variables = dashboard.templating.list.map(({definition}) => definition ?? '');
  const used = metricsIn([readFileSync(rules, 'utf8'), ...expressions, ...variables].join('\n'));
  assert.ok(used.size > 30);
  assert.deepEqual([...used].filter((name) => !samples.has(name)), []);
  // Nor a bound that a histogram does not have.
  for (const [bound] of readFileSync(rules, 'utf8').matchAll(/mana_sync\w+_bucket{le="[^"]*"}/g)) {
    assert.ok(text.includes(`\n${bound} `), bound);
  }
});

test('what tells of each bound in docs/OPERATIONS.md is there, and on the dashboard', async () => {
  const operations = readFileSync(new URL('../../docs/OPERATIONS.md', import.meta.url), 'utf8');
  const table = operations.split('\n').filter((line) => /^\|.*\|.*\|.*\|.*\|$/.test(line));
  const tellers = table.slice(2).map((line) => metricsIn(line.split('|').at(-2)));
  assert.ok(tellers.length > 15);
  const server = await Server.start();
  const names = Object.keys(await server.metrics()).map((name) => name.replace(/{.*/, ''));
  await server.stop();
  const shown = metricsIn(expressions.join('\n'));
  for (const [i, metrics] of tellers.entries()) {
    assert.ok(metrics.size > 0, table[i + 2]);
    for (const metric of metrics) {
      assert.ok(names.includes(metric), metric);
      assert.ok(shown.has(metric) || !metric.endsWith('_total'), `${metric} is on the dashboard`);
    }
  }
});

test('the dashboard has ids of its own for its panels, and none lies over another', () => {
  assert.equal(new Set(dashboard.panels.map(({id}) => id)).size, dashboard.panels.length);
  const taken = new Set();
  for (const {title, gridPos: {x, y, w, h}} of dashboard.panels) {
    assert.ok(x + w <= 24, title);
    for (let i = 0; i < w * h; i += 1) {
      const cell = `${x + (i % w)},${y + Math.floor(i / w)}`;
      assert.ok(!taken.has(cell), title);
      taken.add(cell);
    }
  }
});

const target = 'instance="a",job="mana-sync"';
const requests = (status) => `http_requests_total{${target},service="mana-sync",route="push",` +
    `status="${status}"}`;
const slow = (name, le, more = '') => `${name}_bucket{${target},${more}le="${le}"}`;
const push = 'service="mana-sync",route="push",';

// What each alert looks at, a value a minute: when all is well, and when it must fire.
const scenes = {
  ManaSyncDown: {[`up{${target}}`]: ['1x60', '0x60']},
  ManaSyncDegraded: {[`mana_sync_database_up{${target}}`]: ['1x60', '0x60']},
  ManaSyncQueueGrowing: {[`mana_sync_waiting_pushes{${target}}`]: ['600x60', '0+100x60']},
  ManaSyncPushesRefused: {
    [`mana_sync_pushes_refused_total{${target},bound="stream"}`]: ['7x60', '0+5x60'],
    [`mana_sync_pushes_refused_total{${target},bound="all"}`]: ['7x60', '7x60'],
  },
  ManaSyncCommitsRetried: {[`mana_sync_commit_retries_total{${target}}`]: ['7x60', '0+1x60']},
  ManaSyncErrors: {
    [requests(200)]: ['0+1000x60', '0+1000x60'],
    [requests(503)]: ['0+5x60', '0+20x60'],
  },
  ManaSyncSlow: {
    [slow('http_request_duration_seconds', '0.5', push)]: ['0+1000x60', '0+1000x60'],
    [slow('http_request_duration_seconds', '2.5', push)]: ['0+1005x60', '0+1100x60'],
    [slow('http_request_duration_seconds', '+Inf', push)]: ['0+1005x60', '0+1100x60'],
  },
  ManaSyncCommitsSlow: {
    [slow('mana_sync_commit_duration_seconds', '0.5')]: ['0+1000x60', '0+1000x60'],
    [slow('mana_sync_commit_duration_seconds', '1')]: ['0+1005x60', '0+1100x60'],
    [slow('mana_sync_commit_duration_seconds', '+Inf')]: ['0+1005x60', '0+1100x60'],
  },
  ManaSyncTickTooLong: {
    [slow('mana_sync_loop_tick_seconds', '0.25')]: ['0+1000x60', '0+1000x60'],
    [`mana_sync_loop_tick_seconds_count{${target}}`]: ['0+1000x60', '0+1001x60'],
  },
  ManaSyncDescriptorsShort: {
    [`process_open_fds{${target}}`]: ['899x60', '901x60'],
    [`process_max_fds{${target}}`]: ['1000x60', '1000x60'],
  },
  ManaSyncAcceptPaused: {[`mana_sync_accept_paused_total{${target}}`]: ['3x60', '0+1x60']},
  ManaSyncBoundMet: {
    [`mana_sync_connections_refused_total{${target},bound="all"}`]: ['4x60', '4x60'],
    [`mana_sync_bodies_refused_total{${target}}`]: ['0x60', '0x60'],
    [`mana_sync_slow_readers_closed_total{${target}}`]: ['2x60', '2+1x60'],
    // Those who go away, or guess, meet bounds as well.
    [`mana_sync_websockets_refused_total{${target},bound="time"}`]: ['0+1x60', '0+1x60'],
    [`mana_sync_key_waits_refused_total{${target},bound="time"}`]: ['0+9x60', '0+9x60'],
  },
  ManaSyncKeysNotFetched: {
    [`mana_sync_key_set_fetches_total{${target},result="ok"}`]: ['0+1x60', '3x60'],
    [`process_start_time_seconds{${target}}`]: ['0x60', '0x60'],
  },
};

// For promtool: what the alert looks at, and which alerts then fire.
const sceneTest = (series, firing) => ({
  interval: '1m',
  input_series: series,
  promql_expr_test: [{
    expr: 'count by (alertname) (ALERTS{alertstate="firing"})',
    eval_time: '45m',
    exp_samples: firing.map((alert) => ({labels: `{alertname="${alert}"}`, value: 1}))
  }]
});

test('each alert fires when it should, alone, and not when all is well', () => {
  const named = readFileSync(rules, 'utf8').matchAll(/alert: (\w+)/g);
  assert.deepEqual(Object.keys(scenes), [...named].map(([, name]) => name));
  const tests = Object.entries(scenes).flatMap(([alert, scene]) => {
    const series = (i) =>
        Object.entries(scene).map(([name, values]) => ({series: name, values: values[i]}));
    return [sceneTest(series(0), []), sceneTest(series(1), [alert])];
  });
  promtool(['test', 'rules'], {rule_files: [rules], evaluation_interval: '1m', tests});
});

test('ManaSyncBoundMet fires at each of its bounds', () => {
  const [, expression] =
      readFileSync(rules, 'utf8').match(/ManaSyncBoundMet\n\s+expr: \|\n([^:]*):/);
  const bounds = [...expression.matchAll(/(mana_sync_\w+)(?:{(.*)})?\[5m\]/g)];
  assert.ok(bounds.length > 5);
  const tests = bounds.map(([, name, labels]) => {
    const series = `${name}{${target}${labels ? `,${labels}` : ''}}`;
    return sceneTest([{series, values: '0+1x60'}], ['ManaSyncBoundMet']);
  });
  promtool(['test', 'rules'], {rule_files: [rules], evaluation_interval: '1m', tests});
});
