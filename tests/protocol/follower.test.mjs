// PROTOCOL 10.1: clients that follow by cursor while others write miss nothing and get nothing
// twice.
import assert from 'node:assert/strict';
import {after} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

import {assertOnceEach, Follower, Writer} from './support/follow.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const seconds = Number(process.env.MANA_SYNC_TEST_FOLLOW_SECONDS ?? 20);
const server = await Server.start();
after(() => server.stop());

async function followed(writerCount, duration) {
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
  await Promise.race([pause(duration * 1000), running]);
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

test(
    '10.1 a follower of one writer misses nothing', {timeout: 300_000},
    async () => { await followed(1, seconds); });

test(
    '10.1 a follower of 16 writers misses nothing', {timeout: 300_000},
    async () => { await followed(16, seconds); });

test(
    '10.1 a follower of 64 writers misses nothing', {timeout: 300_000},
    async () => { await followed(64, seconds); });

test(
    '10.1 clients that push and follow by their pushes\' answers miss nothing', {timeout: 300_000},
    async () => {
      const {writers, all} = await followed(8, seconds / 4);
      // All have ended: each takes what came after its own last push.
      for (const writer of writers) await writer.run();
      for (const writer of writers) {
        const own = new Set(writer.acknowledged);
        assertOnceEach(writer.seen, all.filter((id) => !own.has(id)), 'a writer');
      }
    });
