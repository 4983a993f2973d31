// PROTOCOL 6.3 to 6.5, 7.2: how long the server waits for those who are connected. These are its
// real times: the tests run side by side, and each waits for the server's own act.
import assert from 'node:assert/strict';
import {after, describe, it} from 'node:test';

import {at, insert} from './support/client.mjs';
import {EventStream} from './support/events.mjs';
import {frame, FrameSocket, opcodes, text} from './support/frames.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {seconds} from './support/tokens.mjs';
import {takes, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

let count = 0;
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});
const timedOut = {
  code: 1008,
  reason: 'auth timeout'
};
const expired = {
  code: 1008,
  reason: 'token expired'
};
const ping = '{"type":"ping"}';

// Calls `act` every `everyMs` until `done` has come to an end; returns what it came to.
async function meanwhile(everyMs, act, done) {
  const timer = setInterval(act, everyMs);
  try {
    return await done();
  } finally {
    clearInterval(timer);
  }
}

// Seconds from now until the Unix time `time`.
const secondsUntil = (time) => time - Date.now() / 1000;

// A socket whose token expires `inSeconds` from now, and when that is.
async function expiring(client, inSeconds) {
  const exp = Math.floor(Date.now() / 1000 + inSeconds);
  const socket = await Socket.open(server, `/ws/${client.app}`);
  await socket.auth(server.token(client.user, {exp}));
  return {socket, exp};
}

// The socket is told that its token expired, and not before it has.
async function toldOfExpiry({socket, exp}) {
  assert.deepEqual(await socket.next(), {type: 'auth-expired'});
  const late = -secondsUntil(exp);
  assert.ok(late > -0.1 && late < 5, `${late} s after exp`);
}

describe('6 times of a WebSocket', {concurrency: true, timeout: 200_000}, () => {
  it('6.3 not authenticated 10 s after the upgrade: close 1008 `auth timeout`', async () => {
    const socket = await Socket.open(server);
    assert.deepEqual(await takes(9, 15, () => socket.closed()), timedOut);
  });

  it('6.3 pings and missing tokens do not gain time', async () => {
    const socket = await Socket.open(server);
    const act = () => socket.send(ping).send({type: 'auth'});
    const end = await meanwhile(1000, act, () => takes(9, 15, () => socket.closed()));
    assert.deepEqual(end, timedOut);
  });

  it('6.3 nor does a message that never ends', async () => {
    const socket = await Socket.open(server);
    socket.ws.send('{"type":', {fin: false});
    const act = () => socket.ws.send(' ', {fin: false});
    const end = await meanwhile(500, act, () => takes(9, 15, () => socket.closed()));
    assert.deepEqual(end, timedOut);
  });

  it('6.3 who authenticates in time stays', async () => {
    const client = server.client();
    const late = await Socket.open(server, `/ws/${client.app}`);
    const early = await Socket.of(client);
    const witness = await Socket.open(server);
    // Its timer began last.
    setTimeout(() => late.auth(client.token).catch(() => {}), 7000);
    await witness.closed();
    await client.other().push(something());
    for (const socket of [late, early]) {
      await until('it is notified', () => socket.queue.some(({type}) => type === 'sync-available'));
      assert.equal(socket.end, undefined);
      socket.destroy();
    }
  });

  it('6.4 when exp passes: auth-expired, and 30 s later close 1008 `token expired`', async () => {
    const session = await expiring(server.client(), 4);
    await toldOfExpiry(session);
    assert.deepEqual(await takes(28, 36, () => session.socket.closed({seconds: 60})), expired);
    assert.deepEqual(session.socket.queue, []);
  });

  it('6.4 pings and bad messages do not gain time', async () => {
    const session = await expiring(server.client(), 3);
    await toldOfExpiry(session);
    const act = () => session.socket.send(ping).send({type: 'auth'});
    const close = () => takes(28, 36, () => session.socket.closed({seconds: 60}));
    assert.deepEqual(await meanwhile(1000, act, close), expired);
  });

  it('6.4 who authenticates again in between stays, and hears of what came meanwhile', async () => {
    const client = server.client();
    const session = await expiring(client, 3);
    const witness = await expiring(client, 3);
    await toldOfExpiry(session);
    await client.other().push(something('meanwhile'));
    session.socket.send({type: 'auth', token: client.token});
    const two = [await session.socket.next(), await session.socket.next()];
    assert.deepEqual(
        two.sort((a, b) => a.type.localeCompare(b.type)),
        [{type: 'auth-ok'}, {type: 'sync-available', appId: client.app, tables: ['meanwhile']}]);
    assert.deepEqual(await witness.socket.closed({seconds: 60}), expired);
    await session.socket.silent();
    await client.other().push(something('later'));
    assert.deepEqual((await session.socket.notice()).tables, ['later']);
    session.socket.destroy();
  });

  it('6.3 who authenticates again before exp is not told of it', async () => {
    const client = server.client();
    const session = await expiring(client, 4);
    const witness = await expiring(client, 4);
    await session.socket.auth(client.token);
    await toldOfExpiry(witness);
    assert.deepEqual(await witness.socket.closed({seconds: 60}), expired);
    await session.socket.silent();
    session.socket.destroy();
  });

  it('6.3 a newer token that expires sooner counts from then on', async () => {
    const client = server.client();
    const socket = await Socket.of(client);
    const exp = seconds() + 3;
    await socket.auth(server.token(client.user, {exp}));
    await toldOfExpiry({socket, exp});
    await socket.auth(server.token(client.user, {exp: exp + 4}));
    await toldOfExpiry({socket, exp: exp + 4});
    assert.deepEqual(await socket.closed({seconds: 60}), expired);
  });

  it('6.4, 1.3 a token in its leeway is taken, and is called expired at once', async () => {
    const client = server.client();
    const socket = await Socket.open(server, `/ws/${client.app}`);
    await socket.auth(server.token(client.user, {exp: seconds() - 10}));
    assert.deepEqual(await socket.next({seconds: 5}), {type: 'auth-expired'});
    // 30 s after exp or after it was told: the protocol does not say.
    assert.deepEqual(await takes(17, 36, () => socket.closed({seconds: 60})), expired);
  });

  it('6.4 an exp of any size or kind is none of these', async () => {
    const client = server.client();
    const exps = [2 ** 31, 2 ** 32, 2 ** 53, 1e15, 1e18, 9.3e18, 1e300, seconds() + 500.5];
    const sockets = await Promise.all(exps.map(async (exp) => {
      const socket = await Socket.open(server, `/ws/${client.app}`);
      return socket.auth(server.token(client.user, {exp}));
    }));
    const witness = await expiring(client, 2);
    await toldOfExpiry(witness);
    witness.socket.destroy();
    for (const socket of sockets) {
      await socket.silent();
      socket.destroy();
    }
  });

  const openSilent = async () => {
    const socket = await FrameSocket.open(server.port, '/ws/app');
    socket.send(text({type: 'auth', token: server.token('silent')}));
    assert.deepEqual(await socket.next(), {type: 'auth-ok'});
    return socket;
  };

  it('6.5 after 30 s of silence the server pings, and closes after 30 s more', async () => {
    const socket = await openSilent();
    const first = await takes(28, 36, () => socket.nextFrame({seconds: 60}));
    assert.equal(first.opcode, opcodes.ping);
    const end = await takes(28, 40, async () => {
      const got = await socket.nextFrame({seconds: 60});
      // The protocol names no code.
      if (got !== undefined) assert.equal(got.opcode, opcodes.close);
      await socket.raw.end();
      return got;
    });
    if (end) assert.ok(end.payload.length >= 2);
  });

  it('6.5 who answers the server\'s pings stays', async () => {
    const socket = await openSilent();
    for (let i = 0; i < 3; i += 1) {
      const {opcode, payload} = await takes(28, 36, () => socket.nextFrame({seconds: 60}));
      assert.equal(opcode, opcodes.ping);
      socket.send(frame(opcodes.pong, payload, {}));
    }
    assert.deepEqual(await socket.send(text(ping)).next(), {type: 'pong'});
    socket.destroy();
  });

  it('6.5 who speaks is not pinged', async () => {
    const socket = await Socket.of(server.client());
    const witness = await openSilent();
    await meanwhile(5000, () => socket.send(ping), async () => {
      assert.equal((await witness.nextFrame({seconds: 60})).opcode, opcodes.ping);
    });
    assert.equal(socket.pings, 0);
    for (const each of [socket, witness]) each.destroy();
  });

  it('7.2 a heartbeat comes every 30 s', async () => {
    const stream = await EventStream.open(server.client());
    for (let i = 1; i <= 2; i += 1) {
      await takes(
          28, 34, () => until('a heartbeat', () => stream.events.length === i, {seconds: 60}));
    }
    assert.deepEqual(stream.events, [{event: 'heartbeat'}, {event: 'heartbeat'}]);
    stream.destroy();
  });

  it('7.2, 1.3 when the token has expired, leeway and all, the response ends', async () => {
    const client = server.client();
    const exp = seconds() + 3;
    const stream = await EventStream.open(client.other({token: server.token(client.user, {exp})}));
    let pushed = 0;
    const push = async () => {
      await client.push(something());
      pushed += 1;
    };
    await meanwhile(1000, () => push().catch(() => {}), () => stream.end({seconds: 60}));
    const late = -secondsUntil(exp);
    assert.ok(late > 28 && late < 38, `${late} s after exp`);
    assert.ok(stream.changes.length >= 25 && stream.changes.length <= pushed);
  });
});
