// A device that writes: pushes what was done on it, again and again with the same changes until
// they are acknowledged (PROTOCOL 2.2), at times with newer ones behind them.
import {setTimeout as pause} from 'node:timers/promises';

import {beginning, insert, remove, update} from '../protocol/support/client.mjs';
import {between, oneOf} from '../protocol/support/dice.mjs';

import {Copy, iso} from './ledger.mjs';
import {Cursor, retry} from './reader.mjs';

const sharedRecords = ['shared-0', 'shared-1', 'shared-2', 'shared-3'];
const sharedFields = ['a', 'b', 'c'];
const tables = ['todos', 'notes'];

// The table is a part of what a record is called, so that records of one name are not taken for
// one.
const tableOf = (record) => tables[record.length % tables.length];

export class Writer {
  // `world`: {round, times, stopped}
  constructor(client, {world, ledger, roll}) {
    Object.assign(this, {client, world, ledger, roll});
    Object.assign(this, {outbox: [], own: [], strangers: [], made: 0, acknowledged: 0, repeats: 0});
    this.cursor = new Cursor(beginning);
    this.copy = new Copy();
    this.received = [];
  }

  async run() {
    while (!this.world.stopped) {
      this.#edit();
      await this.#push();
      await pause(between(this.roll, 0, 20));
    }
    await this.drain();
  }

  // Sends what is left, and takes all that came before this call.
  async drain() {
    do await this.#push();
    while (this.hasMore);
  }

  // --- What is done on the device

  #edit() {
    for (let count = between(this.roll, 1, 4); count > 0; count -= 1) {
      const dice = this.roll();
      if (dice < 0.3 || this.own.length === 0) {
        this.#insert();
      } else if (dice < 0.4) {
        this.#insertUntimed();
      } else if (dice < 0.6) {
        this.#update(oneOf(this.roll, this.own), [['own', this.world.times.now()]], false);
      } else if (dice < 0.65) {
        this.#remove(this.own.splice(between(this.roll, 0, this.own.length - 1), 1)[0]);
      } else if (dice < 0.75 && this.strangers.length > 0) {
        this.#update(oneOf(this.roll, this.strangers), [['title', this.#time()]], true);
      } else {
        const fields = sharedFields.slice(0, between(this.roll, 1, sharedFields.length));
        this.#update(
            oneOf(this.roll, sharedRecords), fields.map((field) => [field, this.#time()]), true);
      }
    }
  }

  // Mostly now; else a while ago, as on a device that was offline: such an edit may lose.
  #time() { return this.roll() < 0.7 ? this.world.times.now() : this.world.times.before(); }

  #name() {
    this.made += 1;
    return `${this.client.id}.${this.made}`;
  }

  #insert() {
    const record = this.#name();
    const time = this.world.times.now();
    const data = {title: `${record} made`, text: 'x'.repeat(between(this.roll, 0, 200))};
    const all = {...data, createdAt: iso(time)};
    const edits = Object.entries(all).map(([field, value]) => ({field, value, time}));
    this.own.push(record);
    this.#did(insert(record, all, {table: tableOf(record)}), {record, op: 'insert', edits});
  }

  #insertUntimed() {
    const record = this.#name();
    const edits = [{field: 'title', value: `${record} made`}];
    this.#did(
        insert(record, {title: `${record} made`}, {table: tableOf(record)}),
        {record, op: 'insert', edits, isUntimed: true});
  }

  #update(record, fields, isShared) {
    const edits = fields.map(
        ([field, time]) => ({field, time, value: `${this.client.id} ${record} ${field} ${time}`}));
    const asSent = edits.map(({field, time, value}) => [field, [value, iso(time)]]);
    this.#did(
        update(record, Object.fromEntries(asSent), {table: tableOf(record)}),
        {record, op: 'update', edits, isShared});
  }

  #remove(record) {
    const time = this.world.times.now();
    const edits = [{field: 'deletedAt', value: iso(time), time}];
    this.#did(remove(record, iso(time), {table: tableOf(record)}), {record, op: 'delete', edits});
  }

  #did(change, what) {
    const entry = {client: this.client.id, ...what};
    this.ledger.add(entry);
    this.outbox.push({change, entry});
    if (entry.isUntimed) return;
    for (const {field, value, time} of entry.edits) {
      this.copy.take(entry.record, field, value, iso(time));
    }
  }

  // --- What is sent

  async #push() {
    let tries = 0;
    const {json, sent} = await retry(this, async () => {
      // At times something more is done on the device before it tries again.
      if (++tries > 1 && this.roll() < 0.3) this.#edit();
      const outbox = [...this.outbox];
      const changes = outbox.map(({change}) => change);
      return {...await this.client.post({since: this.cursor.value, changes}), sent: outbox};
    });
    this.repeats += tries - 1;
    this.outbox = this.outbox.slice(sent.length);
    this.ledger.acknowledge(sent.map(({entry}) => entry), this.world.round);
    this.acknowledged += sent.length;
    this.world.acknowledged += 1;
    this.cursor.move(json.syncedUntil);
    this.hasMore = json.hasMore === true;
    for (const change of json.serverChanges) {
      this.copy.apply(change);
      this.received.push(change.eventId);
      if (change.op === 'insert' && change.data.createdAt && this.strangers.length < 50) {
        this.strangers.push(change.id);
      }
    }
  }
}
