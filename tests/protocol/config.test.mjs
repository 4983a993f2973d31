// How the server starts and ends: its variables, its exit codes, signals.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {RawSocket} from './support/raw.mjs';
import {Process, Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const {DATABASE_URL, JWKS_URL} = server.env;
const right = {
  DATABASE_URL,
  JWKS_URL,
  PORT: '0'
};

async function outcome(env, ...args) {
  const process = new Process(env, args);
  const {code} = await process.exit();
  return {code, out: process.stdout, err: process.text};
}

test('--help and --version print and exit with 0', async () => {
  const help = await outcome({}, '--help');
  assert.equal(help.code, 0);
  for (const name
           of ['PORT', 'DATABASE_URL', 'JWKS_URL', 'CORS_ORIGINS', 'MANA_SYNC_LISTEN_ADDRESS',
               'MANA_SYNC_MAX_BODY_BYTES', 'MANA_SYNC_MAX_CLOCK_SKEW_MS',
               'MANA_SYNC_PG_WRITE_CONNECTIONS', 'MANA_SYNC_PG_READ_CONNECTIONS',
               'MANA_SYNC_LOG_LEVEL', 'MANA_SYNC_JWT_ISSUER', 'MANA_SYNC_JWT_AUDIENCE',
               'MANA_SYNC_CACHE_BYTES', 'MANA_SYNC_MAX_CONNECTIONS', 'MANA_SYNC_MAX_OUTPUT_BYTES',
               'MANA_SYNC_MAX_BODIES_BYTES', 'MANA_SYNC_MAX_CONNECTIONS_PER_ADDRESS',
               'MANA_SYNC_MAX_REQUESTS_PER_SECOND_PER_USER']) {
    assert.ok(help.out.includes(name), `--help tells of ${name}`);
  }
  const version = await outcome({}, '--version');
  assert.deepEqual([version.code, /\d+\.\d+\.\d+/.test(version.out)], [0, true]);
});

test(
    'an unknown flag is refused',
    async () => { assert.notEqual((await outcome(right, '--no-such-flag')).code, 0); });

test('--check-config accepts what is right, and starts nothing', async () => {
  assert.equal((await outcome(right, '--check-config')).code, 0);
  assert.equal((await outcome({}, '--check-config')).code, 0, 'the defaults');
});

test(
    'a wrong value: one line with the variable, the value and what it may be, and exit 2',
    async () => {
      const wrong = {
        PORT: ['abc', '-1', '65536', '80x', ' 80', '1e3'],
        DATABASE_URL: ['nonsense'],
        JWKS_URL: ['ftp://a/b', 'jwks.json'],
        CORS_ORIGINS: ['https://*.a.*'],
        MANA_SYNC_LISTEN_ADDRESS: ['nowhere', '1.2.3'],
        MANA_SYNC_MAX_BODY_BYTES: ['0', '-5', '10MB', '99999999999999999999'],
        MANA_SYNC_MAX_CLOCK_SKEW_MS: ['-1', 'x'],
        MANA_SYNC_PG_WRITE_CONNECTIONS: ['0', 'two'],
        MANA_SYNC_PG_READ_CONNECTIONS: ['0', '1000000'],
        MANA_SYNC_LOG_LEVEL: ['loud', 'INFO!'],
        MANA_SYNC_CACHE_BYTES: ['-1', 'all'],
        MANA_SYNC_MAX_CONNECTIONS: ['0', 'x'],
        MANA_SYNC_MAX_OUTPUT_BYTES: ['0', '1 GiB'],
        MANA_SYNC_MAX_BODIES_BYTES: ['10485759', 'x'],
        MANA_SYNC_MAX_CONNECTIONS_PER_ADDRESS: ['-1', 'x'],
        MANA_SYNC_MAX_REQUESTS_PER_SECOND_PER_USER: ['-1', '0.5'],
        MANA_SYNC_CORE_DUMPS: ['maybe']
      };
      for (const [name, values] of Object.entries(wrong)) {
        for (const value of values) {
          for (const args of [[], ['--check-config']]) {
            const {code, out, err} = await outcome({...right, [name]: value}, ...args);
            const told = `${name}=${value} ${args}: ${code} ${err}`;
            assert.equal(code, 2, told);
            assert.equal(out, '', told);
            assert.equal(err.split('\n').length, 1, told);
            assert.ok(err.includes(name) && err.includes(value), told);
          }
        }
      }
    });

test('no output holds a secret', async () => {
  const secret = 'o0vurgh6';
  const encoded = `%6f${secret.slice(1)}`;
  const urls = [
    `postgresql://user:${secret}@127.0.0.1:1/x`,
    `postgresql://user:${encoded}@127.0.0.1:1/x`,
    `postgresql://user:a/${secret}@127.0.0.1:1/x`,
    `postgresql://user:${secret}/a@127.0.0.1:1/x`,
    `postgresql://user:1/${secret}@127.0.0.1:1/x`,
    `postgresql://user:a@${secret}@127.0.0.1:1/x`,
    `postgresql://127.0.0.1:1/x?user=a&password=${secret}`,
    `postgresql://127.0.0.1:1/x?user=a&pass%77ord=${secret}`,
    `postgresql://127.0.0.1:1/x?user=a&nonsense=${secret}`,
    `host=127.0.0.1 port=1 password=${secret}`,
    `host=127.0.0.1 port=1 password = 'a \\' ${secret}'`,
    `host=127.0.0.1 port=1 password='a ${secret}`,
    `host=127.0.0.1 port=1 password=a ${secret}`,
    `mysql://user:${secret}@127.0.0.1:1/x`,
  ];
  const settings = [
    ...urls.map((url) => ({DATABASE_URL: url})),
    {JWKS_URL: `http://user:${secret}@127.0.0.1:1/jwks?token=${secret}`},
    {JWKS_URL: `ftp://user:${secret}@127.0.0.1:1/jwks?token=${secret}`},
  ];
  await Promise.all(settings.map(async (setting) => {
    const env = {...right, DATABASE_URL: 'host=127.0.0.1 port=1', MANA_SYNC_LOG_LEVEL: 'debug'};
    const process = new Process({...env, ...setting});
    await until(
        'it ends, or could not connect and fetch',
        () => process.end ||
            (process.text.includes('database_connection_lost') &&
             (!setting.JWKS_URL || process.text.includes('key_set'))));
    process.child.kill('SIGTERM');
    await process.exit();
    const told = `${JSON.stringify(setting)}: ${process.text}`;
    assert.ok(!told.slice(told.indexOf('}: ')).includes(secret.slice(1)), told);
  }));
  for (const setting of settings) {
    // A word behind a password without quotes is no value of it, but nobody meant it so.
    if (setting.DATABASE_URL === `host=127.0.0.1 port=1 password=a ${secret}`) continue;
    const {out, err} = await outcome({...right, ...setting}, '--check-config');
    assert.ok(!(out + err).includes(secret.slice(1)), `${JSON.stringify(setting)}: ${out}${err}`);
  }
});

test('a crash leaves no core dump, unless it is asked for', async () => {
  const limits = (server) =>
      /Max core file size +(\S+)/.exec(readFileSync(`/proc/${server.process.child.pid}/limits`))[1];
  assert.equal(limits(server), '0');
  // AddressSanitizer forbids them by itself.
  const sanitizer = process.env.ASAN_OPTIONS;
  const open = await Server.start({
    env: {
      MANA_SYNC_CORE_DUMPS: 'yes',
      ...(sanitizer && {ASAN_OPTIONS: `${sanitizer}:disable_coredump=0`})
    },
    wrapper: ['prlimit', '--core=4096'],
    ready: false
  });
  assert.equal(limits(open), '4096');
  await open.stop();
});

test('a port that is taken: a clear end, not a silent one', async () => {
  const {code, err} =
      await outcome({...right, PORT: String(server.port), MANA_SYNC_LISTEN_ADDRESS: '127.0.0.1'});
  assert.ok(code > 0);
  assert.ok(err.includes(String(server.port)) || /address.*in use/i.test(err), err);
});

test('by default it listens on IPv4 and IPv6', async () => {
  const both = await Server.start({env: {MANA_SYNC_LISTEN_ADDRESS: ''}});
  try {
    assert.equal((await both.get('/health')).status, 200);
    const {default: http} = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      http.get({host: '::1', port: both.port, path: '/health', agent: false}, (response) => {
            response.resume();
            resolve(response.statusCode);
          }).on('error', reject);
    });
    assert.equal(status, 200);
  } finally {
    await both.stop();
  }
});

const isClosed = (port) => RawSocket.connect(port).then((raw) => {
  raw.destroy();
  return false;
}, () => true);

for (const signal of ['SIGTERM', 'SIGINT']) {
  test(
      `${signal} lets a request in flight finish, takes no new ones, and exits with 0`,
      async () => {
        const ending = await Server.start();
        const client = ending.client();
        const body = JSON.stringify({changes: [insert('a', {createdAt: at()})]});
        const idle = await RawSocket.connect(ending.port);
        assert.equal(
            (await idle.send('GET /health HTTP/1.1\r\nHost: a\r\n\r\n').response()).status, 200);
        const raw = await RawSocket.connect(ending.port);
        raw.send(
            `POST /sync/app HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${client.token}\r\n` +
            `Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`);
        await until(
            'the server reads the request',
            async () => JSON.parse((await ending.get('/health')).text).connections >= 2);
        ending.process.child.kill(signal);
        await idle.end();
        await until('no new connection is taken', () => isClosed(ending.port));
        assert.equal(ending.process.end, undefined, 'it waits for the request');
        const answer = await raw.send(body.slice(10)).response();
        assert.equal(answer.status, 200);
        assert.equal(answer.headers.connection, 'close');
        await raw.end();
        assert.deepEqual(await ending.process.exit(), {code: 0, signal: null}, ending.process.text);
        assert.equal(await ending.database.count(client.user), 1);
      });
}

test('a request that never ends does not hold up the end for ever', async () => {
  const ending = await Server.start();
  const raw = await RawSocket.connect(ending.port);
  raw.send(
      'POST /sync/app HTTP/1.1\r\nHost: a\r\n' +
      `Authorization: Bearer ${ending.token('a')}\r\nContent-Length: 10\r\n\r\n{`);
  await until(
      'the server reads the request',
      async () => JSON.parse((await ending.get('/health')).text).connections >= 2);
  await ending.stop();
  raw.destroy();
});

test('SIGTERM before PostgreSQL was ever reached ends it too', async () => {
  const process = new Process({...right, DATABASE_URL: 'postgresql://user@127.0.0.1:1/x'});
  await until('it listens', () => process.port);
  process.child.kill('SIGTERM');
  assert.deepEqual(await process.exit(), {code: 0, signal: null}, process.text);
});
