// Bytes on a socket, as no HTTP library would send them.
import {once} from 'node:events';
import net from 'node:net';

import {until} from './wait.mjs';

export class RawSocket {
  static async connect(port, host = '127.0.0.1') {
    const raw = new RawSocket();
    raw.socket = net.connect({host, port, allowHalfOpen: true});
    raw.received = Buffer.alloc(0);
    raw.socket.on('data', (data) => { raw.received = Buffer.concat([raw.received, data]); });
    raw.socket.on('end', () => { raw.ended = true; });
    raw.socket.on('error', (error) => { raw.error = error; });
    raw.socket.on('close', () => { raw.closed = true; });
    await once(raw.socket, 'connect');
    return raw;
  }

  // Sends without waiting. Strings are bytes: `\xff` is one.
  send(data) {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
    return this;
  }

  // The next answer: {status, reason, headers, body}; `head`: it has no body.
  async response({head = false, seconds = 30} = {}) {
    const response = await until('an answer comes', () => {
      const whole = this.#parse(head);
      if (!whole && (this.ended || this.closed)) {
        throw new Error(
            `closed without an answer (${this.error?.code ?? 'end'}): ` +
            this.received.toString('latin1').slice(0, 200));
      }
      return whole;
    }, {seconds, everyMs: 5});
    this.received = this.received.subarray(response.size);
    return response;
  }

  // Waits for the server's end of the connection, which must not be a reset.
  async end({seconds = 30} = {}) {
    await until('the server closes', () => this.ended || this.closed, {seconds, everyMs: 5});
    const error = this.error;
    this.destroy();
    if (error) throw error;
  }

  destroy() { this.socket.destroy(); }

  #parse(head) {
    const headEnd = this.received.indexOf('\r\n\r\n');
    if (headEnd < 0) return undefined;
    const [first, ...lines] = this.received.subarray(0, headEnd).toString('latin1').split('\r\n');
    const [, status, reason] = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(first) ?? [];
    if (!status) throw new Error(`not a status line: ${first}`);
    const headers = {};
    for (const line of lines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      if (name in headers) throw new Error(`two headers named ${name}`);
      headers[name] = line.slice(colon + 1).trim();
    }
    const bare = head || status < 200 || status === '204' || status === '304';
    const size = headEnd + 4 + (bare ? 0 : Number(headers['content-length']));
    if (Number.isNaN(size)) throw new Error('an answer without Content-Length');
    if (this.received.length < size) return undefined;
    return {
      status: Number(status),
      reason,
      headers,
      size,
      body: this.received.subarray(headEnd + 4, size).toString('utf8')
    };
  }
}

// Sends `bytes` on a connection of their own and returns the first answer.
export async function exchange(port, bytes, options) {
  const raw = await RawSocket.connect(port);
  try {
    return await raw.send(bytes).response(options);
  } finally {
    raw.destroy();
  }
}

// Sends `bytes`; the answer must come, then the end of the connection, without a reset.
export async function lastExchange(port, bytes, options) {
  const raw = await RawSocket.connect(port);
  const response = await raw.send(bytes).response(options);
  await raw.end();
  return response;
}
