// DATABASE_URL with several hosts: libpq's rules say which one is taken (a URI's host list,
// target_session_attrs), and what it does not know is named at start.
import assert from 'node:assert/strict';
import net from 'node:net';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {Cluster, Database, freshDatabase} from './support/postgres.mjs';
import {Proxy} from './support/proxy.mjs';
import {Process, Server} from './support/server.mjs';
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

test('target_session_attrs=read-write: a host that only reads is passed over', async () => {
  const reading = new Cluster();
  const name = 'mana_sync';
  const {port: readingPort} = new URL(reading.url);
  await new Database(reading.url)
      .run(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
  const writing = new Database(cluster.url);
  assert.equal(writing.name, name);
  const server = await Server.start({
    database: writing,
    env: {
      DATABASE_URL: `postgresql://${username}:${password}@127.0.0.1:${readingPort},127.0.0.1:${
          port}/${name}?target_session_attrs=read-write`
    }
  });
  const client = server.client();
  await client.push(insert('a', {createdAt: at()}));
  assert.equal(await writing.count(client.user), 1);
  await server.stop();
  reading.remove();
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
