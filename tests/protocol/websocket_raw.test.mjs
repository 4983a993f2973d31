// PROTOCOL 6.5, RFC 6455: what a WebSocket does with bytes that no library would send.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {closeFrame, frame, FrameSocket, handshake, opcodes, text} from './support/frames.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());

const {continuation, binary, close, ping, pong} = opcodes;
const pingMessage = '{"type":"ping"}';
const pongMessage = {
  type: 'pong'
};
const bytes = (...values) => Buffer.from(values);
const part = (opcode, payload = '') => frame(opcode, payload, {fin: false});
const open = (options) => FrameSocket.open(server.port, '/ws/app', options);

// Every case: a well-formed ping of the protocol is answered, then the frames get a close with the
// code.
async function closesWith(code, cases) {
  for (const [what, ...frames] of cases) {
    const socket = await open();
    try {
      assert.deepEqual(await socket.send(text(pingMessage)).next(), pongMessage);
      assert.equal((await socket.send(...frames).closed()).code, code);
    } catch (error) {
      throw new Error(`${what}: ${error.message}`, {cause: error});
    } finally {
      socket.destroy();
    }
  }
}

// Every case: the frames are answered with these.
async function answersWith(expected, cases) {
  for (const [what, ...frames] of cases) {
    const socket = await open();
    socket.send(...frames);
    for (const message of expected) assert.deepEqual(await socket.next(), message, what);
    socket.send(closeFrame(1000));
    assert.equal((await socket.closed()).code, 1000, what);
  }
}

const rsvBits = [1, 2, 4, 7];
const reserved = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15];

test('6.5 RFC 6455 §5.1: a frame without a mask: 1002', async () => {
  await closesWith(1002, [
    ['text', text(pingMessage, {mask: false})], ['empty text', text('', {mask: false})],
    ['ping', frame(ping, 'x', {mask: false})], ['close', closeFrame(1000, '', {mask: false})],
    ['binary', frame(binary, 'x', {mask: false})],
    [
      'the second fragment', part(opcodes.text, '{"type":'),
      frame(continuation, '"ping"}', {mask: false})
    ]
  ]);
});

test('6.5 RFC 6455 §5.3: any mask is undone, one of zeroes too', async () => {
  const masks = [bytes(0, 0, 0, 0), bytes(255, 255, 255, 255), bytes(1, 2, 3, 4)];
  await answersWith(
      [pongMessage],
      masks.flatMap(
          (mask) => [`${pingMessage}  `, ` ${pingMessage} `, `  ${pingMessage}   `].map(
              (message) => [mask.toString('hex'), text(message, {mask})])));
});

test('6.5 RFC 6455 §5.2: a reserved bit: 1002', async () => {
  await closesWith(1002, [
    ...rsvBits.map((rsv) => [`rsv ${rsv} of a text`, text(pingMessage, {rsv})]),
    ...rsvBits.map((rsv) => [`rsv ${rsv} of a ping`, frame(ping, '', {rsv})]),
    ...rsvBits.map((rsv) => [`rsv ${rsv} of a close`, closeFrame(1000, '', {rsv})]),
    ['of a continuation', part(opcodes.text, 'x'), frame(continuation, 'x', {rsv: 4})]
  ]);
});

test('6.5 RFC 6455 §5.2: a reserved opcode: 1002', async () => {
  await closesWith(1002, [
    ...reserved.map((opcode) => [`opcode ${opcode}`, frame(opcode, 'x')]),
    ...reserved.map((opcode) => [`opcode ${opcode}, empty`, frame(opcode)]),
    ['within a message', part(opcodes.text, 'x'), frame(3, 'x')]
  ]);
});

test('6.5 RFC 6455 §5.2: a length in more bytes than it needs: 1002, or understood', async () => {
  // The RFC asks senders for the shortest form and says nothing of receivers.
  for (const lengthBits of [16, 64]) {
    for (const message of [pingMessage, pingMessage.padEnd(125), pingMessage.padEnd(200)]) {
      const socket = await open();
      const got = await socket.send(text(message, {lengthBits})).nextFrame();
      if (got.opcode === close) {
        assert.equal(got.payload.readUInt16BE(), 1002);
      } else {
        assert.deepEqual(JSON.parse(got.payload), pongMessage);
      }
      socket.destroy();
    }
  }
});

test('6.5 RFC 6455 §5.2: a length with its highest bit set: 1002 or 1009, at once', async () => {
  const head = (length) =>
      Buffer.concat([bytes(0x81, 0xff), Buffer.from(length, 'hex'), bytes(1, 2, 3, 4)]);
  for (const length of ['8000000000000001', 'ffffffffffffffff', '8000000000000000']) {
    const {code} = await (await open()).send(head(length)).closed();
    assert.ok([1002, 1009].includes(code), `${length}: ${code}`);
  }
});

test('6.5 a length over 64 KiB is refused when it is said, not when it has come', async () => {
  const said = (length) => text('', {length});
  await closesWith(1009, [
    ['65,537', said(65_537)], ['a GiB', said(2 ** 30)], ['2^53 - 1', said(Number.MAX_SAFE_INTEGER)],
    [
      'in two fragments', part(opcodes.text, 'x'.repeat(65_000)),
      frame(continuation, '', {length: 537})
    ]
  ]);
});

test('6.5 RFC 6455 §5.5: a control frame in fragments, or over 125 bytes: 1002', async () => {
  const cases = [ping, pong, close].flatMap((opcode) => {
    const payload = opcode === close ? Buffer.from('\x03\xe8', 'latin1') : Buffer.from('x');
    return [
      [`opcode ${opcode} in fragments`, part(opcode, payload)],
      [`opcode ${opcode} of 126 bytes`, frame(opcode, Buffer.concat([payload], 126))],
      [`opcode ${opcode} of 64 KiB`, frame(opcode, Buffer.concat([payload], 65_536))],
      [`opcode ${opcode}, 126 bytes said`, frame(opcode, payload, {length: 126})]
    ];
  });
  await closesWith(1002, cases);
});

test(
    '6.5 RFC 6455 §5.4: a continuation of nothing, or a new message within one: 1002', async () => {
      await closesWith(1002, [
        ['a last continuation of nothing', frame(continuation, 'x')],
        ['a first continuation of nothing', part(continuation, 'x')],
        ['a continuation after a whole message', text('x'), frame(continuation, 'x')],
        [
          'a continuation after the last one', part(opcodes.text, 'x'), frame(continuation, 'x'),
          frame(continuation, 'x')
        ],
        ['a text within a text', part(opcodes.text, 'x'), text('x')],
        ['a first fragment within a text', part(opcodes.text, 'x'), part(opcodes.text, 'x')],
        ['a binary within a text', part(opcodes.text, 'x'), frame(binary, 'x')]
      ]);
    });

test(
    '6.5 RFC 6455 §5.4: empty fragments, and control frames between fragments, are fine',
    async () => {
      const socket = await open();
      socket.send(part(opcodes.text), part(continuation), frame(ping, 'one'));
      socket.send(part(continuation, '{"type"'), frame(pong, 'x'), part(continuation, ':'));
      socket.send(frame(ping, 'two'), part(continuation, '"ping"}'), frame(continuation));
      for (const payload of ['one', 'two']) {
        assert.deepEqual(await socket.nextFrame(), {opcode: pong, payload: Buffer.from(payload)});
      }
      assert.deepEqual(await socket.next(), pongMessage);
      // A close may stand between fragments too.
      socket.send(part(opcodes.text, 'x'), closeFrame(1000));
      assert.equal((await socket.closed()).code, 1000);
    });

test('6.5 a binary message: 1003, in fragments too', async () => {
  await closesWith(1003, [
    ['whole', frame(binary, pingMessage)], ['empty', frame(binary)],
    ['in fragments', part(binary, 'x'), frame(continuation, 'x')]
  ]);
});

const invalidUtf8 = {
  'a lone continuation byte': [0x80],
  'a byte that is never there': [0xff],
  'a cut character': [0xe2, 0x82],
  'an overlong slash': [0xc0, 0xaf],
  'an overlong NUL': [0xe0, 0x80, 0x80],
  'a surrogate': [0xed, 0xa0, 0x80],
  'beyond U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'latin-1': [0x66, 0xfc, 0x72]
};

test('6.5 RFC 6455 §8.1: text that is not UTF-8: 1007', async () => {
  await closesWith(
      1007,
      Object.entries(invalidUtf8).map(([what, values]) => [what, text(Buffer.concat([
                                                             Buffer.from('{"type":"ping","x":"'),
                                                             bytes(...values), Buffer.from('"}')
                                                           ]))]));
  await closesWith(
      1007, Object.entries(invalidUtf8).map(([
                                              what, values
                                            ]) => [`${what}, at the end`, text(bytes(...values))]));
});

test('6.5 RFC 6455 §8.1: a character across fragments is whole, a broken one is 1007', async () => {
  const character = Buffer.from('\u{1d54f}');
  const begin = Buffer.from('{"type":"ping","x":"');
  const end = Buffer.from('"}');
  const cut = (at, ...middle) =>
      [part(opcodes.text, Buffer.concat([begin, character.subarray(0, at)])), ...middle,
       frame(continuation, Buffer.concat([character.subarray(at), end]))];
  await answersWith([pongMessage], [1, 2, 3].map((at) => [`cut at ${at}`, ...cut(at)]));
  await answersWith([pongMessage], [
    1, 2, 3
  ].map((at) => [`cut at ${at}, with an empty fragment within`, ...cut(at, part(continuation))]));
  await closesWith(1007, [
    ['cut short', part(opcodes.text, character.subarray(0, 3)), frame(continuation, end)],
    ['cut short at the end', part(opcodes.text, character.subarray(0, 3)), frame(continuation)],
    ['begun in the last', part(opcodes.text, 'x'), frame(continuation, character.subarray(0, 2))],
    ['a byte too many', part(opcodes.text, character), frame(continuation, bytes(0x80))],
    [
      'a surrogate across fragments', part(opcodes.text, bytes(0xed)),
      frame(continuation, bytes(0xa0, 0x80))
    ]
  ]);
});

const withCode = (...values) => frame(close, bytes(...values));

test('6.5 RFC 6455 §7.4: a close with a code that may be sent is answered with it', async () => {
  for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4999]) {
    for (const reason of ['', 'bye', '\u{1d54f}', 'x'.repeat(123)]) {
      const socket = await open();
      assert.equal((await socket.send(closeFrame(code, reason)).closed()).code, code);
    }
  }
  assert.equal((await (await open()).send(frame(close)).closed()).code, undefined);
});

test('6.5 RFC 6455 §7.4: a close with a code that may not be sent: 1002', async () => {
  const codes = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535];
  await closesWith(1002, codes.map((code) => [String(code), closeFrame(code)]));
});

test(
    '6.5 RFC 6455 §5.5.1: a close of one byte: 1002; with a reason that is not UTF-8: 1007',
    async () => {
      await closesWith(1002, [['one byte', withCode(3)]]);
      await closesWith(
          1007,
          Object.entries(invalidUtf8).map(([what, values]) => [what, withCode(3, 232, ...values)]));
    });

test('6.5 frames are understood byte by byte', async () => {
  const socket = await open();
  const stream = Buffer.concat([
    text(pingMessage), frame(ping, 'x'), part(opcodes.text, pingMessage.slice(0, 5)),
    frame(continuation, pingMessage.slice(5)), text(pingMessage.padEnd(300)),
    text(pingMessage, {lengthBits: 7})
  ]);
  socket.raw.socket.setNoDelay(true);
  for (const byte of stream) {
    await new Promise((resolve) => { socket.raw.socket.write(bytes(byte), resolve); });
  }
  assert.deepEqual(await socket.next(), pongMessage);
  assert.deepEqual(await socket.nextFrame(), {opcode: pong, payload: Buffer.from('x')});
  for (let i = 0; i < 3; i += 1) assert.deepEqual(await socket.next(), pongMessage);
  socket.destroy();
});

test('6.5 frames in one piece with the handshake are understood', async () => {
  const behind = Buffer.concat([text(pingMessage), text(pingMessage.padEnd(60_000)), frame(ping)]);
  const socket = await open({behind});
  for (let i = 0; i < 2; i += 1) assert.deepEqual(await socket.next(), pongMessage);
  assert.equal((await socket.nextFrame()).opcode, pong);
  socket.destroy();
  const broken = await open({behind: text(pingMessage, {mask: false})});
  assert.equal((await broken.closed()).code, 1002);
});

test('9.1 a WebSocket may be opened on a kept connection, behind other requests', async () => {
  const raw = await RawSocket.connect(server.port);
  const get = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';
  raw.send(get).send(Buffer.concat([Buffer.from(get), handshake('/ws'), text(pingMessage)]));
  for (const status of [200, 200, 101]) assert.equal((await raw.response()).status, status);
  const socket = Object.assign(new FrameSocket(), {raw});
  assert.deepEqual(await socket.next(), pongMessage);
  socket.destroy();
});

test('6.5 RFC 6455 §5.5.1: what comes after a close is not looked at', async () => {
  const socket = await open();
  const behind = [text(pingMessage), frame(ping, 'x'), closeFrame(1001), bytes(0xff, 0xff)];
  socket.send(Buffer.concat([closeFrame(1000), ...behind]));
  assert.equal((await socket.closed()).code, 1000);
  const broken = await open();
  broken.send(frame(3)).send(...behind, Buffer.alloc(100_000, 'x'));
  assert.equal((await broken.closed()).code, 1002, 'and swallows no close of ours');
});

test('6.5 text behind a mistake is not acted on', async () => {
  const socket = await open();
  socket.send(Buffer.concat([text(pingMessage), frame(3), text(pingMessage)]));
  assert.deepEqual(await socket.next(), pongMessage);
  assert.equal((await socket.closed()).code, 1002);
});
