// PROTOCOL 2.12, 9.3, 9.5: what one client can make the server hold.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {lastExchange, RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());


async function serves(pushes) {
  const client = server.client();
  for (let i = 0; i < pushes; i += 1) await client.push(insert(`r${i}`, {createdAt: at()}));
  assert.equal((await client.other().pull()).serverChanges.length, pushes);
}

test('2.12 10 MiB and one byte: 413 at once, and the server goes on', async () => {
  const client = server.client();
  const head = (length) => 'POST /sync/app HTTP/1.1\r\nHost: a\r\n' +
      `Authorization: Bearer ${client.token}\r\nContent-Length: ${length}\r\n\r\n`;
  const answer = await lastExchange(server.port, head(10 * mebibyte + 1));
  assert.equal(answer.status, 413, 'before any byte of the body');
  const whole = await RawSocket.connect(server.port);
  whole.send(head(10 * mebibyte + 1)).send(Buffer.alloc(10 * mebibyte + 1, ' '));
  assert.equal((await whole.response()).status, 413, 'to a client that sends it all');
  await whole.end();
  await serves(5);
});

test('2.12 10 MiB of small changes are stored', {timeout: 120_000}, async () => {
  const client = server.client();
  const changes = [];
  for (let bytes = 20, i = 0;; i += 1) {
    const change = insert(`r${i}`, {createdAt: at()});
    bytes += JSON.stringify(change).length + 1;
    if (bytes > 10 * mebibyte) break;
    changes.push(change);
  }
  assert.ok(changes.length > 50_000);
  const answer = await client.post({changes});
  assert.equal(answer.status, 200, answer.text);
  assert.equal(await server.database.count(client.user), changes.length);
  await server.restart();
  assert.deepEqual((await client.push(changes.slice(-10))).conflicts, []);
  assert.equal(await server.database.count(client.user), changes.length);
});

test(
    '9.3 1,000 half-open slow connections do not stop healthy ones, and are closed',
    {timeout: 120_000}, async () => {
      const slow =
          await Promise.all([...Array(1000).keys()].map(() => RawSocket.connect(server.port)));
      for (const [i, raw] of slow.entries()) {
        raw.send(i % 2 ? 'GET /health HTTP/1.1\r\nX-Slow: ' : 'POST /sync/app HTTP/1.1\r\n');
      }
      await until(
          'all are counted',
          async () => JSON.parse((await server.get('/health')).text).connections >= 1000);
      const trickle = setInterval(() => {
        for (const raw of slow)
          if (!raw.ended) raw.send('x');
      }, 1000);
      const begin = Date.now();
      await serves(30);
      assert.ok(Date.now() - begin < 10_000, 'while the slow ones are still there');
      await until(
          'the slow ones are closed', () => slow.every((raw) => raw.ended || raw.closed),
          {seconds: 60});
      clearInterval(trickle);
      for (const raw of slow) raw.destroy();
      await serves(5);
    });

test('9.1 answers that nobody takes are not piled up', {timeout: 120_000}, async () => {
  const author = server.client();
  for (let i = 0; i < 3; i += 1) {
    await author.push(insert(`r${i}`, {text: 'x'.repeat(mebibyte), createdAt: at()}));
  }
  const before = residentBytes(server);
  const raw = await RawSocket.connect(server.port);
  raw.socket.pause();
  raw.send(`GET ${author.path}/pull?collection=todos&since=x HTTP/1.1\r\nHost: a\r\n`
               .concat(`Authorization: Bearer ${author.token}\r\n\r\n`)
               .repeat(300));
  let most = 0;
  for (let i = 0; i < 20; i += 1) {
    await serves(5);
    most = Math.max(most, residentBytes(server) - before);
  }
  raw.destroy();
  // 300 answers would be 900 MiB.
  if (!underAddressSanitizer)
    assert.ok(most < 200 * mebibyte, `${Math.round(most / mebibyte)} MiB`);
});

test(
    '9.1 connections come and go by the thousand without a trace', {timeout: 120_000}, async () => {
      const connections = async () => JSON.parse((await server.get('/health')).text).connections;
      const before = await connections();
      for (let round = 0; round < 20; round += 1) {
        const sockets =
            await Promise.all([...Array(100).keys()].map(() => RawSocket.connect(server.port)));
        for (const [i, raw] of sockets.entries()) {
          if (i % 2) raw.send('GET /health HTTP/1.1\r\nHost: a\r\n\r\n');
          raw.destroy();
        }
      }
      await until('none of them is left', async () => await connections() <= before);
    });
