// Writers, followers and sockets run while a seeded schedule kills, stops and cuts what serves
// them. When all is over, nothing that was acknowledged is lost or doubled, no cursor went back,
// and all who followed hold what the table holds (PROTOCOL 2.1, 2.2, 10.1).
import {setTimeout as pause} from 'node:timers/promises';

import {Client} from '../protocol/support/client.mjs';
import {dice} from '../protocol/support/dice.mjs';
import {until} from '../protocol/support/wait.mjs';

import {Schedule} from './faults.mjs';
import {EditTimes, Ledger} from './ledger.mjs';
import {EventReader, NotifiedReader, patienceMs, PullingReader} from './reader.mjs';
import {Site} from './site.mjs';
import {faultsOf} from './verdict.mjs';
import {Writer} from './writer.mjs';

const users = ['ann', 'bob'];
const writersPerUser = 3;
const readerKinds = {
  'pulls': PullingReader,
  'events': EventReader,
  'socket': NotifiedReader
};

class Torture {
  constructor(site, {seed, log}) {
    Object.assign(this, {site, seed, log, streams: [], failures: []});
    this.rounds = [];
    const roll = dice(seed);
    this.schedule = new Schedule(dice(seed + 1));
    this.world = {round: 0, acknowledged: 0, times: new EditTimes(roll)};
    for (const user of users) this.streams.push(this.#stream(user, roll));
  }

  // Everyone who writes or follows one user's stream, with numbers of their own to roll.
  #stream(user, roll) {
    const ledger = new Ledger();
    const begin = (Kind, name, more) => {
      const client =
          new Client(this.site.front, {user, id: `${user}-${name}`, timeoutMs: patienceMs});
      const seed = Math.floor(roll() * 2 ** 32);
      const who = new Kind(client, {world: this.world, roll: dice(seed), ...more});
      who.name = client.id;
      who.running = who.run().catch((error) => { this.failures.push([client.id, error]); });
      return who;
    };
    const writers = [...Array(writersPerUser).keys()].map(
        (i) => Object.assign(begin(Writer, `writes-${i}`, {ledger}), {isWriter: true}));
    const readers = Object.entries(readerKinds).map(([name, Kind]) => begin(Kind, name));
    return {user, ledger, writers, readers};
  }

  #assertWell() {
    this.site.assertAlive();
    if (this.failures.length === 0) return;
    const [who, error] = this.failures[0];
    throw new Error(`${who}: ${error.stack}`);
  }

  #until(what, probe) {
    return until(what, async () => {
      this.#assertWell();
      return probe();
    }, {seconds: 60, everyMs: 5});
  }

  async #all(promises) {
    let isDone = false;
    Promise.all(promises).then(
        () => { isDone = true; },
        (error) => {
          this.failures.push(['a writer', error]);
        });
    await this.#until('all writers end', () => isDone);
  }

  get #writers() { return this.streams.flatMap((stream) => stream.writers); }

  async round() {
    const {world, site} = this;
    const {faults, pushesBefore, apartMs, lastsMs} = this.schedule.next();
    const names = faults.map((fault) => fault.name).join(', ');
    world.round += 1;
    this.rounds.push(names);
    const enough = world.acknowledged + pushesBefore;
    await this.#until(`${pushesBefore} pushes`, () => world.acknowledged >= enough);

    const server = await site.serving();
    for (const [i, fault] of faults.entries()) {
      if (i > 0) await pause(apartMs);
      await fault.begin(site, server);
    }
    await pause(lastsMs);
    for (const fault of faults) await fault.end?.(site, server);
    const healed = performance.now();
    const before = this.#writers.map((writer) => writer.acknowledged);
    await this.#until(
        `round ${world.round}: every writer is acknowledged again`,
        () => this.#writers.every((writer, i) => writer.acknowledged > before[i]));
    const seconds = (performance.now() - healed) / 1000;
    this.log(`round ${world.round}: ${names} for ${lastsMs} ms; all are served ${
        seconds.toFixed(2)} s later; ${world.acknowledged} pushes acknowledged`);
    return seconds;
  }

  // Lets all come to an end, and judges.
  async finish() {
    const {world, site} = this;
    world.stopped = true;
    await this.#all(this.#writers.map((writer) => writer.running));
    // Each has written before; now each takes what the others wrote last.
    await this.#all(this.#writers.map((writer) => writer.drain()));
    const complaints = [];
    for (const stream of this.streams) {
      const rows = await site.database.changes(stream.user);
      // A reader gets no change of its own, since it makes none.
      await this
          .#until(
              `the followers of ${stream.user} have ${rows.length} changes`,
              () => stream.readers.every((reader) => reader.received.length >= rows.length))
          .catch((error) => complaints.push(error.message));
      const roundName = ({round}) =>
          `round ${round}: ${this.rounds[round - 1] ?? 'before or after'}`;
      complaints.push(...faultsOf({...stream, rows, roundName}));
    }
    world.isOver = true;
    await Promise.all(this.streams.flatMap((stream) => stream.readers.map((each) => each.running)));
    this.#assertWell();
    return complaints;
  }

  get figures() {
    const all = (pick) => this.streams.flatMap(pick);
    const sum = (list, of) => list.reduce((total, each) => total + of(each), 0);
    return {
      pushes: this.world.acknowledged,
      changes: sum(this.streams, (stream) => stream.ledger.entries.length),
      repeats: sum(this.#writers, (writer) => writer.repeats),
      reconnects: sum(all((stream) => stream.readers), (reader) => reader.reconnects)
    };
  }
}

// Runs `rounds` rounds; throws an error that names the seed, the round and what was lost.
export async function torture({rounds, seed, log}) {
  const site = await Site.start();
  const run = new Torture(site, {seed, log});
  try {
    const recoveries = [];
    for (let i = 0; i < rounds; i += 1) recoveries.push(await run.round());
    const complaints = await run.finish();
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
    await site.stop();
    return {...run.figures, slowestRecoverySeconds: Math.max(...recoveries)};
  } catch (error) {
    const round = `round ${run.world.round} (${run.rounds.at(-1)})`;
    const logs = site.servers.map(
        ({name, process}) => `log of server ${name}:\n${process.log.slice(-30).join('\n')}`);
    throw new Error([`seed ${seed}, ${round}: ${error.message}`, ...logs].join('\n'));
  }
}
