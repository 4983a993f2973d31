// PROTOCOL 2.1, 2.2, 10.1 while everything that serves is killed, stopped and cut: a few rounds of
// tests/torture. `tools/test --torture` runs many.
import {torture} from '../torture/torture.mjs';

import {test} from './support/wait.mjs';

const seed = Number(process.env.MANA_SYNC_TEST_SEED ?? Date.now() % 1_000_000);
const rounds = 5;

test(
    `2.1 2.2 10.1 whatever dies, nothing is lost, doubled, or goes back (seed ${seed})`,
    {timeout: 300_000}, () => torture({rounds, seed, log: () => {}}));
