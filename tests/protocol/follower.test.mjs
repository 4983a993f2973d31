// PROTOCOL 10.1: clients that follow by cursor while others write miss nothing and get nothing
// twice.
import {after} from 'node:test';

import {assertOnceEach, followed} from './support/follow.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const seconds = Number(process.env.MANA_SYNC_TEST_FOLLOW_SECONDS ?? 20);
const server = await Server.start();
after(() => server.stop());

test(
    '10.1 a follower of one writer misses nothing', {timeout: 300_000},
    async () => { await followed(server, 1, seconds); });

test(
    '10.1 a follower of 16 writers misses nothing', {timeout: 300_000},
    async () => { await followed(server, 16, seconds); });

test(
    '10.1 a follower of 64 writers misses nothing', {timeout: 300_000},
    async () => { await followed(server, 64, seconds); });

test(
    '10.1 clients that push and follow by their pushes\' answers miss nothing', {timeout: 300_000},
    async () => {
      const {writers, all} = await followed(server, 8, seconds / 4);
      // All have ended: each takes what came after its own last push.
      for (const writer of writers) await writer.run();
      for (const writer of writers) {
        const own = new Set(writer.acknowledged);
        assertOnceEach(writer.seen, all.filter((id) => !own.has(id)), 'a writer');
      }
    });
