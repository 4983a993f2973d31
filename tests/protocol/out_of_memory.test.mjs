// PROTOCOL 2.1, 2.2 when memory runs out: the server cannot go on, and loses nothing by its end.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';

import {insert} from './support/client.mjs';
import {assertOnceEach, Writer} from './support/follow.mjs';
import {mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

// From now on the server may map `bytes` more than it has.
function limitMemory(server, bytes) {
  const {pid} = server.process.child;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mapped = Number(/VmSize:\s+(\d+) kB/.exec(status)[1]) * 1024;
  execFileSync('prlimit', ['--pid', String(pid), `--as=${mapped + bytes}`]);
}

const outOfMemory = (line) => line.includes('"event":"out_of_memory"');

test(
    '2.1 2.2 memory runs out during pushes: the server says so, ends, and has lost nothing',
    // A sanitizer's allocator has no such end.
    {timeout: 120_000, skip: 'ASAN_OPTIONS' in process.env}, async () => {
      const server = await Server.start();
      const first = server.client();
      const isThere = async () => (await server.get('/health').catch(() => ({}))).status === 200;
      const again = () => until('a server is there', isThere, {seconds: 60});
      const writers = [1, 1, 3, 10].map(
          (changesPerPush) => new Writer(first.other(), {changesPerPush, again}));
      const running = Promise.all(writers.map((writer) => writer.run()));
      const pushes = () => writers.reduce((sum, writer) => sum + writer.pushes, 0);
      await until('some pushes', () => pushes() > 50, {everyMs: 1});

      limitMemory(server, 16 * mebibyte);
      const large = {changes: [insert('large', {text: 'x'.repeat(8 * mebibyte)})]};
      await until('memory runs out', async () => {
        await Promise.all(
            Array.from({length: 8}, () => server.client().post(large).catch(() => {})));
        return server.process.end;
      });
      assert.deepEqual(server.process.end, {code: 3, signal: null}, server.process.text);
      assert.equal(server.process.log.filter(outOfMemory).length, 1);
      assert.ok(outOfMemory(server.process.log.at(-1)));

      await server.startAgain();
      const before = pushes();
      await until('more pushes', () => pushes() > before + 50, {everyMs: 1});
      for (const writer of writers) writer.stopped = true;
      await running;
      const rows = await server.database.changes(first.user);
      assertOnceEach(
          rows.map((row) => row.record_id), writers.flatMap((writer) => writer.acknowledged),
          'the table');
      await server.stop();
    });
