// WebSocket frames as bytes (RFC 6455 §5), right or wrong, on a handshake made by hand.
import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';

import {RawSocket} from './raw.mjs';
import {checkedMessage} from './socket.mjs';
import {until} from './wait.mjs';

export const opcodes = {
  continuation: 0,
  text: 1,
  binary: 2,
  close: 8,
  ping: 9,
  pong: 10
};
const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

// One frame of a client. `mask`: false for none; `lengthBits`: 7, 16 or 64 to say the length in
// that many, needed or not; `length`: a length to say in place of the payload's own.
export function frame(opcode, payload = '', options = {}) {
  const body = Buffer.from(payload);
  const {fin = true, rsv = 0, mask = randomBytes(4), length = body.length} = options;
  const {lengthBits = length < 126 ? 7 : length < 65536 ? 16 : 64} = options;
  const extended = Buffer.alloc(lengthBits === 7 ? 0 : lengthBits / 8);
  if (lengthBits === 16) extended.writeUInt16BE(length);
  if (lengthBits === 64) extended.writeBigUInt64BE(BigInt(length));
  const shortLength = {7: length, 16: 126, 64: 127}[lengthBits];
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode, (mask ? 0x80 : 0) | shortLength];
  if (!mask) return Buffer.concat([Buffer.from(head), extended, body]);
  const masked = body.map((byte, i) => byte ^ mask[i % 4]);
  return Buffer.concat([Buffer.from(head), extended, mask, masked]);
}

export const text = (message, options) => frame(
    opcodes.text,
    Buffer.isBuffer(message) || typeof message === 'string' ? message : JSON.stringify(message),
    options);

export function closeFrame(code, reason = '', options) {
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame(opcodes.close, Buffer.concat([head, Buffer.from(reason)]), options);
}

// The request that opens a WebSocket; `headers` replace or, where undefined, leave out.
export function handshake(path = '/ws', {key = randomBytes(16).toString('base64'), headers} = {}) {
  const all = {
    'Host': 'a',
    'Upgrade': 'websocket',
    'Connection': 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...headers
  };
  const lines = Object.entries(all)
                    .filter(([, value]) => value !== undefined)
                    .map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1');
}

export class FrameSocket {
  // `behind`: frames sent in one piece with the handshake request.
  static async open(port, path, {behind = Buffer.alloc(0), ...options} = {}) {
    const socket = new FrameSocket();
    socket.raw = await RawSocket.connect(port);
    const key = randomBytes(16).toString('base64');
    socket.raw.send(Buffer.concat([handshake(path, {key, ...options}), behind]));
    const {status, headers} = await socket.raw.response();
    assert.equal(status, 101);
    assert.equal(headers.upgrade.toLowerCase(), 'websocket');
    assert.equal(headers.connection.toLowerCase(), 'upgrade');
    const accept = createHash('sha1').update(key + magic).digest('base64');
    assert.equal(headers['sec-websocket-accept'], accept);
    assert.ok(!('sec-websocket-extensions' in headers), 'no extension is agreed on');
    assert.ok(!('sec-websocket-protocol' in headers), 'no subprotocol is agreed on');
    assert.ok(!('content-length' in headers || 'transfer-encoding' in headers));
    return socket;
  }

  send(...frames) {
    for (const each of frames) this.raw.send(each);
    return this;
  }

  // The server's next frame: {opcode, payload}, or undefined at the end of the stream.
  async nextFrame(options) {
    return until('a frame comes', () => {
             const parsed = this.#parse();
             // Whoever waits for a frame at the end of the stream is told that there is none.
             return parsed ?? ((this.raw.ended || this.raw.closed) ? {none: true} : undefined);
           }, {everyMs: 2, ...options}).then((parsed) => (parsed.none ? undefined : parsed));
  }

  #parse() {
    const {received} = this.raw;
    if (received.length < 2) return undefined;
    const [first, second] = received;
    assert.equal(first & 0xf0, 0x80, 'the server sends whole messages, and no reserved bit');
    assert.equal(second & 0x80, 0, 'a server does not mask');
    let [length, begin] = [second & 0x7f, 2];
    if (length >= 126) {
      begin = length === 126 ? 4 : 10;
      if (received.length < begin) return undefined;
      length = length === 126 ? received.readUInt16BE(2) : Number(received.readBigUInt64BE(2));
      assert.ok(length >= (begin === 4 ? 126 : 65536), 'the shortest form of a length');
    }
    if (received.length < begin + length) return undefined;
    this.raw.received = received.subarray(begin + length);
    return {opcode: first & 0x0f, payload: Buffer.from(received.subarray(begin, begin + length))};
  }

  // The server's next frame, which is a message of the protocol.
  async next(options) {
    const got = await this.nextFrame(options);
    assert.equal(got?.opcode, opcodes.text, 'a text message');
    return checkedMessage(got.payload.toString());
  }

  // The next frame is a close, and then the stream ends, without a reset: {code, reason}.
  async closed(options) {
    const got = await this.nextFrame(options);
    assert.equal(got?.opcode, opcodes.close, 'a close frame, not the end alone');
    assert.equal(await this.nextFrame(options), undefined, 'nothing behind the close frame');
    await this.raw.end();
    const {payload} = got;
    assert.notEqual(payload.length, 1);
    if (payload.length === 0) return {code: undefined, reason: ''};
    return {code: payload.readUInt16BE(), reason: payload.subarray(2).toString()};
  }

  destroy() { this.raw.destroy(); }
}
