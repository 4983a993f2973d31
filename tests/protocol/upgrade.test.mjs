// docs/OPERATIONS.md, Upgrade: behind a socket that the service manager holds, no request is lost.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';

import {at, insert} from './support/client.mjs';
import {assertOnceEach, Writer} from './support/follow.mjs';
import {Process, Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const script = fileURLToPath(new URL('support/inherited.py', import.meta.url));
const directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-socket-'));
const door = path.join(directory, 'door');
const manager = spawn('python3', [script, 'hold', door], {stdio: ['pipe', 'pipe', 'inherit']});
after(async () => {
  manager.stdin.end();
  if (manager.exitCode === null) await once(manager, 'exit');
  rmSync(directory, {recursive: true});
});
const port = Number(String((await once(manager.stdout, 'data'))[0]));
const wrapper = ['python3', script, 'run', door];

// PORT is not looked at, since the socket is there.
const server = await Server.start({wrapper, env: {PORT: '1'}});
after(() => server.stop());

test('the inherited socket is served, and PORT is not asked for', () => {
  assert.equal(server.port, port);
  assert.match(server.process.text, /"listening","address":"inherited"/);
});

test('requests that come between two servers wait for the second one', async () => {
  const clients = [...Array(20).keys()].map(() => server.client());
  await server.stop();
  const pushed = clients.map((client) => client.push(insert('r', {createdAt: at()})));
  const pulled = clients.map((client) => client.other().pull());
  await server.startAgain({ready: false});
  await Promise.all([...pushed, ...pulled]);
  for (const client of clients) assert.equal(await server.database.count(client.user), 1);
});

// A kept connection can be closed while a request is on its way to it: browsers send that again by
// themselves. Everything else fails the push.
function kept(client) {
  const post = client.post.bind(client);
  client.post = async (body) => {
    for (;;) {
      const answer = await post(body).catch((error) => ({error}));
      if (answer.error?.code !== 'ECONNRESET') return answer;
      client.resets = (client.resets ?? 0) + 1;
    }
  };
  return client;
}

test(
    'over five restarts under load every push is answered 200, and stored once',
    async (context) => {
      const first = server.client();
      const writers = [...Array(8).keys()].map((i) => {
        const client = kept(first.other());
        if (i % 2 === 0) client.agent = false;  // a connection for each push
        return new Writer(client, {});
      });
      const running = Promise.all(writers.map((writer) => writer.run()));
      const pushes = () => writers.reduce((sum, writer) => sum + writer.pushes, 0);
      for (let i = 0; i < 5; i += 1) {
        const enough = pushes() + 100;
        await Promise.race([running, until('pushes', () => pushes() >= enough, {everyMs: 1})]);
        await server.restart({ready: false});
      }
      for (const writer of writers) writer.stopped = true;
      await running;
      const resets = writers.reduce((sum, {client}) => sum + (client.resets ?? 0), 0);
      context.diagnostic(`${pushes()} pushes, of which ${resets} met the end of their connection`);
      const acknowledged = writers.flatMap((writer) => writer.acknowledged);
      const rows = await server.database.changes(first.user);
      assertOnceEach(rows.map((row) => row.record_id), acknowledged, 'the table');
    });

test('a socket that cannot be used ends the start, and says why', async () => {
  const env = {...server.env, LISTEN_FDS: '2'};
  const shell = (redirected) => ['sh', '-c', `LISTEN_PID=$$ exec "$@" ${redirected}`, 'sh'];
  const several = new Process(env, [], shell(''));
  assert.deepEqual(await several.exit(), {code: 2, signal: null});
  assert.match(several.text, /^mana-sync: LISTEN_FDS is 2, but one/m);
  const none = new Process({...env, LISTEN_FDS: '1'}, [], shell('3</dev/null'));
  assert.deepEqual(await none.exit(), {code: 2, signal: null});
  assert.match(none.text, /^mana-sync: the inherited descriptor 3 is not a TCP socket/m);
});
