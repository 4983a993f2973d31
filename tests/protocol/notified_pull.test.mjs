// PROTOCOL 6.2: a notice comes after the commit, never before: who pulls at that moment, from the
// cursor it has, finds what it was told of. Thousands of times, with writers at work.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {Server} from './support/server.mjs';
import {Socket} from './support/socket.mjs';
import {fresh, test} from './support/wait.mjs';

const pushes = Number(process.env.MANA_SYNC_TEST_NOTIFIED_PUSHES ?? 10_000);
const server = await Server.start();
after(() => server.stop());

const createdAt = at();

// One pushes to a table that is theirs alone; the other pulls it the moment it is told of it. What
// the pulls did not find.
async function pingPong(writer, reader, table, rounds) {
  const socket = await Socket.of(reader);
  const misses = [];
  let since = beginning;
  for (let i = 0; i < rounds; i += 1) {
    const id = fresh('r');
    const pushing = writer.push(insert(id, {createdAt}, {table}));
    // Those of the other writers come too: any table's may come first.
    for (let told = false; !told;) told = (await socket.notice()).tables.includes(table);
    const {serverChanges, syncedUntil} = await reader.pull({since, collection: table});
    if (serverChanges.length !== 1 || serverChanges[0].id !== id) misses.push({i, serverChanges});
    since = syncedUntil;
    await pushing;
  }
  socket.destroy();
  return misses;
}

test(
    '6.2 a pull at the moment of the notice has the change: no miss', {timeout: 300_000},
    async () => {
      // Pairs of one user share its stream and its notices; the others share the group's commits.
      const pairs = [];
      for (let user = 0; user < 4; user += 1) {
        const writer = server.client();
        for (let i = 0; i < 2; i += 1) pairs.push([writer.other(), writer.other(), `table${i}`]);
      }
      const rounds = Math.ceil(pushes * 0.8 / pairs.length);
      const misses = await Promise.all(
          pairs.map(([writer, reader, table]) => pingPong(writer, reader, table, rounds)));
      assert.deepEqual(misses.flat().slice(0, 5), []);
    });

test(
    '6.2 of many writers at once none is missed, though notices merge', {timeout: 300_000},
    async () => {
      const reader = server.client();
      const socket = await Socket.of(reader);
      const writers = [...Array(16).keys()].map(() => reader.other());
      const rounds = Math.ceil(pushes * 0.2 / writers.length);
      const seen = [];
      let since = beginning;
      let notices = 0;
      const expected = rounds * writers.length;
      const writing = Promise.all(writers.map(async (writer) => {
        for (let i = 0; i < rounds; i += 1) await writer.push(insert(fresh('r'), {createdAt}));
      }));
      // Who pulls once a notice, and never otherwise, has everything.
      while (seen.length < expected) {
        await socket.notice();
        notices += 1;
        const page = await reader.pull({since});
        assert.ok(!page.hasMore);
        seen.push(...page.serverChanges.map(({id}) => id));
        since = page.syncedUntil;
      }
      await writing;
      assert.equal(new Set(seen).size, expected);
      assert.ok(notices <= expected);
      socket.destroy();
    });
