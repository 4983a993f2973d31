// A reader of the server's events (§7) that takes nothing but what the protocol says, byte by byte.
import assert from 'node:assert/strict';
import http from 'node:http';
import {StringDecoder} from 'node:string_decoder';

import {cursorPattern} from './client.mjs';
import {until} from './wait.mjs';

// The text of a stream so far, in events; `rest` is what is not whole yet.
export class EventParser {
  constructor() { Object.assign(this, {rest: '', events: [], changes: []}); }

  take(text) {
    assert.ok(!text.includes('\r'), 'lines end with LF (7.2)');
    this.rest += text;
    for (let end; (end = this.rest.indexOf('\n\n')) >= 0;) {
      this.events.push(this.#checked(this.rest.slice(0, end)));
      this.rest = this.rest.slice(end + 2);
    }
  }

  // {event: 'heartbeat'}, or {event: 'changes', id, table, changes, hasMore}.
  #checked(block) {
    if (block === 'event: heartbeat\ndata: {}') return {event: 'heartbeat'};
    const lines = block.split('\n');
    assert.deepEqual(
        lines.map((line) => line.slice(0, line.indexOf(' ') + 1)), ['id: ', 'event: ', 'data: '],
        block.slice(0, 300));
    const [id, event, data] = lines.map((line) => line.slice(line.indexOf(' ') + 1));
    assert.equal(event, 'changes');
    assert.match(id, cursorPattern);
    assert.ok(id > (this.lastId ?? ''), `ids ascend: ${this.lastId}, ${id}`);
    this.lastId = id;
    const {table, changes, syncedUntil, hasMore, ...more} = JSON.parse(data);
    assert.deepEqual(more, {}, 'no other key');
    assert.equal(syncedUntil, id, 'either cursor resumes');
    assert.equal(typeof hasMore, 'boolean');
    assert.ok(changes.length > 0, 'an event holds changes');
    for (const change of changes) assert.equal(change.table, table, 'an event holds one table');
    this.changes.push(...changes);
    return {event, id, table, changes, hasMore};
  }
}

export class EventStream {
  // Resolves with the answer's head. `since`, `collections`: of the query; `lastEventId`: the
  // header. `parameters`, `headers`: any others.
  static open(client, {since, collections, lastEventId, parameters, headers, signal} = {}) {
    const query = new URLSearchParams({
      ...(collections === undefined ? {} : {collections}),
      ...(since === undefined ? {} : {since}),
      ...parameters
    });
    const stream = new EventStream();
    return new Promise((resolve, reject) => {
      stream.request = http.get({
        host: '127.0.0.1',
        port: client.server.port,
        path: `${client.path}/stream?${query}`,
        headers: client.headers(
            {...(lastEventId === undefined ? {} : {'Last-Event-ID': lastEventId}), ...headers}),
        agent: false,
        signal
      });
      stream.request.on('error', reject);
      stream.request.on('response', (response) => {
        stream.#read(response);
        resolve(stream);
      });
    });
  }

  #read(response) {
    const decoder = new StringDecoder('utf8');
    this.parser = new EventParser();
    this.response = response;
    this.status = response.statusCode;
    this.headers = response.headers;
    this.text = '';
    this.isEvents = /^text\/event-stream\b/.test(response.headers['content-type'] ?? '');
    response.on('data', (data) => this.#take(decoder.write(data)));
    // `end` is the last chunk's; `close` without it: the connection was cut.
    response.on('end', () => { this.ended = true; });
    response.on('close', () => { this.closed = true; });
    response.on('error', (error) => { this.error = error; });
  }

  #take(text) {
    if (!this.isEvents) {
      this.text += text;
      return;
    }
    try {
      this.parser.take(text);
    } catch (error) {
      this.failure ??= error;
      this.destroy();
    }
    this.onEvents?.();
  }

  // All events so far. Whatever was wrong with them fails the test here.
  get events() {
    if (this.failure) throw this.failure;
    return this.parser.events;
  }

  get changes() {
    if (this.failure) throw this.failure;
    return this.parser.changes;
  }

  get ids() { return this.changes.map((change) => change.id); }

  // The cursor to go on from; undefined before the first event.
  get lastId() { return this.parser.lastId; }

  // Waits until `count` changes have come, and no more than these: returns the events.
  async until(count, {seconds = 30} = {}) {
    await until(`${count} changes come`, () => {
      if (this.changes.length >= count) return true;
      if (this.closed) throw new Error(`ended after ${this.changes.length} of ${count} changes`);
      return false;
    }, {seconds, everyMs: 5});
    assert.equal(this.changes.length, count);
    return this.events;
  }

  // Waits for the end, which must be the end of the answer and not of the connection alone.
  async end({seconds = 30} = {}) {
    await until('the response ends', () => this.closed, {seconds, everyMs: 5});
    assert.deepEqual({ended: this.ended, error: this.error?.code}, {ended: true, error: undefined});
    if (this.isEvents) assert.equal(this.parser.rest, '', 'no part of an event is left');
  }

  destroy() { this.request.destroy(); }
}
