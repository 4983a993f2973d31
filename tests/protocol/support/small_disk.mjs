// A small disk (a tmpfs) that can be filled, for PostgreSQL to stand on.
import {execFile, execFileSync} from 'node:child_process';
import {mkdtempSync, rmdirSync, rmSync} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {promisify} from 'node:util';

const run = promisify(execFile);

export class SmallDisk {
  // undefined where nothing may be mounted.
  static mount(mebibytes) {
    const disk = new SmallDisk();
    disk.directory = mkdtempSync(path.join(os.tmpdir(), 'mana-sync-disk-'));
    try {
      execFileSync(
          'mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=755`, 'tmpfs', disk.directory],
          {stdio: 'ignore'});
    } catch {
      rmdirSync(disk.directory);
      return undefined;
    }
    process.on('exit', () => disk.unmount());
    return disk;
  }

  // A directory that the cluster's owner may write to.
  makeDirectory(name) {
    const directory = path.join(this.directory, name);
    execFileSync('install', ['-d', '-o', 'postgres', '-m', '700', directory]);
    return directory;
  }

  // Leaves not a byte. (dd says so by failing.)
  async fill() {
    await run('dd', ['if=/dev/zero', `of=${this.#ballast}`, 'bs=64K']).catch(() => {});
  }

  empty() { rmSync(this.#ballast); }

  unmount() {
    if (this.isUnmounted) return;
    this.isUnmounted = true;
    execFileSync('umount', ['--lazy', this.directory]);
    rmdirSync(this.directory);
  }

  get #ballast() { return path.join(this.directory, 'ballast'); }
}
