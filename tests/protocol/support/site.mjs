// A server whose way to PostgreSQL can be disturbed, and clients that work with it meanwhile.
import assert from 'node:assert/strict';
import {setTimeout as pause} from 'node:timers/promises';

import {assertOnceEach, Follower, Writer} from './follow.mjs';
import {freshDatabase} from './postgres.mjs';
import {Proxy} from './proxy.mjs';
import {Server} from './server.mjs';
import {until} from './wait.mjs';

// What stands between clients and their changes: a server, a link that can be cut, a database.
export class Site {
  static async start(cluster, databaseOptions) {
    const site = new Site();
    site.cluster = cluster;
    site.database = await freshDatabase(cluster.url, databaseOptions);
    const url = new URL(site.database.url);
    site.link = await Proxy.to(Number(url.port));
    url.port = site.link.port;
    site.server = await Server.start({database: site.database, env: {DATABASE_URL: url.href}});
    return site;
  }

  async isHealthy() { return (await this.server.get('/health')).status === 200; }

  unhealthy() { return until('/health says so', async () => !await this.isHealthy()); }

  async stop() {
    await this.server.stop();
    await this.link.stop();
  }
}

// Writers and a follower, who wait and repeat where they are not served: they are told 503, or give
// up by themselves after `timeoutMs`.
export class Load {
  constructor(site, {timeoutMs} = {}) {
    this.site = site;
    const again = ({status}) => {
      if (this.isAbandoned) throw new Error('the test has failed');
      if (status !== undefined) assert.equal(status, 503);
      return pause(10);
    };
    const first = site.server.client({timeoutMs});
    this.user = first.user;
    this.writers =
        [1, 1, 3, 10].map((changesPerPush) => new Writer(first.other(), {changesPerPush, again}));
    this.running = Promise.all(this.writers.map((writer) => writer.run()));
    // Their failure is for finish() to tell.
    this.running.catch(() => {});
    this.follower = new Follower(first.other(), {collections: '*', limit: 50}, {again});
  }

  // Each writer has a push under way at the server, and all the server has are theirs.
  async waits() {
    await until('all writers wait', async () => {
      const {mana_sync_waiting_pushes: waiting} = await this.site.server.metrics();
      return waiting === this.writers.length;
    });
  }

  get pushes() { return this.writers.reduce((sum, writer) => sum + writer.pushes, 0); }

  async more(count) {
    const enough = this.pushes + count;
    await until(`${count} more pushes`, () => this.pushes >= enough, {seconds: 90, everyMs: 2});
  }

  // Each writer has been acknowledged since this call.
  async all() {
    const before = this.writers.map((writer) => writer.pushes);
    await until(
        'all writers are served',
        () => this.writers.every((writer, i) => writer.pushes > before[i]),
        {seconds: 90, everyMs: 2});
  }

  // Nobody goes on in vain.
  abandon() {
    this.isAbandoned = true;
    this.follower.finishing = true;
    for (const writer of this.writers) writer.stopped = true;
  }

  async finish() {
    for (const writer of this.writers) writer.stopped = true;
    await this.running;
    await this.follower.finish();
    const acknowledged = this.writers.flatMap((writer) => writer.acknowledged);
    const rows = await this.site.database.changes(this.user);
    assertOnceEach(rows.map((row) => row.record_id), acknowledged, 'the table');
    assertOnceEach(this.follower.seen, acknowledged, 'a follower');
  }
}

// Under load: `begin`, `during`, `end`; then all must be served again, and nothing be lost or
// doubled. The time that this takes is told.
export async function survives(site, context, {begin, during = () => {}, end = () => {}}) {
  const load = new Load(site);
  try {
    await load.more(20);
    await begin(load);
    await during(load);
    await end(load);
    await until(
        'PostgreSQL answers', () => site.database.run('SELECT true').catch(() => false),
        {seconds: 60, everyMs: 5});
    const back = performance.now();
    await load.all();
    context.diagnostic(`all writers are served ${Math.round(performance.now() - back)} ms later`);
    await load.finish();
  } finally {
    load.abandon();
  }
}
