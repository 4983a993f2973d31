// PROTOCOL 5.6, 5.10: clients that have never heard of `conflicts` end up alike.
import assert from 'node:assert/strict';
import {after} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

import {recordOf} from './support/client.mjs';
import {DeployedClient} from './support/deployed.mjs';
import {forgetAll, mebibyte} from './support/memory.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start({env: {MANA_SYNC_CACHE_BYTES: String(mebibyte)}});
after(() => server.stop());

const fields = ['title', 'done', 'deletedAt'];
const records = ['a', 'b', 'c'];

// A small generator of numbers in [0, n): a run can be repeated by its seed.
function seeded(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

// A clock that is ahead makes no inserts without times (PROTOCOL 5.10's one limit).
const clocks = [0, -120_000, 200_000, -5];

function edit(client, random, name) {
  const id = records[random(records.length)];
  const ahead = client.skewMs > 0;
  if (!client.has(id)) {
    client.insert(id, {title: `${name} made`, done: false}, {timed: ahead || random(2) === 0});
  } else if (random(6) === 0) {
    client.remove(id);
  } else if (random(6) === 0) {
    client.update(id, 'deletedAt', null);
  } else {
    client.update(id, fields[random(2)], name);
  }
}

async function converges(seed) {
  const random = seeded(seed);
  const first = server.client();
  const clients = clocks.map((skewMs) => new DeployedClient(first.other(), {skewMs}));
  for (let step = 0; step < 150; step += 1) {
    const client = clients[random(clients.length)];
    const what = random(12);
    if (what < 5) edit(client, random, `v${step}`);
    if (what >= 5 && what < 7) await client.push();
    // Typed while a push is under way.
    if (what === 7) await Promise.all([client.push(), edit(client, random, `v${step}`)]);
    if (what === 8) await Promise.all(clients.map((each) => each.push()));
    if (what === 9) await client.pull();
    if (what === 10) await client.push({lost: true});
    if (what === 11) await pause(random(3));
    if (step === 50) await forgetAll(server);
    if (step === 100) await server.restart();
  }
  for (const client of clients) await client.push();
  for (const client of clients) await client.pull();

  const {changes} = await first.other().pullAll();
  for (const id of records) {
    const record = recordOf(changes, id);
    const expected = Object.fromEntries(fields.map((field) => [field, record[field]]));
    for (const [i, client] of clients.entries()) {
      assert.deepEqual(client.view(id, fields), expected, `${id} at client ${i}, seed ${seed}`);
    }
  }
}

const base = Number(process.env.MANA_SYNC_TEST_SEED ?? Date.now() % 1_000_000);

test(
    '5.10 clients that ignore conflicts end with the same values', {timeout: 120_000}, async () => {
      for (let i = 0; i < 8; i += 1) await converges(base + i);
    });

test('5.6 what one types while the other wins is not lost to either', async () => {
  const first = server.client();
  const [one, two] = [0, 0].map(() => new DeployedClient(first.other()));
  one.insert('a', {title: 'made'}, {timed: true});
  await one.push();
  await two.pull();
  two.update('a', 'title', 'two, earlier');
  await pause(2);
  one.update('a', 'title', 'one, later');
  await one.push();
  await one.push();
  await two.push();
  assert.deepEqual(two.view('a', ['title']), {title: 'one, later'}, 'from the answer itself');
});
