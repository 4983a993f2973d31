// Everything that serves: a PostgreSQL of its own, two servers on it, each behind a link that can
// be cut, and a front before both.
import assert from 'node:assert/strict';

import {Cluster, freshDatabase} from '../protocol/support/postgres.mjs';
import {Proxy} from '../protocol/support/proxy.mjs';
import {Server} from '../protocol/support/server.mjs';
import {until} from '../protocol/support/wait.mjs';

import {Front} from './front.mjs';

export class Site {
  static async start() {
    const site = new Site();
    site.cluster = new Cluster();
    site.database = await freshDatabase(site.cluster.url);
    site.servers = [];
    site.links = new Map();
    for (const name of ['A', 'B']) await site.#add(name);
    site.front = await Front.before(site.servers);
    await site.serving();
    return site;
  }

  async #add(name) {
    const url = new URL(this.database.url);
    const link = await Proxy.to(Number(url.port));
    url.port = link.port;
    const server = await Server.start({
      database: this.database,
      beside: this.servers[0],
      ready: false,
      env: {
        DATABASE_URL: url.href,
        // Small enough for streams to be forgotten.
        MANA_SYNC_CACHE_BYTES: String(1 << 20)
      }
    });
    this.servers.push(server);
    this.links.set(server, link);
    server.name = name;
  }

  // The server that serves; waits for it.
  serving() {
    return until('a server says 200', () => {
      this.assertAlive();
      return this.front.active;
    }, {seconds: 60, everyMs: 10});
  }

  other(server) { return this.servers.find((each) => each !== server); }

  // Servers end when they are told to, and never by themselves.
  assertAlive() {
    for (const {name, process, isDown} of this.servers) {
      if (isDown || !process.end) continue;
      assert.fail(
          `server ${name} ended by itself: ${JSON.stringify(process.end)}\n` +
          process.log.slice(-20).join('\n'));
    }
  }

  async kill(server) {
    server.isDown = true;
    await server.kill();
  }

  // SIGTERM, and a clean end.
  async terminate(server) {
    server.isDown = true;
    await server.stop();
  }

  async startAgain(server) {
    await server.startAgain({ready: false});
    server.isDown = false;
  }

  // Ends the sessions of one server, as PostgreSQL sees them, or of all.
  async endSessions(condition = 'true') {
    await this.database.run(
        'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ' +
        `current_database() AND pid <> pg_backend_pid() AND ${condition}`);
  }

  async stop() {
    await this.front.stop();
    for (const server of this.servers) await server.stop();
    for (const link of this.links.values()) await link.stop();
    this.cluster.remove();
  }
}
