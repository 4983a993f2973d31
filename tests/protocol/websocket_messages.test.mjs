// PROTOCOL 6.5, 6.6, 9.1: how a WebSocket is opened, and what may be said on it.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {FrameSocket, handshake} from './support/frames.mjs';
import {exchange} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

test('6.5 a ping is answered, before authentication and after', async () => {
  const client = server.client();
  const socket = await Socket.open(server);
  await socket.silent();
  await socket.auth(client.token);
  await socket.silent();
  for (const text of ['{"type":"ping","x":{"type":"auth"}}', ' { "type" : "\\u0070ing" }\n']) {
    socket.send(text);
    assert.deepEqual(await socket.next(), {type: 'pong'});
  }
  for (let i = 0; i < 1000; i += 1) socket.send({type: 'ping'});
  for (let i = 0; i < 1000; i += 1) assert.deepEqual(await socket.next(), {type: 'pong'});
  socket.destroy();
});

test('6.5 unknown types, and text that is not JSON, are ignored', async () => {
  const client = server.client();
  for (const isAuthenticated of [false, true]) {
    const socket = await Socket.open(server);
    if (isAuthenticated) await socket.auth(client.token);
    const ignored = [
      '',
      'x',
      '{',
      '{}',
      '[]',
      '[{"type":"ping"}]',
      'null',
      '7',
      '"ping"',
      '{"type":7}',
      '{"type":null}',
      '{"type":"Ping"}',
      '{"type":"ping2"}',
      '{"type":"pong"}',
      '{"type":"auth-ok"}',
      '{"type":"sync-available","appId":"a","tables":[]}',
      '\u0000',
      '{"type":"ping"}x',
      '{"type":"ping"',
      '{"tYpe":"ping"}',
      '['.repeat(60_000),
      `${'{"a":'.repeat(10_000)}1`,
      '{"type":["ping"]}',
      '{"type":"ping\\u0000"}'
    ];
    for (const text of ignored) socket.send(text);
    await socket.silent();
    socket.destroy();
  }
});

test('6.5 a binary message: close 1003', async () => {
  for (const data of [Buffer.from('{"type":"ping"}'), Buffer.alloc(0)]) {
    const socket = await Socket.open(server);
    socket.ws.send(data, {binary: true});
    assert.equal((await socket.closed()).code, 1003);
  }
});

const ofBytes = (bytes) => `{"type":"ping","pad":"${'x'.repeat(bytes - 24)}"}`;

test('6.5 a message of 64 KiB is fine, one byte more: close 1009', async () => {
  const socket = await Socket.open(server);
  assert.equal(ofBytes(65_536).length, 65_536);
  for (let i = 0; i < 5; i += 1) {
    socket.send(ofBytes(65_536));
    assert.deepEqual(await socket.next(), {type: 'pong'});
  }
  socket.send(ofBytes(65_537));
  assert.equal((await socket.closed()).code, 1009);
});

test('6.5 what is too long is refused with what arrived, in fragments too', async () => {
  const socket = await Socket.open(server);
  for (let i = 0; i < 3; i += 1) socket.ws.send('x'.repeat(30_000), {fin: false});
  assert.equal((await socket.closed()).code, 1009);
});

test('6.5 messages come in fragments too', async () => {
  const client = server.client();
  const socket = await Socket.open(server);
  const message = JSON.stringify({type: 'auth', token: client.token});
  for (const [i, character] of [...message].entries()) {
    socket.ws.send(character, {fin: i === message.length - 1});
    if (i % 100 === 0) socket.ws.ping();
  }
  assert.deepEqual(await socket.next(), {type: 'auth-ok'});
  socket.destroy();
});

test('6.5 protocol pings are answered with what they held', async () => {
  const socket = await Socket.open(server);
  const pongs = [];
  socket.ws.on('pong', (data) => pongs.push(data.toString('latin1')));
  const sent = ['', 'a', '\x00\xff', 'x'.repeat(125)];
  for (const data of sent) socket.ws.ping(Buffer.from(data, 'latin1'));
  await until('all are answered', () => pongs.length === sent.length);
  assert.deepEqual(pongs, sent);
  // A pong that nobody asked for.
  socket.ws.pong('x');
  await socket.silent();
  socket.destroy();
});

test('6.5 a close is answered with its code', async () => {
  for (const [code, expected] of [[1000, 1000], [4321, 4321], [undefined, 1005]]) {
    const socket = await Socket.open(server);
    assert.equal((await socket.close(code, code && 'bye')).code, expected);
  }
});

const refusal = (path, options) => exchange(server.port, handshake(path, options));

test('6.6 a GET that asks for no WebSocket: 426 with Upgrade: websocket', async () => {
  for (const path of ['/ws', '/ws/app']) {
    for (const Upgrade of [undefined, 'h2c', 'websocket2', 'web socket']) {
      const {status, headers, body} = await refusal(path, {headers: {Upgrade}});
      assert.deepEqual([status, headers.upgrade], [426, 'websocket'], Upgrade);
      assert.equal(typeof JSON.parse(body).message, 'string');
    }
    const {status, headers} = await server.get(path);
    assert.deepEqual([status, headers.upgrade], [426, 'websocket']);
    assert.equal((await server.request({method: 'HEAD', path})).status, 426);
  }
});

test('6.6 in HTTP/1.0 nothing can be upgraded: 426', async () => {
  const bytes = handshake('/ws').toString().replace('HTTP/1.1', 'HTTP/1.0');
  const {status, headers} = await exchange(server.port, bytes);
  assert.deepEqual([status, headers.upgrade], [426, 'websocket']);
});

test('6.6 another version of the protocol: 426 with Sec-WebSocket-Version: 13', async () => {
  for (const version of ['8', '0', '12', '14', '013', '13.0', 'x', '13, 8']) {
    const {status, headers} = await refusal('/ws', {headers: {'Sec-WebSocket-Version': version}});
    assert.deepEqual([status, headers['sec-websocket-version']], [426, '13'], version);
  }
});

test(
    '6.6 a handshake without a proper key, or without Connection: upgrade, is refused',
    async () => {
      for (const headers
               of [{'Sec-WebSocket-Key': undefined}, {'Sec-WebSocket-Key': ''},
                   {'Sec-WebSocket-Key': 'AAAA'}, {'Sec-WebSocket-Key': 'x'.repeat(24)},
                   {'Sec-WebSocket-Version': undefined}, {Connection: 'close'}]) {
        assert.equal((await refusal('/ws', {headers})).status, 400, JSON.stringify(headers));
      }
    });

test('6.6 names are matched in any case and in lists, and no extension is agreed on', async () => {
  const offered = [
    {Upgrade: 'WebSocket', Connection: 'keep-alive, Upgrade'},
    {Upgrade: 'h2c, WEBSOCKET', Connection: 'UPGRADE'}, {
      'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
      'Sec-WebSocket-Protocol': 'chat'
    },
    {Origin: 'http://nobody.example'}
  ];
  for (const headers of offered) {
    const socket = await FrameSocket.open(server.port, '/ws', {headers});
    socket.destroy();
  }
});

test(
    '9.1 a WebSocket\'s path takes GET alone: 405 with Allow; the paths beside it: 404',
    async () => {
      for (const method of ['POST', 'PUT', 'DELETE']) {
        for (const path of ['/ws', '/ws/app']) {
          const {status, headers} = await server.request({method, path});
          assert.equal(status, 405);
          assert.ok(headers.allow.split(/, */).includes('GET'), headers.allow);
          assert.ok(!headers.allow.split(/, */).includes(method));
        }
      }
      for (const path of ['/wss', '/ws/app/', '/ws/app/more', '/WS']) {
        assert.equal((await refusal(path)).status, 404, path);
      }
      const socket = await FrameSocket.open(server.port, '/ws/app?token=x&y');
      socket.destroy();
    });

test('9.1 an appId that is none: 400, before and instead of an upgrade', async () => {
  for (const app
           of ['', 'a'.repeat(256), '%61'.repeat(256), '%C3%BC'.repeat(128), '%00', 'a%00b', '%FF',
               '%C3', '%ED%A0%80', '%C0%80', '%', '%zz']) {
    assert.equal((await refusal(`/ws/${app}`)).status, 400, app.slice(0, 30));
  }
  for (const app of ['a'.repeat(255), '%61'.repeat(255), '%C3%BC', 'a%2Fb', '%F0%9F%98%80']) {
    const socket = await FrameSocket.open(server.port, `/ws/${app}`);
    socket.destroy();
  }
});
