// What must hold when all is over: no acknowledged change is lost or doubled, and everybody who
// followed has what the table has.
import {Copy, iso} from './ledger.mjs';

const few = 5;
const shortened = (text) => (text.length > 400 ? `${text.slice(0, 400)}…` : text);

// The faults of one user's stream, as sentences; none if all is well. `rows`: the user's rows of
// the table, in stamp order.
export function faultsOf({ledger, writers, readers, rows, roundName}) {
  const complaints = [];
  const complain = (what, list) => {
    if (list.length === 0) return;
    const more = list.length > few ? `, and ${list.length - few} more` : '';
    complaints.push(`${what}: ${list.slice(0, few).map(shortened).join(', ')}${more}`);
  };
  const told = (entry) =>
      `${entry.op} of ${entry.record} by ${entry.client} (acknowledged in ${roundName(entry)})`;

  const stored = storedEdits(rows);
  const {entries} = ledger;
  const timesStored = (entry) => entry.isUntimed ?
      stored.inserts.get(entry.record)?.length ?? 0 :
      Math.min(...entry.edits.map((edit) => stored.edits.get(keyOf(entry, edit)) ?? 0));
  complain('never acknowledged', entries.filter((entry) => entry.round === undefined).map(told));
  complain('lost', entries.filter((entry) => !entry.isShared && timesStored(entry) < 1).map(told));
  const twice = [...stored.edits].filter(([, count]) => count > 1).map(([key]) => key);
  complain('stored twice', twice);
  complain(
      'inserted twice', [...stored.inserts].filter(([, ids]) => ids.length > 1).map(([id]) => id));
  const known = new Set(entries.flatMap(
      (entry) => entry.isUntimed ? [] : entry.edits.map((edit) => keyOf(entry, edit))));
  complain('stored, but never made', [...stored.edits.keys()].filter((key) => !known.has(key)));
  complain(
      'a stamp given twice',
      rows.filter((row, i) => i > 0 && row.stamp === rows[i - 1].stamp).map((row) => row.stamp));

  const untimed = new Set(entries.filter((entry) => entry.isUntimed).map((entry) => entry.record));
  const expected = expectedCells(entries);
  const table = tableCopy(rows);
  complain(
      'cells of the table that another edit should have won',
      differences(expected.toObject(), table.toObject(untimed)));
  for (const who of [...writers, ...readers]) {
    complain(
        `${who.name} does not hold what the table holds`,
        differences(table.toObject(untimed), who.copy.toObject(untimed)));
  }
  complaints.push(...[...writers, ...readers].flatMap((who) => deliveryFaults(who, rows)));
  return complaints;
}

const keyOf = ({client, record}, {field, time}) => `${client} ${record} ${field} ${iso(time)}`;

// How often each edit is stored, and the inserts of each record. What has no edit time of its own
// (an insert's that came without) is told by its record.
function storedEdits(rows) {
  const edits = new Map();
  const inserts = new Map();
  for (const row of rows) {
    if (row.op === 'insert') {
      inserts.set(row.record_id, [...(inserts.get(row.record_id) ?? []), row.id]);
      if (!row.data.createdAt) continue;
    }
    for (const [field, time] of Object.entries(row.field_timestamps)) {
      const key = `${row.client_id} ${row.record_id} ${field} ${time}`;
      edits.set(key, (edits.get(key) ?? 0) + 1);
    }
  }
  return {edits, inserts};
}

function expectedCells(entries) {
  const copy = new Copy();
  for (const {record, edits, isUntimed} of entries) {
    if (isUntimed) continue;
    for (const {field, value, time} of edits) copy.take(record, field, value, iso(time));
  }
  return copy;
}

function tableCopy(rows) {
  const copy = new Copy();
  for (const {record_id: record, op, data, field_timestamps: times} of rows) {
    for (const [field, time] of Object.entries(times)) {
      copy.take(record, field, op === 'delete' ? time : data[field], time);
    }
  }
  return copy;
}

function differences(expected, found) {
  const records = new Set([...Object.keys(expected), ...Object.keys(found)]);
  return [...records]
      .filter((record) => JSON.stringify(expected[record]) !== JSON.stringify(found[record]))
      .map(
          (record) => `${record}: ${JSON.stringify(expected[record])} is expected, not ${
              JSON.stringify(found[record])}`);
}

// Each change of another client exactly once, in the order of stamps. A writer is sent corrections
// too, which are not rows.
function deliveryFaults({name, client, received, isWriter}, rows) {
  const expected = rows.filter((row) => row.client_id !== client.id).map((row) => row.id);
  const ids = new Set(rows.map((row) => row.id));
  const delivered = isWriter ? received.filter((id) => ids.has(id)) : received;
  const seen = new Set(delivered);
  const complaints = [];
  const say = (what, list) => {
    if (list.length > 0) complaints.push(`${name} ${what} ${list.length}: ${list.slice(0, few)}`);
  };
  say('was never sent', expected.filter((id) => !seen.has(id)));
  const twice = new Set();
  say('was sent twice', delivered.filter((id) => twice.size === twice.add(id).size));
  say('was sent what is not in the table', delivered.filter((id) => !ids.has(id)));
  const isInOrder = delivered.every((id, i) => id === expected[i]);
  if (complaints.length === 0 && !isInOrder) complaints.push(`${name} was not sent it in order`);
  return complaints;
}
