// PROTOCOL 2.1, 2.2, 9.5, 10.1 while the way to PostgreSQL is silent: its connections stand, and
// nothing comes through. (Where they end, outage.test.mjs has it.)
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {Cluster} from './support/postgres.mjs';
import {Server} from './support/server.mjs';
import {Load, Site, survives} from './support/site.mjs';
import {takes, test, until} from './support/wait.mjs';

// What only time limits end takes a variable to run.
const skip = 'MANA_SYNC_TEST_LONG' in process.env ? false : 'takes MANA_SYNC_TEST_LONG';

const cluster = new Cluster();
const usual = await Site.start(cluster);
const {link} = usual;
after(() => usual.stop());

const losses = (site) => site.server.process.text.split('database_connection_lost').length - 1;

for (const [what, options] of Object.entries({
       'both ways': {},
       // What was asked is done, and nobody hears of it.
       'answers': {answersOnly: true}
     })) {
  test(`${what} silent for a moment: the same connections go on`, async (context) => {
    const before = losses(usual);
    await survives(usual, context, {
      async begin(load) {
        link.silence(options);
        await load.waits();
        link.speak();
      }
    });
    assert.equal(losses(usual), before);
  });
}

test('answers silent for longer: it is noticed, and all goes on afterwards', async (context) => {
  const before = losses(usual);
  await survives(usual, context, {
    begin: () => link.silence({answersOnly: true}),
    during: () => usual.unhealthy(),
    end: () => link.speak()
  });
  assert.ok(losses(usual) > before);
});

test(
    'connections that stay silent, while new ones work: all go on by themselves',
    {timeout: 180_000, skip}, async (context) => {
      await survives(usual, context, {
        async begin() {
          link.silence({alsoNew: false});
          const push = {changes: [insert('a', {createdAt: at()})]};
          const {status} = await takes(0, 35, () => usual.server.client().post(push));
          assert.ok([200, 503].includes(status));
        }
      });
      link.speak();
    });

test('answers that are lost with their connection, again and again', async (context) => {
  await survives(usual, context, {
    async begin(load) {
      for (let i = 0; i < 10; i += 1) {
        await until('all connections stand', () => usual.isHealthy());
        link.silence({answersOnly: true, alsoNew: false});
        await load.waits();
        link.cut();
        await load.more(3);
      }
    }
  });
});

const stored = async ({database}, {user}) =>
    (await database.changes(user)).map((row) => row.record_id);

// A site with a standby, whose way to PostgreSQL is sound.
async function withStandby(act) {
  const site = await Site.start(cluster);
  const standby = await Server.start({beside: site.server, ready: false});
  try {
    await standby.says('standby');
    await act(site, standby);
  } finally {
    site.link.speak();
    await Promise.all([site.stop(), standby.stop()]);
  }
}

test(
    '9.5 silent for good: the standby takes over, and what comes through later is not stored',
    (context) => withStandby(async (site, standby) => {
      let serving = site.server;
      // Clients go to the one that serves.
      const servers = Object.create(site.server, {port: {get: () => serving.port}});
      const load = new Load({server: servers, database: site.database}, {timeoutMs: 1000});
      const author = site.server.client();
      await author.push(insert('before', {createdAt: at()}));
      try {
        await load.more(20);
        site.link.silence();
        let waiting = 2;
        const refused = [
          author.post({changes: [insert('late', {createdAt: at()})]}),
          // Nothing of this stream is in memory.
          site.server.client().query({collection: 'todos', since: beginning})
        ].map(async (answer) => {
          const {status} = await answer;
          waiting -= 1;
          assert.equal(status, 503);
        });
        const begin = performance.now();
        await standby.says('ok');
        context.diagnostic(`the standby serves ${Math.round(performance.now() - begin)} ms later`);
        serving = standby;
        await standby.client({user: author.user}).push(insert('after', {createdAt: at()}));
        await load.all();

        // Once it knows, nobody waits until its old connections answer.
        assert.equal(waiting, 2);
        site.link.silence({alsoNew: false});
        await site.server.says('standby');
        await until('those who wait are answered', () => waiting === 0, {seconds: 5});
        await Promise.all(refused);

        site.link.speak();
        await load.all();
        await load.finish();
        assert.deepEqual(await stored(site, author), ['before', 'after']);
      } finally {
        load.abandon();
      }
    }));
