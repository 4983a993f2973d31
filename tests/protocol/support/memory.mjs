// What the server holds in memory, seen from outside: its metrics, and how to make it forget.
import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';

import {at, insert} from './client.mjs';

export const mebibyte = 1 << 20;

export const names = {
  hits: 'mana_sync_cache_hits_total',
  misses: 'mana_sync_cache_misses_total',
  evictions: 'mana_sync_cache_evictions_total',
  bytes: 'mana_sync_cache_bytes',
  streams: 'mana_sync_cache_streams',
  loads: 'mana_sync_stream_loads_total',
  loading: 'mana_sync_stream_loads_in_flight',
  loadsWaiting: 'mana_sync_stream_loads_waiting',
  loadedChanges: 'mana_sync_stream_loaded_changes_total',
  fromMemory: 'mana_sync_answers_total{from="memory"}',
  fromStore: 'mana_sync_answers_total{from="store"}',
  conflicts: 'mana_sync_conflicts_total',
  corrections: 'mana_sync_corrections_total',
};

// The metrics above, by their short names.
export async function counts(server) {
  const metrics = await server.metrics();
  return Object.fromEntries(Object.entries(names).map(([short, name]) => {
    assert.ok(name in metrics, `${name} is there`);
    return [short, metrics[name]];
  }));
}

// What `act` adds to the metrics above.
export async function added(server, act) {
  const before = await counts(server);
  await act();
  const after = await counts(server);
  return Object.fromEntries(
      Object.keys(names).map((short) => [short, after[short] - before[short]]));
}

// Makes a server with a small cache forget every stream that it holds: the least recently used go
// first, so all are gone once as many are as there were.
export async function forgetAll(server) {
  const before = await counts(server);
  const fields = Object.fromEntries([...Array(20_000).keys()].map((i) => [`f${i}`, i]));
  for (let i = 0; i < 64; i += 1) {
    await server.client().push(insert('large', {...fields, createdAt: at()}));
    const {evictions} = await counts(server);
    if (evictions - before.evictions >= before.streams) return;
  }
  assert.fail('nothing is evicted');
}

// Its quarantine keeps what was freed: resident bytes then say nothing.
export const underAddressSanitizer = 'ASAN_OPTIONS' in process.env;

// What the server's process takes of the machine's memory.
export function residentBytes(server) {
  const status = readFileSync(`/proc/${server.process.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)[1]) * 1024;
}
