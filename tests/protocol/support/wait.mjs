// Tests wait for what they want to see, never for time to pass.
import assert from 'node:assert/strict';
import {test as nodeTest} from 'node:test';
import {setTimeout as pause} from 'node:timers/promises';

// Node's test(), with a bound: a server that never answers fails a test and not the whole run.
export function test(name, options, fn) {
  if (typeof options === 'function') [options, fn] = [{}, options];
  nodeTest(name, {timeout: 60_000, ...options}, fn);
}

// Calls `probe` until it returns something true, and returns that. `what` names the condition.
export async function until(what, probe, {seconds = 30, everyMs = 20} = {}) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await pause(everyMs);
  }
}

// Seconds until `act` is done must lie in this range.
export async function takes(from, to, act) {
  const begin = Date.now();
  const result = await act();
  const seconds = (Date.now() - begin) / 1000;
  assert.ok(seconds >= from && seconds <= to, `after ${seconds} s, not ${from} to ${to}`);
  return result;
}

let names = 0;
// A name that nothing else in this run has.
export const fresh = (prefix) => `${prefix}-${process.pid}-${Date.now().toString(36)}-${++names}`;
