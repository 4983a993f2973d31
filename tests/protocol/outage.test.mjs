// PROTOCOL 2.1, 2.2, 9.5, 10.1 while PostgreSQL, or the way to it, goes away and comes back. (What
// is told meanwhile has health.test.mjs, killed servers durability.test.mjs.)
import assert from 'node:assert/strict';
import {after} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

import {at, insert} from './support/client.mjs';
import {Cluster, Database} from './support/postgres.mjs';
import {Site, survives} from './support/site.mjs';
import {SmallDisk} from './support/small_disk.mjs';
import {test, until} from './support/wait.mjs';

// Outages that last a minute, and what only they show, take a variable to run.
const isLong = 'MANA_SYNC_TEST_LONG' in process.env;

const cluster = new Cluster();
const admin = new Database(cluster.url);
const usual = await Site.start(cluster);
after(() => usual.stop());

function outage(name, {skip = false, ...acts}) {
  test(name, {timeout: 180_000, skip}, (context) => survives(usual, context, acts));
}

// A pull that memory can answer, for as long as `act` takes; returns the slowest one's
// milliseconds.
async function pullsGoOn({server}, act) {
  const reader = server.client();
  await reader.push(insert('a', {createdAt: at()}));
  const {syncedUntil: since} = await reader.other().pull();
  let isOver = false;
  let slowest = 0;
  const pulling = (async () => {
    while (!isOver) {
      const begin = performance.now();
      const answer = await reader.query({collection: 'todos', since});
      slowest = Math.max(slowest, performance.now() - begin);
      assert.equal(answer.status, 200, answer.text);
      await pause(20);
    }
  })();
  try {
    await act();
  } finally {
    isOver = true;
    await pulling;
  }
  return slowest;
}

outage('PostgreSQL killed, and started again', {
  begin: () => cluster.kill(),
  during: () => usual.unhealthy(),
  end: () => cluster.startAgain()
});

outage('PostgreSQL restarted three times', {
  async begin(load) {
    for (let i = 0; i < 3; i += 1) {
      await cluster.stop();
      await cluster.startAgain();
      await load.more(5);
    }
  }
});

outage('PostgreSQL that takes no connections', {
  async begin() {
    await admin.run(`ALTER DATABASE ${usual.database.name} ALLOW_CONNECTIONS false`);
    await admin.run(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity ' +
        `WHERE datname = '${usual.database.name}'`);
  },
  during: () => usual.unhealthy(),
  end: () => admin.run(`ALTER DATABASE ${usual.database.name} ALLOW_CONNECTIONS true`)
});

outage('sessions ended by an administrator, again and again', {
  async begin(load) {
    for (let i = 0; i < 10; i += 1) {
      await usual.database.run(
          'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ' +
          'datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5');
      await load.more(3);
    }
  }
});

outage('a pooler in between that cuts', {
  async begin(load) {
    for (let i = 0; i < 10; i += 1) {
      usual.link.cut();
      await load.more(3);
    }
  }
});

outage(
    'a way to PostgreSQL that is gone for a while',
    {begin: () => usual.link.down(), during: () => usual.unhealthy(), end: () => usual.link.up()});

outage('PostgreSQL frozen for 5 s: what memory can answer goes on', {
  async begin() {
    const slowest = await pullsGoOn(usual, async () => {
      cluster.freeze();
      await pause(5000);
      cluster.thaw();
    });
    assert.ok(slowest < 2000, `a pull took ${slowest} ms`);
  }
});

outage('PostgreSQL frozen for a minute: pushes get 503 within their bound', {
  skip: isLong ? false : 'takes MANA_SYNC_TEST_LONG',
  async begin() {
    const pusher = usual.server.client();
    await pullsGoOn(usual, async () => {
      cluster.freeze();
      const refused = await pusher.post({changes: [insert('a', {createdAt: at()})]});
      assert.equal(refused.status, 503);
      assert.match(refused.headers['retry-after'], /^\d+$/);
      await usual.unhealthy();
      await pause(30_000);
      cluster.thaw();
    });
  }
});

// What PostgreSQL says where another try may succeed: serialization, deadlock, shutdown, disk full,
// out of memory, lock not available.
const passing = ['40001', '40P01', '57P01', '53100', '53200', '55P03'];

outage('PostgreSQL that fails half of what it is asked to store', {
  async begin(load) {
    await usual.database.run(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE codes text[] := '{${passing}}';
      BEGIN
        IF random() < 0.5 THEN
          RAISE 'no' USING ERRCODE = codes[1 + floor(random() * ${passing.length})];
        END IF;
        RETURN NULL;
      END $$;
      CREATE TRIGGER fail BEFORE INSERT ON sync_changes FOR EACH STATEMENT EXECUTE FUNCTION fail()`);
    const {mana_sync_commit_retries_total: before} = await usual.server.metrics();
    await load.more(60);
    const {mana_sync_commit_retries_total: retries} = await usual.server.metrics();
    assert.ok(retries > before, 'some were tried again');
    await usual.database.run('DROP TRIGGER fail ON sync_changes; DROP FUNCTION fail');
  }
});

// `act` with a disk of that size, if there can be one.
async function onSmallDisk(context, mebibytes, act) {
  const disk = SmallDisk.mount(mebibytes);
  if (!disk) return context.skip('a small disk must be mounted, which takes root');
  try {
    return await act(disk);
  } finally {
    disk.unmount();
  }
}

test(
    'a table that cannot grow, since its disk is full: reads go on', {timeout: 180_000},
    (context) => onSmallDisk(context, 64, async (disk) => {
      await admin.run(`CREATE TABLESPACE small LOCATION '${disk.makeDirectory('space')}'`);
      const site = await Site.start(cluster, 'TABLESPACE small');
      try {
        await survives(site, context, {
          async begin() {
            await disk.fill();
            const {mana_sync_commit_retries_total: before} = await site.server.metrics();
            await until(
                'nothing can be stored any more',
                async () =>
                    (await site.server.metrics()).mana_sync_commit_retries_total > before + 3);
          },
          async during(load) {
            const {json} = await load.follower.client.other().query(
                {collections: '*', since: '1970-01-01T00:00:00Z', limit: 10});
            assert.equal(json.serverChanges.length, 10);
          },
          end: () => disk.empty()
        });
      } finally {
        await site.stop();
        await admin.run(`DROP DATABASE ${site.database.name}`);
        await admin.run('DROP TABLESPACE small');
      }
    }));

test(
    'PostgreSQL that crashes, since the disk of its log is full', {timeout: 180_000},
    (context) => onSmallDisk(context, 64, async (disk) => {
      const doomed = new Cluster();
      doomed.moveLog(disk.makeDirectory('log'));
      const site = await Site.start(doomed);
      const {process} = site.server;
      try {
        await survives(site, context, {
          async begin() {
            await disk.fill();
            // Log enough to need another segment.
            const client = site.server.client({timeoutMs: 500});
            const text = [...Array(1 << 16).keys()].map((i) => i.toString(36)).join();
            let number = 0;
            await until('PostgreSQL crashes', async () => {
              number += 1;
              const large = insert(`large-${number}`, {text, createdAt: at()});
              await client.post({changes: [large]}).catch(() => {});
              return process.text.includes('database_connection_lost');
            }, {everyMs: 0});
          },
          async end() {
            disk.empty();
            await doomed.startAgain();
          }
        });
      } finally {
        await site.stop();
        doomed.remove();
      }
    }));
