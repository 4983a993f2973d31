// What the writers of one user did, and were told: what the table must hold in the end.

// All devices are that far behind: an edit time that equals the server's time of receipt would be
// taken for one that was given there (PROTOCOL 5.8).
const behindMs = 600_000;

// Edit times, as milliseconds: no two alike, so that each cell has one winner whoever was first.
// Those of now are even, those of the past odd.
export class EditTimes {
  constructor(roll) { Object.assign(this, {roll, last: 0, past: new Set()}); }

  now() {
    this.last = Math.max(2 * Math.floor((Date.now() - behindMs) / 2), this.last + 2);
    return this.last;
  }

  before() {
    for (;;) {
      const time = this.now() - 2 * Math.floor(this.roll() * 5000) - 1;
      if (this.past.has(time)) continue;
      this.past.add(time);
      return time;
    }
  }
}

export const iso = (ms) => new Date(ms).toISOString();

export class Ledger {
  constructor() { Object.assign(this, {entries: []}); }

  // `entry`: {client, record, op, edits: [{field, value, time}], isShared, isUntimed}. `isShared`:
  // others write its cells too, so that an edit may lose. `isUntimed`: an insert without times.
  add(entry) { this.entries.push(entry); }

  acknowledge(entries, round) {
    for (const entry of entries) entry.round = round;
  }
}

// Cells as an LWW client keeps them: record → field → {value, time}.
export class Copy {
  constructor() { this.records = new Map(); }

  take(record, field, value, time) {
    if (!this.records.has(record)) this.records.set(record, new Map());
    const cells = this.records.get(record);
    const held = cells.get(field);
    if (!held || time >= held.time) cells.set(field, {value, time});
  }

  // A change as the server sends it (PROTOCOL 4.1).
  apply({id, op, fields = {}, data = {}, deletedAt}) {
    if (op === 'delete') this.take(id, 'deletedAt', deletedAt, deletedAt);
    for (const [field, {value, updatedAt}] of Object.entries(fields)) {
      this.take(id, field, value, updatedAt);
    }
    const time = data.updatedAt ?? data.createdAt;
    for (const [field, value] of Object.entries(data)) {
      if (field !== 'id') this.take(id, field, value, time);
    }
  }

  // `except`: records that are not told.
  toObject(except = new Set()) {
    const records = [...this.records].filter(([record]) => !except.has(record)).sort();
    return Object.fromEntries(
        records.map(([record, cells]) => [record, Object.fromEntries([...cells].sort())]));
  }
}
