// PROTOCOL 7.1, 10.1: followers by events, whose connections are cut again and again while others
// write, and who go on from the last event they were given, have every change exactly once.
import assert from 'node:assert/strict';
import {after} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

import {dice} from './support/dice.mjs';
import {EventStream} from './support/events.mjs';
import {assertOnceEach, Writer} from './support/follow.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const seconds = Number(process.env.MANA_SYNC_TEST_FOLLOW_SECONDS ?? 20);
const seed = Number(process.env.MANA_SYNC_TEST_SEED ?? 1);
const server = await Server.start();
after(() => server.stop());

// Follows from its last event, over as many connections as it takes. Each is cut after a random
// time, or in the middle of a random number of bytes.
class EventFollower {
  constructor(client, options, roll) {
    Object.assign(this, {client, options, roll, seen: [], cuts: 0, lastEventId: undefined});
    this.running = this.#run();
    this.running.catch(() => {});
  }

  async #run() {
    while (!this.isDone) await this.#follow();
  }

  async #follow() {
    const stream =
        await EventStream.open(this.client, {...this.options, lastEventId: this.lastEventId});
    assert.equal(stream.status, 200);
    const deadline = Date.now() + this.roll() ** 3 * 1000;
    const most = this.roll() < 0.5 ? Math.floor(this.roll() * 200) : Infinity;
    await until('it is cut, or has all', () => {
      const isCut = !this.finishing && (Date.now() > deadline || stream.ids.length >= most);
      this.isDone = this.finishing?.(this.seen.length + stream.ids.length) ?? false;
      return isCut || this.isDone || stream.closed;
    }, {everyMs: 1, seconds: 60});
    // What came counts, even where a part of an event came behind it.
    this.seen.push(...stream.ids);
    this.lastEventId = stream.lastId ?? this.lastEventId;
    this.cuts += 1;
    stream.destroy();
  }

  // Waits until `count` changes have come.
  async finish(count) {
    this.finishing = (number) => number >= count;
    await this.running;
  }
}

test(
    `7.1 followers that are cut at random miss nothing (seed ${seed})`, {timeout: 300_000},
    async () => {
      const roll = dice(seed);
      const first = server.client();
      const writers = [...Array(16).keys()].map(
          (i) => new Writer(
              first.other(),
              {table: i % 4 === 3 ? 'notes' : 'todos', changesPerPush: 1 + (i % 3)}));
      const all = new EventFollower(first.other(), {}, roll);
      const one = new EventFollower(first.other(), {collections: 'todos'}, roll);
      // Its own changes do not come, cut or not.
      const own = new EventFollower(writers[0].client, {collections: 'todos,notes'}, roll);
      const running = Promise.all(writers.map((writer) => writer.run()));
      // The load's length; nothing below depends on how far it came.
      await Promise.race([pause(seconds * 1000), running]);
      for (const writer of writers) writer.stopped = true;
      await running;

      const written = (which) => writers.filter(which).flatMap((writer) => writer.acknowledged);
      const expected = new Map([
        [all, written(() => true)], [one, written((writer) => writer.table === 'todos')],
        [own, written((writer) => writer !== writers[0])]
      ]);
      for (const [follower, ids] of expected) {
        await follower.finish(ids.length);
        assertOnceEach(follower.seen, ids, JSON.stringify(follower.options));
        assert.ok(follower.cuts > 5, `cut ${follower.cuts} times`);
      }
      assert.equal(await server.database.count(first.user), expected.get(all).length);
    });
