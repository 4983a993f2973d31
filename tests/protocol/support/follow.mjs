// Clients that write without pause, and clients that follow them by cursor and keep count.
import assert from 'node:assert/strict';
import {setTimeout as pause} from 'node:timers/promises';

import {beginning, insert} from './client.mjs';
import {fresh} from './wait.mjs';

const createdAt = new Date().toISOString();

// Pushes inserts of new records, one push after the other, until told to stop. A push that was not
// answered 200 is repeated as it was: `again` is awaited first; its argument is the answer, or
// {error}.
export class Writer {
  constructor(client, {table = 'todos', changesPerPush = 1, again}) {
    Object.assign(this, {client, table, changesPerPush, again, acknowledged: [], pushes: 0});
    this.since = beginning;
    this.seen = [];
  }

  async run() {
    while (!this.stopped) {
      const ids = Array.from({length: this.changesPerPush}, () => fresh('r'));
      const changes = ids.map((id) => insert(id, {createdAt}, {table: this.table}));
      const {serverChanges, syncedUntil, hasMore} = await this.#push(changes);
      this.acknowledged.push(...ids);
      this.pushes += 1;
      this.seen.push(...serverChanges.map((change) => change.id));
      this.since = syncedUntil;
      this.behind = hasMore === true;
    }
    while (this.behind) await this.#drain();
    await this.#drain();
  }

  async #drain() {
    const {serverChanges, syncedUntil, hasMore} = await this.#push([]);
    this.seen.push(...serverChanges.map((change) => change.id));
    this.since = syncedUntil;
    this.behind = hasMore === true;
  }

  async #push(changes) {
    const body = {since: this.since, changes};
    for (;;) {
      const answer = await this.client.post(body).catch((error) => ({error}));
      if (answer.status === 200) return answer.json;
      if (!this.again) throw answer.error ?? new Error(`${answer.status} ${answer.text}`);
      await this.again(answer);
    }
  }
}

// Pulls from the last cursor it was given, without pause. `finish()` returns when nothing is left.
export class Follower {
  constructor(client, parameters, {again} = {}) {
    Object.assign(this, {client, parameters, again, seen: [], since: beginning, pages: 0});
    this.running = this.#run();
    // Its failure is for finish() to tell.
    this.running.catch(() => {});
  }

  async #run() {
    for (let idle = false; !(this.finishing && idle);) {
      // What is pulled after finishing began is complete: the writers have ended.
      const last = this.finishing;
      const page = await this.#pull();
      // With nothing new the cursor may stand just below a commit that is under way.
      const moved = page.serverChanges.length > 0 ? page.syncedUntil > this.since :
                                                    page.syncedUntil >= this.since;
      assert.ok(moved, `the cursor moves: ${this.since}, ${page.syncedUntil}`);
      this.since = page.syncedUntil;
      this.seen.push(...page.serverChanges.map((change) => change.id));
      this.pages += 1;
      idle = Boolean(last) && !page.hasMore && page.serverChanges.length === 0;
    }
  }

  async #pull() {
    for (;;) {
      const answer = await this.client.query({...this.parameters, since: this.since})
                         .catch((error) => ({error}));
      if (answer.status === 200) return answer.json;
      if (!this.again) throw answer.error ?? new Error(`${answer.status} ${answer.text}`);
      await this.again(answer);
    }
  }

  async finish() {
    this.finishing = true;
    await this.running;
  }
}

// Every expected id is there, and there once.
export function assertOnceEach(seen, expected, who) {
  const times = new Map();
  for (const id of seen) times.set(id, (times.get(id) ?? 0) + 1);
  const missing = expected.filter((id) => !times.has(id));
  const twice = [...times].filter(([, count]) => count > 1).map(([id]) => id);
  assert.deepEqual(
      {
        missing: missing.slice(0, 5),
        twice: twice.slice(0, 5),
        missed: missing.length,
        repeated: twice.length
      },
      {missing: [], twice: [], missed: 0, repeated: 0}, who);
  assert.equal(times.size, expected.length, `${who}: nothing else`);
}

// Writers push for `seconds` while three clients follow them in different ways; each follower must
// have got every change once.
export async function followed(server, writerCount, seconds) {
  const first = server.client();
  const writers = [...Array(writerCount).keys()].map(
      (i) => new Writer(first.other(), {table: i % 4 === 3 ? 'notes' : 'todos'}));
  const followers = {
    'pages of 10': new Follower(first.other(), {collection: 'todos', limit: 10}),
    'all tables': new Follower(first.other(), {collections: '*', limit: 10}),
    'full pages': new Follower(first.other(), {collections: '*'}),
  };
  const running = Promise.all(writers.map((writer) => writer.run()));
  // The load's length; nothing below depends on how far it came.
  await Promise.race([pause(seconds * 1000), running]);
  for (const writer of writers) writer.stopped = true;
  await running;
  for (const follower of Object.values(followers)) await follower.finish();

  const todos =
      writers.filter((writer) => writer.table === 'todos').flatMap((writer) => writer.acknowledged);
  const all = writers.flatMap((writer) => writer.acknowledged);
  assert.ok(all.length > writerCount, 'something was written');
  assertOnceEach(followers['pages of 10'].seen, todos, 'the follower with pages of 10');
  assertOnceEach(followers['all tables'].seen, all, 'the follower of all tables');
  assertOnceEach(followers['full pages'].seen, all, 'the follower with full pages');
  assert.equal(await server.database.count(first.user), all.length);
  return {writers, all};
}
