// PROTOCOL 10.1, 10.2 with a wall clock that steps forward and back, in one server, over its
// restart and from one server to another: no cursor and no stamp goes back.
import assert from 'node:assert/strict';

import {at, beginning, insert} from './support/client.mjs';
import {SteppedClock} from './support/clock.mjs';
import {Server} from './support/server.mjs';
import {seconds} from './support/tokens.mjs';
import {test, until} from './support/wait.mjs';

const hour = 3600;
const stepsOfOneServer = [0, hour, -hour, -30 * 24 * hour, 0];

// An author and a reader, whose tokens outlast every step.
class Pair {
  constructor(server) {
    const lasting = {exp: seconds() + 365 * 24 * hour};
    const {user} = this.author = server.client();
    this.author.token = server.token(user, lasting);
    this.reader = this.author.other({token: this.author.token});
    Object.assign(this, {since: beginning, made: [], seen: []});
  }

  // Goes on at another server.
  moveTo(server) {
    for (const client of [this.author, this.reader]) client.server = server;
  }

  // Pushes and pulls a few times. Every cursor is later than the last, and every change is seen.
  async work() {
    for (let i = 0; i < 5; i += 1) {
      const id = `r${this.made.length}`;
      const {syncedUntil} = await this.author.push(insert(id, {createdAt: at()}));
      this.made.push(id);
      assert.ok(syncedUntil > this.since, `${this.since}, then ${syncedUntil} for a push`);
      for (let pull = 0; pull < 2; pull += 1) {
        const answer = await this.reader.pull({since: this.since});
        assert.ok(answer.syncedUntil > this.since, `${this.since}, then ${answer.syncedUntil}`);
        this.seen.push(...answer.serverChanges.map((change) => change.id));
        this.since = answer.syncedUntil;
      }
      assert.deepEqual(this.seen, this.made);
    }
  }

  async check(database) {
    const rows = await database.changes(this.author.user);
    assert.deepEqual(rows.map((row) => row.record_id), this.made, 'in the order of their stamps');
    assert.equal(new Set(rows.map((row) => row.stamp)).size, rows.length);
  }
}

// What the server's clock says, as seconds ahead of the machine's.
const aheadBy = async (server) => {
  const {timestamp} = JSON.parse((await server.get('/health')).text);
  return (Date.parse(timestamp) - Date.now()) / 1000;
};

// Returns when the lease has caught up: what the clock is ahead of it cannot be given out.
async function step(server, clock, by) {
  clock.step(by);
  await until(`the clock is ${by} s ahead`, async () => Math.abs(await aheadBy(server) - by) < 30);
  const other = new Pair(server).author;
  await until('pushes are taken', async () => {
    const {status} = await other.post({changes: [insert('a', {createdAt: at()})]});
    assert.ok(status === 200 || status === 503);
    return status === 200;
  });
}

const options = {
  timeout: 120_000,
  skip: SteppedClock.isMissing ?? false
};

test('10.1 a clock that steps in a server that runs', options, async () => {
  const clock = new SteppedClock();
  const server = await Server.start({env: clock.env});
  const pair = new Pair(server);
  for (const by of stepsOfOneServer) {
    await step(server, clock, by);
    await pair.work();
  }
  await pair.check(server.database);
  await server.stop();
});

for (const how of ['stopped', 'killed']) {
  test(`10.1 a clock that steps while a server is ${how}`, options, async () => {
    const clock = new SteppedClock();
    const server = await Server.start({env: clock.env});
    const pair = new Pair(server);
    for (const by of [0, hour, -hour, 0]) {
      await (how === 'stopped' ? server.stop() : server.kill());
      clock.step(by);
      await server.startAgain();
      await pair.work();
    }
    await pair.check(server.database);
    await server.stop();
  });
}

test('10.1 from one server to another whose clock is behind', options, async () => {
  const clocks = [new SteppedClock(), new SteppedClock()];
  clocks[0].step(hour);
  const first = await Server.start({env: clocks[0].env});
  const second = await Server.start({beside: first, env: clocks[1].env, ready: false});
  const pair = new Pair(first);
  let [serving, waiting] = [first, second];
  await pair.work();
  for (let i = 0; i < 3; i += 1) {
    await waiting.says('standby');
    await serving.kill();
    await waiting.ready();
    pair.moveTo(waiting);
    await pair.work();
    await serving.startAgain({ready: false});
    [serving, waiting] = [waiting, serving];
  }
  await pair.check(first.database);
  await Promise.all([first.stop(), second.stop()]);
});
