// PROTOCOL §2.12: how large a body may be, and how it may come.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {lastExchange, RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const bodyBytesMax = 100_000;
const server = await Server.start({env: {MANA_SYNC_MAX_BODY_BYTES: String(bodyBytesMax)}});
after(() => server.stop());

const head = (client, lines) => ['POST /sync/app HTTP/1.1', 'Host: localhost',
                                 `Authorization: Bearer ${client.token}`, ...lines, '', '']
                                    .join('\r\n');
// A push of `bytes` bytes.
const bodyOf = (bytes) => JSON.stringify({changes: [insert('a', {createdAt: at()})]}).padEnd(bytes);

test('2.12 a body of the greatest size is accepted, one byte more is 413', async () => {
  const client = server.client();
  assert.equal((await client.post(bodyOf(bodyBytesMax))).status, 200);
  assert.equal((await client.post(bodyOf(bodyBytesMax + 1))).status, 413);
});

test('2.12 a Content-Length that is too large is refused before the body comes', async () => {
  const client = server.client();
  for (const length of [bodyBytesMax + 1, '18446744073709551615', '9'.repeat(30)]) {
    const answer = await lastExchange(server.port, head(client, [`Content-Length: ${length}`]));
    // What no number of 64 bits holds may also count as malformed.
    assert.ok(
        answer.status === 413 || (String(length).length > 19 && answer.status === 400),
        `${answer.status}`);
  }
});

test('2.12 a chunked body is refused as soon as it is too large', async () => {
  const client = server.client();
  const raw = await RawSocket.connect(server.port);
  raw.send(head(client, ['Transfer-Encoding: chunked']));
  const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`;
  for (let sent = 0; sent <= bodyBytesMax; sent += 0x4000) raw.send(chunk);
  assert.equal((await raw.response()).status, 413);
  await raw.end();
  const announced = await lastExchange(
      server.port,
      `${head(client, ['Transfer-Encoding: chunked'])}${(bodyBytesMax + 1).toString(16)}\r\n`);
  assert.equal(announced.status, 413, 'a chunk that is too large by its own word');
});

test('2.12 a chunked push is stored, however it is cut', async () => {
  const client = server.client();
  const body =
      Buffer.from(JSON.stringify({changes: [insert('a', {title: 'ü😀', createdAt: at()})]}));
  for (const size of [1, 2, 7, body.length]) {
    const raw = await RawSocket.connect(server.port);
    raw.send(head(client, ['transfer-encoding: CHUNKED']));
    for (let from = 0; from < body.length; from += size) {
      const part = body.subarray(from, from + size);
      raw.send(Buffer.concat([
        Buffer.from(`${part.length.toString(16).toUpperCase()}\r\n`), part, Buffer.from('\r\n')
      ]));
    }
    raw.send('0\r\n\r\n');
    assert.equal((await raw.response()).status, 200);
    raw.destroy();
  }
  const [change] = (await client.other().pull()).serverChanges;
  assert.equal(change.data.title, 'ü😀');
});

test('2.12 Expect: 100-continue is answered before the body, or with the refusal', async () => {
  const client = server.client();
  const body = bodyOf(1000);
  const raw = await RawSocket.connect(server.port);
  raw.send(head(client, ['Content-Length: 1000', 'Expect: 100-Continue']));
  assert.equal((await raw.response()).status, 100);
  assert.equal((await raw.send(body).response()).status, 200);
  raw.destroy();
  const refusal = await lastExchange(
      server.port, head(client, [`Content-Length: ${bodyBytesMax + 1}`, 'Expect: 100-continue']));
  assert.equal(refusal.status, 413);
});
