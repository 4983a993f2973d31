// A client as they are deployed: it has never heard of `conflicts`, takes what the server sends
// where it is not older than what it holds (PROTOCOL 5.6), and repeats what was not answered.
import {beginning, insert, remove, update} from './client.mjs';

const table = 'todos';

export class DeployedClient {
  // `skewMs`: how far its clock is ahead.
  constructor(client, {skewMs = 0} = {}) {
    Object.assign(this, {client, skewMs, since: beginning, outbox: [], records: new Map()});
  }

  get #now() { return new Date(Date.now() + this.skewMs).toISOString(); }

  has(id) { return this.records.has(id); }

  // Makes a record; without times, as some do, unless `timed`.
  insert(id, data, {timed}) {
    const now = this.#now;
    const times = timed ? {createdAt: now} : {};
    for (const [field, value] of Object.entries({...data, ...times})) {
      this.#write(id, field, value, now);
    }
    this.outbox.push(insert(id, {...data, ...times}, {table}));
  }

  update(id, field, value) {
    const now = this.#now;
    this.#write(id, field, value, now);
    this.outbox.push(update(id, {[field]: [value, now]}, {table}));
  }

  remove(id) {
    const now = this.#now;
    this.#write(id, 'deletedAt', now, now);
    this.outbox.push(remove(id, now, {table}));
  }

  // Pushes what waits and takes what comes. `lost`: the answer never arrives.
  async push({lost = false} = {}) {
    const sent = [...this.outbox];
    const answer = await this.client.push(sent, {since: this.since});
    if (lost) return;
    this.outbox = this.outbox.slice(sent.length);
    this.#take(answer);
  }

  async pull(options = {}) {
    for (let more = true; more;) {
      const page = await this.client.pull({since: this.since, collection: table, ...options});
      this.#take(page);
      more = page.hasMore ?? false;
    }
  }

  // What it holds of a record's fields.
  view(id, fields) {
    const cells = this.records.get(id) ?? {};
    return Object.fromEntries(fields.map((field) => [field, cells[field]?.value]));
  }

  #take({serverChanges, syncedUntil}) {
    for (const change of serverChanges) this.#apply(change);
    this.since = syncedUntil;
  }

  #apply({id, op, fields = {}, data = {}, deletedAt}) {
    if (op === 'delete') this.#takeCell(id, 'deletedAt', deletedAt, deletedAt);
    for (const [field, {value, updatedAt}] of Object.entries(fields)) {
      this.#takeCell(id, field, value, updatedAt);
    }
    const time = data.updatedAt ?? data.createdAt;
    for (const [field, value] of Object.entries(data)) this.#takeCell(id, field, value, time);
  }

  #takeCell(id, field, value, time) {
    const held = this.records.get(id)?.[field];
    if (!held || time >= held.time) this.#write(id, field, value, time);
  }

  #write(id, field, value, time) {
    if (!this.records.has(id)) this.records.set(id, {});
    this.records.get(id)[field] = {value, time};
  }
}
