// PROTOCOL §9.3: how long the server waits. These are the server's real times: the tests run side
// by side, and each waits for the server's own act.
import assert from 'node:assert/strict';
import {after, describe, it} from 'node:test';

import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {takes} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const client = server.client();
const healthRequest = 'GET /health HTTP/1.1\r\nHost: a\r\n\r\n';

async function refusedAsTooSlow(raw, from, to) {
  const answer = await takes(from, to, () => raw.response({seconds: to + 5}));
  assert.equal(answer.status, 408);
  await raw.end();
}

describe('9.3 time limits', {concurrency: true, timeout: 200_000}, () => {
  it('9.3 a request head not complete after 10 s: 408 and close', async () => {
    const raw = await RawSocket.connect(server.port);
    raw.send('GET /health HTTP/1.1\r\nHost');
    await refusedAsTooSlow(raw, 9, 20);
  });

  it('9.3 a connection that says nothing for 10 s: 408 and close',
     async () => { await refusedAsTooSlow(await RawSocket.connect(server.port), 9, 20); });

  it('9.3 a trickle of header bytes does not gain time', async () => {
    const raw = await RawSocket.connect(server.port);
    raw.send('GET /health HTTP/1.1\r\nX-Y: ');
    const trickle = setInterval(() => raw.send('z'), 500);
    try {
      await refusedAsTooSlow(raw, 9, 20);
    } finally {
      clearInterval(trickle);
    }
  });

  it('9.3 on a kept connection the 10 s begin with the first byte', async () => {
    const raw = await RawSocket.connect(server.port);
    assert.equal((await raw.send(healthRequest).response()).status, 200);
    const other = await RawSocket.connect(server.port);
    other.send('GET');
    await refusedAsTooSlow(other, 9, 20);
    // The kept one has been idle for as long, and still has all its time.
    raw.send(healthRequest.slice(0, 10));
    await refusedAsTooSlow(raw, 9, 20);
  });

  it('9.3 a body that stalls for 30 s: 408 and close', async () => {
    const raw = await RawSocket.connect(server.port);
    raw.send(
        `POST /sync/app HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${client.token}\r\n` +
        'Content-Length: 100\r\n\r\n{"changes":');
    await refusedAsTooSlow(raw, 28, 45);
  });

  it('9.3 a body that is slow but does not stall is taken', async () => {
    const raw = await RawSocket.connect(server.port);
    const body = '{"changes":[]}';
    raw.send(
        `POST /sync/app HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${client.token}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`);
    let sent = 0;
    // 14 bytes, one every 3 s: 42 s in all.
    const trickle = setInterval(() => {
      raw.send(body[sent++]);
      if (sent === body.length) clearInterval(trickle);
    }, 3000);
    try {
      assert.equal((await raw.response({seconds: 90})).status, 200);
    } finally {
      clearInterval(trickle);
      raw.destroy();
    }
  });

  it('9.3 an idle kept connection is closed after 120 s, without an answer', async () => {
    const raw = await RawSocket.connect(server.port);
    assert.equal((await raw.send(healthRequest).response()).status, 200);
    await takes(115, 140, () => raw.end({seconds: 150}));
    assert.equal(raw.received.length, 0);
  });
});
