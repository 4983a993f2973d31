// The same numbers for the same seed: what is random here can be repeated.

// A function that rolls numbers from 0 to 1 (mulberry32).
export function dice(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

// A whole number from `from` to `to`, both included.
export const between = (roll, from, to) => from + Math.floor(roll() * (to - from + 1));

export const oneOf = (roll, list) => list[Math.floor(roll() * list.length)];
