// deploy/mana-sync.service and its socket: systemd takes them, and the server does with what it
// leaves. (A restart behind the socket has upgrade.test.mjs.)
import assert from 'node:assert/strict';
import {execFileSync, spawnSync} from 'node:child_process';
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after} from 'node:test';
import {fileURLToPath} from 'node:url';

import {at, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {JwksEndpoint} from './support/jwks_endpoint.mjs';
import {Process, Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {Key} from './support/tokens.mjs';
import {test, until} from './support/wait.mjs';

const file = (name) => fileURLToPath(new URL(name, import.meta.url));
const unit = file('../../deploy/mana-sync.service');
const confined = file('support/confined.py');
const directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-unit-'));
after(() => rmSync(directory, {recursive: true}));

// As it is, but for the program, which is not installed here.
const here = path.join(directory, 'mana-sync.service');
writeFileSync(
    here, readFileSync(unit, 'utf8').replace(/^ExecStart=.*$/m, `ExecStart=${process.execPath}`));
const socket = path.join(directory, 'mana-sync.socket');
copyFileSync(file('../../deploy/mana-sync.socket'), socket);

// LeakSanitizer traces its own process, which is not for a service.
const sanitizer = process.env.ASAN_OPTIONS;
const untraced = sanitizer ? {ASAN_OPTIONS: `${sanitizer}:detect_leaks=0`} : {};

test('systemd-analyze verify has nothing to say', () => {
  const {status, stdout, stderr} = spawnSync('systemd-analyze', ['verify', here, socket]);
  assert.deepEqual([status, `${stdout}${stderr}`], [0, '']);
});

test('systemd-analyze security calls it OK, at 1.5 of 10 or better', () => {
  execFileSync('systemd-analyze', ['security', '--offline=yes', '--threshold=15', here]);
});

test('as an ordinary user, with its limits, filters and no more, everything works', async () => {
  const key = new Key('test-key');
  const issuer = await JwksEndpoint.start(key);
  const server = await Server.start(
      {env: {JWKS_URL: issuer.url, ...untraced}, wrapper: ['python3', confined, unit]});
  server.key = key;
  const status = readFileSync(`/proc/${server.process.child.pid}/status`, 'utf8');
  assert.doesNotMatch(status, /^Uid:\s+0\b/m);
  assert.match(status, /^CapEff:\s+0+$/m);
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);

  const client = server.client();
  await until(
      'the keys are there',
      async () => (await client.query({collection: 'todos', since: 'x'})).status === 200);
  const socket = await Socket.of(client.other());
  const stream = await EventStream.open(client.other());
  await client.push(insert('small', {createdAt: at()}));
  await client.push(insert('large', {text: 'x'.repeat(1 << 20), createdAt: at()}));
  await stream.until(2);
  assert.equal((await client.other().pull()).serverChanges.length, 2);
  const metrics = await server.metrics();
  assert.ok(metrics.process_open_fds > 0 && metrics.process_resident_memory_bytes > 0);
  // A key that nobody has: the other thread asks again.
  const {fetches} = issuer;
  const stranger = new Key('other-key');
  await client.other({token: stranger.token({sub: 'a'})}).query({collection: 'a', since: 'x'});
  assert.ok(issuer.fetches >= fetches);
  // A connection to PostgreSQL that is lost is made again.
  await server.database.run(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE application_name = 'mana-sync' AND datname = current_database()`);
  await until('it serves again', async () => {
    const answer = await client.post({changes: [insert('again', {createdAt: at()})]});
    return answer.status === 200;
  });
  socket.destroy();
  stream.destroy();
  await server.stop();
});

test('a user who may lock no memory is told what io_uring needs', async () => {
  const poor = path.join(directory, 'poor.service');
  writeFileSync(poor, readFileSync(unit, 'utf8').replace(/^LimitMEMLOCK=.*$/m, 'LimitMEMLOCK=0'));
  const refused = new Process({PORT: '0', ...untraced}, [], ['python3', confined, poor]);
  assert.deepEqual(await refused.exit(), {code: 1, signal: null});
  assert.match(refused.text, /io_uring is not available .*ulimit -l/);
});
