// tools/test --torture: ROUNDS rounds (50) from the seed SEED (one that it tells). Exit 1 if
// anything was lost, doubled, or went back.
import {torture} from './torture.mjs';

// What was started is ended at 'exit'.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const rounds = Number(process.env.ROUNDS ?? 50);
console.log(`torture: ${rounds} rounds, seed ${seed} (SEED=${seed} repeats its schedule)`);
try {
  const figures = await torture({rounds, seed, log: console.log});
  console.log(`nothing lost, nothing doubled, no cursor went back: ${JSON.stringify(figures)}`);
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
