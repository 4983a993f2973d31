// PROTOCOL 6.3: as whom a WebSocket is authenticated. How long it counts: websocket_times.test.mjs.
import assert from 'node:assert/strict';
import path from 'node:path';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {JwksEndpoint} from './support/jwks_endpoint.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {Key, seconds} from './support/tokens.mjs';
import {fresh, test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

let count = 0;
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});
const missing = {
  type: 'error',
  message: 'missing token'
};
const invalid = {
  type: 'error',
  message: 'invalid token'
};

// The socket gets `message`, and is closed with the code and reason of PROTOCOL 6.3.
async function refusedAsInvalid(socket) {
  assert.deepEqual(await socket.next(), invalid);
  assert.deepEqual(await socket.closed(), {code: 1008, reason: 'invalid token'});
}

const withoutToken = [
  {type: 'auth'}, {type: 'auth', token: ''}, {type: 'auth', token: null}, {type: 'auth', token: 7},
  {type: 'auth', token: {}}, {type: 'auth', token: ['x']}, {type: 'auth', Token: 'x'}
];

test('6.3 a missing, empty or non-string token: an error, and the socket stays open', async () => {
  const client = server.client();
  const socket = await Socket.open(server, `/ws/${client.app}`);
  for (const message of withoutToken) {
    assert.deepEqual(await socket.send(message).next(), missing, JSON.stringify(message));
  }
  await socket.silent();
  await socket.auth(client.token);
  await client.push(something());
  await socket.notice();
  socket.destroy();
});

test('6.3 an empty token does not take an authentication away', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  for (const message of withoutToken) {
    assert.deepEqual(await socket.send(message).next(), missing);
  }
  await client.other().push(something());
  assert.deepEqual(await socket.notice(), {appId: client.app, tables: ['todos']});
  socket.destroy();
});

const badTokens = (user) => {
  const {key} = server;
  const good = server.token(user);
  const [head, body, signature] = good.split('.');
  const claims = {sub: user, exp: seconds() + 3600};
  return {
    'no token at all': 'x',
    'a space': ' ',
    'a Bearer': `Bearer ${good}`,
    'a cut one': good.slice(0, -1),
    'another signature': `${head}.${body}.${signature.split('').reverse().join('')}`,
    'another key under the same kid': new Key(key.kid).token(claims),
    'an expired one': server.token(user, {exp: seconds() - 31}),
    'one for later': server.token(user, {nbf: seconds() + 120}),
    'no user': key.token({exp: seconds() + 3600}),
    'an empty user': key.token({...claims, sub: ''}),
    'a NUL in the user': key.token({...claims, sub: 'a\u0000b'}),
    'alg none': key.token(claims, {alg: 'none', kid: key.kid}),
    'alg HS256': key.token(claims, {alg: 'HS256', kid: key.kid}),
    'no kid': key.token(claims, {alg: 'EdDSA'}),
    'an embedded key': key.token(claims, {alg: 'EdDSA', jwk: key.jwk}),
    'unicode': '\u{1d54f}'.repeat(100)
  };
};

test('6.3 a bad token: an error, then close 1008 `invalid token`', async () => {
  for (const [what, token] of Object.entries(badTokens(fresh('user')))) {
    const socket = await Socket.open(server, '/ws/app');
    socket.send({type: 'auth', token});
    await refusedAsInvalid(socket).catch((error) => { throw new Error(what, {cause: error}); });
  }
});

test('6.3 a bad token on an authenticated socket closes it too', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  // What comes behind it is not looked at.
  socket.send({type: 'auth', token: 'x'}).send({type: 'auth', token: client.token});
  await refusedAsInvalid(socket);
});

test(
    '6.3 without authentication nothing is heard, whatever the request\'s headers say',
    async () => {
      const client = server.client();
      const headers = {Authorization: `Bearer ${client.token}`};
      const sockets = await Promise.all(
          ['/ws', `/ws/${client.app}`].map((path) => Socket.open(server, path, {headers})));
      const witness = await Socket.of(client);
      await client.other().push(something());
      await witness.notice();
      for (const socket of sockets) await socket.silent();
      for (const socket of [...sockets, witness]) socket.destroy();
    });

test('6.3 a token of 14 KiB works', async () => {
  const client = server.client();
  const token = server.token(client.user, {pad: 'x'.repeat(10_000)});
  assert.ok(token.length > 13_000 && token.length <= 14 * 1024);
  const socket = await Socket.open(server, `/ws/${client.app}`);
  await socket.auth(token);
  await client.push(something());
  await socket.notice();
  socket.destroy();
});

test('6.3 a token without exp works', async () => {
  const client = server.client();
  const socket = await Socket.open(server, `/ws/${client.app}`);
  await socket.auth(server.key.token({sub: client.user}));
  await client.push(something());
  await socket.notice();
  socket.destroy();
});

test('6.3 auth again as another user moves the session', async () => {
  const [one, two] = [server.client(), server.client()];
  const socket = await Socket.of(one);
  await socket.auth(two.token);
  await one.other().push(something('one'));
  await two.other().push(something('two'));
  assert.deepEqual((await socket.notice()).tables, ['two']);
  await socket.silent();
  await socket.auth(one.token);
  await two.other().push(something('two'));
  await one.other().push(something('one'));
  assert.deepEqual((await socket.notice()).tables, ['one']);
  await socket.silent();
  socket.destroy();
});

test('6.3 of two auths sent at once the later one stands', async () => {
  const [one, two] = [server.client(), server.client()];
  const socket = await Socket.open(server, `/ws/${one.app}`);
  for (const {token} of [two, one, two, one]) socket.send({type: 'auth', token});
  for (let i = 0; i < 4; i += 1) assert.deepEqual(await socket.next(), {type: 'auth-ok'});
  await two.other().push(something('two'));
  await one.other().push(something('one'));
  assert.deepEqual((await socket.notice()).tables, ['one']);
  await socket.silent();
  socket.destroy();
});

test('6.3 auth again as another client hears of the first one\'s pushes', async () => {
  const one = server.client();
  const two = one.other();
  const socket = await Socket.of(one);
  await socket.auth(one.token, {clientId: two.id});
  await two.push(something('two'));
  await one.push(something('one'));
  assert.deepEqual((await socket.notice()).tables, ['one']);
  await socket.silent();
  socket.destroy();
});

test('6.3 no notice is lost while a session is extended', async () => {
  const client = server.client();
  const socket = await Socket.of(client);
  const tables = [...Array(200).keys()].map((i) => `t${i}`);
  const heard = new Set();
  let extended = 0;
  socket.ws.on('message', (data) => {
    const message = JSON.parse(data);
    if (message.type === 'auth-ok') extended += 1;
    for (const table of message.tables ?? []) heard.add(table);
  });
  const authors = tables.map(() => client.other());
  let done = false;
  const extending = (async () => {
    for (let i = 0; !done; i += 1) {
      socket.send({
        type: 'auth',
        token: server.token(client.user, {exp: seconds() + 3600 + i}),
        clientId: client.id
      });
      await until('the session is extended', () => extended > i, {everyMs: 0});
    }
  })();
  await Promise.all(tables.map((table, i) => authors[i].push(something(table))));
  done = true;
  await extending;
  await until('every table was named', () => heard.size === tables.length);
  assert.ok(extended > 1);
  socket.destroy();
});

async function withServer(options, body) {
  const other = await Server.start(options);
  try {
    await body(other);
  } finally {
    await other.stop();
  }
}

test('1.4 a token with an unknown kid waits for the keys to be fetched', async () => {
  const [old, young] = [new Key('old'), new Key('young')];
  const endpoint = await JwksEndpoint.start(old);
  await withServer({env: {JWKS_URL: endpoint.url}}, async (other) => {
    const witness = other.client({token: old.token({sub: 'a'})});
    await until('the keys are there', async () => (await witness.post('{}')).status === 200);
    endpoint.hold();
    // A fetch for an unknown kid comes 10 s after the last at the earliest; until then the kid is
    // refused.
    const wanted = {type: 'auth', token: young.token({sub: 'a'})};
    const waiting = await until('a fetch is due', async () => {
      const socket = await Socket.open(other, `/ws/${witness.app}`);
      socket.send(wanted);
      await until('it waits, or is refused', () => socket.end ?? endpoint.held.length > 0);
      return endpoint.held.length > 0 && socket;
    }, {everyMs: 200});
    const more = await Promise.all([...Array(10).keys()].map(async () => {
      const socket = await Socket.open(other, `/ws/${witness.app}`);
      return socket.send(wanted);
    }));
    const gone = await Socket.open(other, `/ws/${witness.app}`);
    gone.send(wanted).destroy();
    // Who knows its kid does not wait.
    const known = await Socket.of(witness);
    endpoint.serve(old, young);
    for (const socket of [waiting, ...more]) {
      assert.deepEqual(await socket.next(), {type: 'auth-ok'});
    }
    await witness.other({token: witness.token}).push(something());
    for (const socket of [waiting, known, ...more]) {
      assert.deepEqual(await socket.notice(), {appId: witness.app, tables: ['todos']});
      socket.destroy();
    }
    assert.equal(endpoint.fetches, 2, 'one fetch for all');
  });
});

test('1.4 before any key was fetched a token is not called invalid: close 1013', async () => {
  const JWKS_URL = `file://${path.join('/nonexistent', fresh('jwks'))}`;
  await withServer({env: {JWKS_URL}}, async (other) => {
    const socket = await Socket.open(other, '/ws/app');
    assert.deepEqual(await socket.send({type: 'auth'}).next(), missing);
    socket.send({type: 'auth', token: other.token('a')});
    assert.equal((await socket.closed()).code, 1013);
    const heard = socket.queue.filter(({message}) => message === 'invalid token');
    assert.deepEqual(heard, []);
  });
});
