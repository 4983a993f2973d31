// PROTOCOL 1.5: a key that left the JWKS takes its tokens with it, and what they began.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {Key, seconds} from './support/tokens.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

test('1.5 sessions of a key that left the JWKS expire, those of others go on', async () => {
  const [leaving, staying, coming] = ['leaving', 'staying', 'coming'].map((kid) => new Key(kid));
  const tokenOf = (key, user) => key.token({sub: user, exp: seconds() + 3600});
  server.jwks.write(leaving, staying);
  await server.restart();

  const sessionsOf = async (key) => {
    const client = server.client({token: tokenOf(key, key.kid)});
    return {socket: await Socket.of(client), events: await EventStream.open(client)};
  };
  const old = await sessionsOf(leaving);
  const other = await sessionsOf(staying);

  // A token of a key that is not known makes the server look again, once in 10 s (1.4).
  server.jwks.write(staying, coming);
  const client = server.client({token: tokenOf(coming, 'coming')});
  await until('the new key is known', async () => {
    const {status} = await client.query({collection: 'todos', since: beginning});
    return status === 200;
  });

  assert.deepEqual(await old.socket.next(), {type: 'auth-expired'});
  await old.events.end();
  // As after `exp`, another token saves it (6.4).
  await old.socket.auth(tokenOf(coming, 'leaving'));
  await old.socket.silent();
  await other.socket.silent();
  assert.equal(other.events.closed, undefined);
  for (const session of [old, other]) session.socket.destroy();
  other.events.destroy();
});

test('1.4 a push whose key left while its body came is refused', async () => {
  const [leaving, staying] = ['leaves-midway', 'stays'].map((kid) => new Key(kid));
  server.jwks.write(leaving, staying);
  await server.restart();
  const body = JSON.stringify({changes: [insert('r', {createdAt: at()})]});
  const begin = async (key) => {
    const client = server.client({token: key.token({sub: key.kid})});
    const raw = await RawSocket.connect(server.port);
    raw.send(
        `POST ${client.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${client.token}\r\n` +
        `Content-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`);
    assert.equal((await raw.response()).status, 100, 'the token was good');
    return raw;
  };
  const pushes = await Promise.all([leaving, staying].map(begin));
  server.jwks.write(staying);
  const another = server.client({token: new Key('nobody').token({sub: 'x'})});
  const late = server.client({token: leaving.token({sub: 'x'})});
  await until('the keys are read again', async () => {
    await another.query({collection: 'todos', since: beginning});
    return (await late.query({collection: 'todos', since: beginning})).status === 401;
  });
  const statuses = [];
  for (const raw of pushes) statuses.push((await raw.send(body).response()).status);
  assert.deepEqual(statuses, [401, 200]);
  for (const raw of pushes) raw.destroy();
});
