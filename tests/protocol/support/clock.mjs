// A wall clock for one server, which can be stepped while it runs (libfaketime).
import {existsSync, mkdtempSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const library = ['x86_64', 'aarch64']
                    .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`)
                    .find(existsSync);

const directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-clock-'));
process.on('exit', () => rmSync(directory, {recursive: true, force: true}));
let clocks = 0;

export class SteppedClock {
  // Why there can be none; undefined if there can.
  static get isMissing() {
    if (!library) return 'takes libfaketime (package faketime)';
    // It must be the first library, and so must libfaketime.
    if ('ASAN_OPTIONS' in process.env) return 'not under AddressSanitizer';
    return undefined;
  }

  constructor() {
    this.path = path.join(directory, `${++clocks}`);
    this.step(0);
  }

  // How many seconds it is ahead of the machine's, from now on.
  step(seconds) {
    writeFileSync(`${this.path}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${this.path}.new`, this.path);
  }

  // For the server's environment. Timers and deadlines stay true.
  get env() {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.path,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1'
    };
  }
}
