// A WebSocket of the protocol (§6): keeps what it was sent, and looks at every byte of it.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

import {until} from './wait.mjs';

export class Socket {
  // Resolves once the upgrade is done. `options` are those of `ws`.
  static async open(server, path = '/ws', options = {}) {
    const socket = new Socket();
    socket.queue = [];
    socket.pings = 0;
    // Compression is not asked for: a frame on the wire is what was sent.
    socket.ws = new WebSocket(
        `ws://127.0.0.1:${server.port}${path}`, {perMessageDeflate: false, ...options});
    socket.ws.on('message', (data, isBinary) => socket.#take(data, isBinary));
    socket.ws.on('ping', () => { socket.pings += 1; });
    socket.ws.on('close', (code, reason) => socket.#end({code, reason: reason.toString()}));
    await new Promise((resolve, reject) => {
      socket.ws.once('open', resolve);
      socket.ws.once('error', reject);
    });
    socket.ws.on('error', (error) => { socket.error = error; });
    return socket;
  }

  // One that is authenticated as `client`'s user, hears of its app, and has told its client id.
  static async of(client, {path = `/ws/${encodeURIComponent(client.app)}`, ...options} = {}) {
    const socket = await Socket.open(client.server, path, options);
    await socket.auth(client.token, client.id ? {clientId: client.id} : {});
    return socket;
  }

  #take(data, isBinary) {
    const message = isBinary ? {binary: data} : checkedMessage(data.toString());
    if (this.waiter) {
      const {resolve} = this.#unwait();
      resolve(message);
    } else {
      this.queue.push(message);
    }
  }

  #end(end) {
    this.end = end;
    if (this.waiter) this.#unwait().reject(new Error(`closed: ${JSON.stringify(end)}`));
  }

  #unwait() {
    const waiter = this.waiter;
    clearTimeout(waiter.timer);
    this.waiter = undefined;
    return waiter;
  }

  // Sends text as it stands, or an object as JSON.
  send(message) {
    this.ws.send(typeof message === 'string' ? message : JSON.stringify(message));
    return this;
  }

  // The oldest message that was not taken yet.
  async next({seconds = 30} = {}) {
    if (this.queue.length > 0) return this.queue.shift();
    if (this.end) throw new Error(`closed: ${JSON.stringify(this.end)}`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiter = undefined;
        reject(new Error(`no message within ${seconds} s`));
      }, seconds * 1000);
      this.waiter = {resolve, reject, timer};
    });
  }

  async auth(token, more = {}) {
    this.send({type: 'auth', token, ...more});
    assert.deepEqual(await this.next(), {type: 'auth-ok'});
    return this;
  }

  // All that came until the server answered a ping that is sent now.
  async untilPong() {
    this.send({type: 'ping'});
    const before = [];
    for (;;) {
      const message = await this.next();
      if (message.type === 'pong') return before;
      before.push(message);
    }
  }

  // Nothing came, and the server still answers.
  async silent() { assert.deepEqual(await this.untilPong(), []); }

  // The next message, which is a notice: its app and tables.
  async notice(options) {
    const {type, appId, tables} = await this.next(options);
    assert.equal(type, 'sync-available');
    return {appId, tables};
  }

  // The server closes: {code, reason}.
  async closed({seconds = 30} = {}) {
    return until('the server closes the WebSocket', () => this.end, {seconds, everyMs: 5});
  }

  // Closes, and waits for the server's answer.
  async close(code, reason) {
    this.ws.close(code, reason);
    return this.closed();
  }

  destroy() { this.ws.terminate(); }
}

const keysOf = {
  'auth-ok': ['type'],
  'auth-expired': ['type'],
  'pong': ['type'],
  'error': ['type', 'message'],
  'sync-available': ['type', 'appId', 'tables']
};

// PROTOCOL 6: the server sends nothing but these, each as one line of JSON.
export function checkedMessage(text) {
  const message = JSON.parse(text);
  assert.equal(text, JSON.stringify(message), 'no insignificant whitespace');
  // What an error says beside, for the app's developer, is free.
  const {reason, ...rest} = message;
  if (message.type === 'error' && reason !== undefined) {
    assert.ok(typeof reason === 'string' && reason.length > 0, text);
    return checkedMessage(JSON.stringify(rest));
  }
  assert.deepEqual(Object.keys(message), keysOf[message.type], text);
  if (message.type !== 'sync-available') return message;
  assert.equal(typeof message.appId, 'string');
  assert.ok(message.tables.length > 0, 'a notice names a table');
  assert.deepEqual(message.tables, sortedUnique(message.tables), 'sorted and unique (6.1)');
  return message;
}

// As bytes sort, which JavaScript's own order of strings is not beyond the BMP.
const sortedUnique =
    (names) => [...new Set(names)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
