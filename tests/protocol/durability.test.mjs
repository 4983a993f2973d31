// PROTOCOL 2.1, 2.2, 10.1: what was acknowledged survives a server that is killed, and what is
// pushed again because its answer was lost is there once.
import assert from 'node:assert/strict';

import {assertOnceEach, Follower, Writer} from './support/follow.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const kills = 20;

test(
    '2.1 2.2 10.1 killed twenty times during pushes: each acknowledged change is there once',
    {timeout: 600_000}, async () => {
      const server = await Server.start();
      const first = server.client();
      const writers = [1, 1, 3, 10, 1, 1, 3, 10].map((changesPerPush) => {
        const client = first.other();
        // A push that got no answer is sent again when a server is there again.
        return new Writer(client, {
          changesPerPush,
          again: () => until(
              'a server is there',
              async () => (await server.get('/health').catch(() => ({}))).status === 200,
              {seconds: 60})
        });
      });
      const follower =
          new Follower(first.other(), {collection: 'todos', limit: 10}, {again: writers[0].again});
      const running = Promise.all(writers.map((writer) => writer.run()));
      const pushes = () => writers.reduce((sum, writer) => sum + writer.pushes, 0);
      for (let kill = 0; kill < kills; kill += 1) {
        const enough = pushes() + 5 + Math.floor(Math.random() * 60);
        await until(`${enough} pushes`, () => pushes() >= enough, {seconds: 60, everyMs: 1});
        await server.kill();
        await server.startAgain({ready: false});
      }
      await until('some more pushes', async () => pushes() > 100, {seconds: 60});
      for (const writer of writers) writer.stopped = true;
      await running;
      await follower.finish();

      const acknowledged = writers.flatMap((writer) => writer.acknowledged);
      const rows = await server.database.changes(first.user);
      assertOnceEach(rows.map((row) => row.record_id), acknowledged, 'the table');
      assertOnceEach(follower.seen, acknowledged, 'a follower');
      assert.equal(new Set(rows.map((row) => row.stamp)).size, rows.length, 'no stamp twice');
      await server.stop();
    });

test(
    '2.1 an answer is not sent before its push is durable: SIGKILL right after it',
    {timeout: 120_000}, async () => {
      const server = await Server.start();
      const writer = new Writer(server.client(), {});
      for (let i = 0; i < 5; i += 1) {
        const running = writer.run().catch(() => {});
        await until('a push is acknowledged', () => writer.pushes > i, {everyMs: 1});
        const acknowledged = [...writer.acknowledged];
        writer.stopped = true;
        await server.kill();
        await running;
        writer.stopped = false;
        const stored = new Set(
            (await server.database.changes(writer.client.user)).map((row) => row.record_id));
        assert.ok(acknowledged.every((id) => stored.has(id)));
        await server.startAgain();
      }
      await server.stop();
    });
