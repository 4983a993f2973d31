// The binary has the static probes that docs/PERFORMANCE.md tells how to watch.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';

import {binary} from './support/server.mjs';
import {test} from './support/wait.mjs';

const sorted = (matches) => [...new Set([...matches].map((match) => match[1]))].sort();

test('each static probe of the binary is documented, and no other', () => {
  const notes = execFileSync('readelf', ['--notes', '--wide', binary], {encoding: 'utf8'});
  const probes = sorted(notes.matchAll(/Provider: mana_sync\s+Name: (\S+)/g));
  const docs = fileURLToPath(new URL('../../docs/PERFORMANCE.md', import.meta.url));
  const section = readFileSync(docs, 'utf8').split('### Probes')[1].split('\n#')[0];
  assert.deepEqual(probes, sorted(section.matchAll(/^\| `(\w+)` \|/gm)));
  for (const place of ['accept', 'request', 'merge', 'commit', 'notify']) {
    assert.ok(probes.some((probe) => probe.startsWith(place)), place);
  }
});
