// Those who follow a stream, each in its own way: by pulling all the time, by events, by pulling
// when a WebSocket tells them to. All keep the changes in the order in which they came.
import assert from 'node:assert/strict';
import {setTimeout as pause} from 'node:timers/promises';

import {beginning} from '../protocol/support/client.mjs';
import {between} from '../protocol/support/dice.mjs';
import {EventStream} from '../protocol/support/events.mjs';
import {Socket} from '../protocol/support/socket.mjs';
import {until} from '../protocol/support/wait.mjs';

import {Copy} from './ledger.mjs';

export const patienceMs = 2000;

// A cursor as a client keeps it: it never goes back (PROTOCOL 10.1).
export class Cursor {
  constructor(value) { this.value = value; }

  move(next) {
    assert.ok(next >= this.value, `a cursor went back: ${this.value}, then ${next}`);
    this.value = next;
  }
}

// What deployed clients try again (PROTOCOL 9.5).
const isPassing = (status) => status === 408 || status === 429 || status >= 500;

// Asks until the answer is 200, on a new connection each time.
export async function retry({client, roll}, ask) {
  for (;;) {
    const answer = await ask().catch((error) => ({error}));
    if (answer.status === 200) return answer;
    client.agent.destroy();
    if (!answer.error) assert.ok(isPassing(answer.status), `${answer.status} ${answer.text}`);
    await pause(between(roll, 5, 60));
  }
}

class Reader {
  // `world`: {finished}: nothing comes any more once it is true and `isComplete()`.
  constructor(client, {world, roll}) {
    Object.assign(this, {client, world, roll, received: [], reconnects: 0});
    this.cursor = new Cursor(beginning);
    this.copy = new Copy();
  }

  take(changes) {
    for (const change of changes) {
      this.received.push(change.eventId);
      this.copy.apply(change);
    }
  }

  // One page; true if there is more.
  async pull() {
    const parameters = {collections: '*', limit: between(this.roll, 1, 300)};
    const {json} =
        await retry(this, () => this.client.query({...parameters, since: this.cursor.value}));
    this.cursor.move(json.syncedUntil);
    this.take(json.serverChanges);
    return json.hasMore === true;
  }
}

export class PullingReader extends Reader {
  async run() {
    while (!this.world.isOver) {
      if (!await this.pull()) await pause(between(this.roll, 1, 30));
    }
  }
}

export class EventReader extends Reader {
  async run() {
    while (!this.world.isOver) {
      await this.#follow();
      this.reconnects += 1;
      await pause(between(this.roll, 5, 60));
    }
  }

  async #follow() {
    const impatience = new AbortController();
    const timer = setTimeout(() => impatience.abort(), patienceMs);
    const options = {lastEventId: this.cursor.value, signal: impatience.signal};
    const stream = await EventStream.open(this.client, options).catch(() => undefined);
    clearTimeout(timer);
    if (!stream) return;
    if (stream.status !== 200) {
      assert.ok(isPassing(stream.status), `${stream.status} of a stream of events`);
      return stream.destroy();
    }
    let taken = 0;
    const takeAll = () => {
      this.take(stream.changes.slice(taken));
      taken = stream.changes.length;
      if (stream.lastId) this.cursor.move(stream.lastId);
    };
    await until('the stream ends', () => {
      takeAll();
      return stream.closed || this.world.isOver;
    }, {seconds: 3600, everyMs: 5});
    takeAll();
    stream.destroy();
  }
}

export class NotifiedReader extends Reader {
  async run() {
    while (!this.world.isOver) {
      const socket = await this.#open();
      if (socket) await this.#heed(socket);
      this.reconnects += 1;
      await pause(between(this.roll, 5, 60));
    }
  }

  async #open() {
    const options = {handshakeTimeout: patienceMs};
    const socket = await Socket.open(this.client.server, `/ws/${this.client.app}`, options)
                       .catch(() => undefined);
    if (!socket) return undefined;
    socket.send({type: 'auth', token: this.client.token, clientId: this.client.id});
    const answer = await socket.next({seconds: patienceMs / 1000}).catch(() => undefined);
    if (answer?.type === 'auth-ok') return socket;
    socket.destroy();
    return undefined;
  }

  // Pulls once for what it missed, and then only when it is told to.
  async #heed(socket) {
    for (let isTold = true; !this.world.isOver && !socket.end;) {
      if (isTold)
        while (await this.pull())
          ;
      isTold = await until(
                   'it is told of changes',
                   () => { return socket.queue.length > 0 || socket.end || this.world.isOver; },
                   {seconds: 3600, everyMs: 5}) &&
          socket.queue.splice(0).length > 0;
    }
    socket.destroy();
  }
}
