// PROTOCOL 9.5: bounds over all clients together, set low here. Each is met, is counted, and leaves
// the others served.
import assert from 'node:assert/strict';

import {at, insert} from './support/client.mjs';
import {mebibyte, residentBytes, underAddressSanitizer} from './support/memory.mjs';
import {RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test, until} from './support/wait.mjs';

test('answers that very many do not take: those that kept them longest are closed', async () => {
  const outputMax = 16 * mebibyte;
  const server = await Server.start({env: {MANA_SYNC_MAX_OUTPUT_BYTES: String(outputMax)}});
  const author = server.client();
  for (let i = 0; i < 3; i += 1) {
    await author.push(insert(`r${i}`, {text: 'x'.repeat(mebibyte), createdAt: at()}));
  }
  const pull = `GET ${author.path}/pull?collection=todos&since=x HTTP/1.1\r\nHost: a\r\n` +
      `Authorization: Bearer ${author.token}\r\n\r\n`;
  const before = residentBytes(server);
  let most = 0;
  const slow = [];
  // The kernel takes a part of each connection's answers, and the server keeps about 4 MiB.
  for (let i = 0; i < 40; i += 1) {
    const raw = await RawSocket.connect(server.port);
    raw.socket.pause();
    slow.push(raw.send(pull.repeat(20)));
    const other = server.client();
    await other.push(insert('r', {createdAt: at()}));
    assert.equal((await other.other().pull()).serverChanges.length, 1);
    most = Math.max(most, residentBytes(server) - before);
  }
  const metrics = await until('some are closed', async () => {
    const now = await server.metrics();
    return now.mana_sync_slow_readers_closed_total > 0 && now;
  });
  assert.ok(metrics.mana_sync_output_bytes <= outputMax);
  // All of it would be more than 120 MiB.
  if (!underAddressSanitizer) assert.ok(most < 80 * mebibyte, `${Math.round(most / mebibyte)} MiB`);
  for (const raw of slow) raw.destroy();
  await until(
      'nothing is left of it', async () => (await server.metrics()).mana_sync_output_bytes === 0);
  await server.stop();
});
