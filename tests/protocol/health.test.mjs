// PROTOCOL §8.1, 9.5: what the server says of itself, and what it does without PostgreSQL.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {Cluster, freshDatabase} from './support/postgres.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const cluster = new Cluster();
after(() => cluster.remove());
const server = await Server.start({database: await freshDatabase(cluster.url)});
after(() => server.stop());

const health = async (method = 'GET') => server.request({method, path: '/health'});

test('8.1 /health says how the server is, compactly', async () => {
  const before = Date.now();
  const {status, headers, text} = await health();
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^application\/json/);
  const json = JSON.parse(text);
  assert.equal(text, JSON.stringify(json));
  assert.deepEqual(
      Object.keys(json).sort(),
      ['connections', 'database', 'service', 'status', 'timestamp', 'users', 'version']);
  assert.deepEqual([json.status, json.service, json.database], ['ok', 'mana-sync', 'up']);
  assert.ok(Number.isInteger(json.connections) && Number.isInteger(json.users));
  assert.match(json.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  assert.ok(Math.abs(Date.parse(json.timestamp) - before) < 60_000);
  assert.equal(typeof json.version, 'string');
});

test('8.1 HEAD /health works', async () => {
  const {status, text, headers} = await health('HEAD');
  assert.deepEqual([status, text], [200, '']);
  assert.ok(Number(headers['content-length']) > 0);
});

test('8.1 /metrics is text', async () => {
  const {status, headers, text} = await server.get('/metrics');
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/plain; *version=0\.0\.4/);
  assert.ok(text.endsWith('\n'));
  for (const line of text.trimEnd().split('\n')) {
    assert.match(line, /^(# (HELP|TYPE) [a-zA-Z_:]\S* .+|[a-zA-Z_:][\w:]*(\{.*\})? \S+)$/);
  }
});

// Runs `body` while PostgreSQL is away, and waits until the server has it back.
async function withoutPostgres(body) {
  cluster.kill();
  try {
    await body(await until('/health says 503', async () => {
      const answer = await health();
      return answer.status === 503 && answer;
    }));
  } finally {
    cluster.start();
    await server.ready();
  }
}

test('8.1 while PostgreSQL cannot be reached: 503 and degraded', {timeout: 120_000}, async () => {
  await withoutPostgres(async ({text, headers}) => {
    const json = JSON.parse(text);
    assert.equal(json.status, 'degraded');
    assert.notEqual(json.database, 'up');
    assert.match(headers['content-type'], /^application\/json/);
    assert.equal((await health('HEAD')).status, 503);
  });
  assert.equal(JSON.parse((await health()).text).database, 'up');
});

test(
    '9.5 without PostgreSQL: 503 with Retry-After, but what memory can answer goes on',
    {timeout: 180_000}, async () => {
      const client = server.client();
      await client.push(insert('a', {createdAt: at()}));
      const {syncedUntil} = await client.other().pull();
      await withoutPostgres(async () => {
        for (const writer of [client, server.client()]) {
          const refused = await writer.post({changes: [insert('b', {createdAt: at()})]});
          assert.equal(refused.status, 503);
          assert.match(refused.headers['retry-after'], /^\d+$/);
          assert.doesNotMatch(refused.text, /postgres|SELECT|INSERT|127\.0\.0\.1|sync_changes/i);
        }
        assert.equal(
            (await client.other().query({collection: 'todos', since: syncedUntil})).status, 200);
      });
      await client.push(insert('b', {createdAt: at()}));
      const {serverChanges} = await client.other().pull({since: syncedUntil});
      assert.deepEqual(serverChanges.map((change) => change.id), ['b']);
      assert.equal(await server.database.count(client.user), 2);
    });

test(
    '8.1 a server that starts before PostgreSQL says 503 and then 200', {timeout: 180_000},
    async () => {
      const database = await freshDatabase(cluster.url);
      cluster.kill();
      const early = await Server.start({database, ready: false});
      try {
        assert.equal((await early.get('/health')).status, 503);
        cluster.start();
        await early.ready();
        await early.client().push(insert('a', {createdAt: at()}));
      } finally {
        await early.stop();
      }
    });
