// DATABASE_URL with several hosts: libpq's rules say which one is taken (a URI's host list,
// target_session_attrs), and what it does not know is named at start.
import assert from 'node:assert/strict';
import net from 'node:net';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {Cluster, Database, freshDatabase} from './support/postgres.mjs';
import {Proxy} from './support/proxy.mjs';
import {Process, Server} from './support/server.mjs';
import {Load} from './support/site.mjs';
import {test, until} from './support/wait.mjs';

const cluster = new Cluster();
const database = await freshDatabase(cluster.url);
const {username, password, port} = new URL(database.url);
const first = await Proxy.to(Number(port));
const second = await Proxy.to(Number(port));
after(() => Promise.all([first.stop(), second.stop()]));

const urlOf = (hosts, parameters = '') =>
    `postgresql://${username}:${password}@${hosts}/${database.name}${parameters}`;
const both = `127.0.0.1:${first.port},127.0.0.1:${second.port}`;

const push = (server) => server.client().push(insert('a', {createdAt: at()}));

const forms = {
  'a URI': urlOf(both),
  'a keyword string': `host=127.0.0.1,127.0.0.1 port=${first.port},${second.port} user=${
      username} password=${password} dbname=${database.name}`
};
for (const [form, DATABASE_URL] of Object.entries(forms)) {
  test(`${form} with two hosts: the second is taken while the first is down`, async () => {
    const server = await Server.start({database, env: {DATABASE_URL}});
    await push(server);
    assert.equal(second.connections, 0);
    await first.down();
    await until('pushes are taken again', async () => {
      const {status} = await server.client().post({changes: [insert('b', {createdAt: at()})]});
      return status === 200;
    });
    assert.ok(second.connections > 0);
    await first.up();
    await server.stop();
    second.connections = 0;
  });
}

test('a first host that is silent does not keep it from the second', async () => {
  const sockets = [];
  const silent = net.createServer((socket) => sockets.push(socket.on('error', () => {})));
  await new Promise((resolve) => { silent.listen(0, '127.0.0.1', resolve); });
  const hosts = `127.0.0.1:${silent.address().port},127.0.0.1:${second.port}`;
  const server = await Server.start({database, env: {DATABASE_URL: urlOf(hosts)}});
  await push(server);
  await server.stop();
  for (const socket of sockets) socket.destroy();
  silent.close();
});

test('a parameter that libpq does not know is named, and the start ends with 2', async () => {
  const secret = 'xvurghx';
  for (const [url, told] of [
           [urlOf(both, '?target_session_atrs=any'), 'target_session_atrs'],
           ['host=127.0.0.1 pord=5432 password=x', 'pord'],
           // Where the name may be a part of a password that was not escaped, it is not told.
           [`postgresql://user:my/pass?${secret}=1@127.0.0.1/x`, undefined],
           [`host=127.0.0.1 password=my ${secret}=1`, undefined],
  ]) {
    for (const args of [[], ['--check-config']]) {
      const process = new Process({DATABASE_URL: url, JWKS_URL: 'file:///none', PORT: '0'}, args);
      const {code} = await process.exit();
      const about = `${url} ${args}: ${code} ${process.text}`;
      assert.equal(code, 2, about);
      assert.ok(process.text.includes('DATABASE_URL'), about);
      if (told) assert.ok(process.text.includes(`'${told}'`), about);
      assert.ok(!process.text.includes(secret), about);
      assert.ok(!process.text.includes(password), about);
    }
  }
});

// The last test here: nothing is left of the first cluster.
test('2.1, 10.1 the primary dies, its replica is promoted: nothing is lost', async (context) => {
  const replica = new Cluster({replicaOf: cluster});
  // What is acknowledged is on both.
  await database.run('ALTER SYSTEM SET synchronous_standby_names = \'*\'');
  await database.run('SELECT pg_reload_conf()');
  await until(
      'the replica follows',
      async () => await database.run('SELECT sync_state FROM pg_stat_replication') === 'sync');

  // The replica is passed over while it only reads.
  const hosts = [replica, cluster].map(({url}) => new URL(url).host);
  const DATABASE_URL = urlOf(hosts, '?target_session_attrs=read-write');
  const server = await Server.start({database, env: {DATABASE_URL}});
  const replicated = new Database(database.url.replace(hosts[1], hosts[0]));
  const load = new Load({server, database: replicated});
  try {
    await load.more(40);
    cluster.kill();
    await server.says('degraded');
    replica.promote();
    const promoted = performance.now();
    await load.all();
    context.diagnostic(`it serves ${Math.round(performance.now() - promoted)} ms after`);
    await load.finish();
  } finally {
    load.abandon();
  }
  await server.stop();
  replica.remove();
});
