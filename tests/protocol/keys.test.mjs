// PROTOCOL §1.4, 1.5: where the keys come from and how long they and the tokens count.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {beginning} from './support/client.mjs';
import {JwksEndpoint} from './support/jwks_endpoint.mjs';
import {Server} from './support/server.mjs';
import {JwksFile, Key, seconds} from './support/tokens.mjs';
import {fresh, test, until} from './support/wait.mjs';

const pullPath = `/sync/app/pull?collection=todos&since=${beginning}`;

const ask = (server, token) => server.get(pullPath, {authorization: `Bearer ${token}`});
const status = async (server, token) => (await ask(server, token)).status;
const pushStatus = async (server, token) => (await server.request({
  method: 'POST',
  path: '/sync/app',
  headers: {authorization: `Bearer ${token}`},
  body: '{"changes":[]}'
})).status;

async function withServer(env, body) {
  const server = await Server.start({env});
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

// Names keys that nobody has until the server has fetched again, which it does at most once per
// 10 s.
async function provokeFetch(server, endpoint) {
  const before = endpoint.fetches;
  await until('the server fetches again', async () => {
    const stranger = new Key(fresh('kid'));
    assert.equal(await status(server, stranger.token({sub: 'a'})), 401);
    return endpoint.fetches > before;
  }, {everyMs: 200});
}

test('1.4 unusable keys are skipped, and of two with one kid the first counts', async () => {
  const [good, first, second] = [new Key('good'), new Key('twice'), new Key('twice')];
  const noKid = {...new Key('x').jwk};
  delete noKid.kid;
  const smallOrder = Buffer.alloc(32);
  smallOrder[0] = 1;
  const file = new JwksFile(
      {kty: 'RSA', kid: 'rsa', n: 'AQAB', e: 'AQAB'}, {kty: 'oct', kid: 'good', k: 'AAAA'},
      {kty: 'EC', crv: 'P-256', kid: 'ec', x: 'AA', y: 'AA'}, noKid, 7, null, {},
      {...new Key('x').jwk, kid: 'short', x: 'AAAA'},
      {...new Key('x').jwk, kid: 'small', x: smallOrder.toString('base64url')},
      {...new Key('x').jwk, kid: 'x448', crv: 'X448'}, good, first, second);
  await withServer({JWKS_URL: file.url}, async (server) => {
    assert.equal(await status(server, good.token({sub: 'a'})), 200);
    assert.equal(await status(server, first.token({sub: 'a'})), 200);
    assert.equal(await status(server, second.token({sub: 'a'})), 401);
    // The neutral element is a key under which a fixed signature fits every message.
    const [head, body] = good.token({sub: 'a'}, {alg: 'EdDSA', kid: 'small'}).split('.');
    const forged = Buffer.concat([smallOrder, Buffer.alloc(32)]).toString('base64url');
    assert.equal(await status(server, `${head}.${body}.${forged}`), 401);
  });
});

test('1.4 requests with an unknown kid wait for one fetch, at most one per 10 s', async () => {
  const [old, young] = [new Key('old'), new Key('young')];
  const endpoint = await JwksEndpoint.start(old);
  await withServer({JWKS_URL: endpoint.url}, async (server) => {
    await until(
        'the keys are there', async () => await status(server, old.token({sub: 'a'})) === 200);
    const held = [];
    const serveNow = [];
    endpoint.answer = (request, response) => {
      held.push(response);
      for (const each of serveNow) each(response);
    };
    const tokens = [...Array(20).keys()].map((i) => young.token({sub: `user-${i}`}));
    let answers;
    await until('a fetch was due', async () => {
      const asked = Promise.all(tokens.map(
          (token, i) => i % 2 === 0 ? status(server, token) : pushStatus(server, token)));
      // Either all are refused at once, since the last fetch is too young, or all wait.
      const refused = asked.then(() => true);
      await until(
          'they are answered or wait',
          async () => held.length > 0 ||
              await Promise.race([refused, new Promise((r) => { setImmediate(r, false); })]));
      if (held.length === 0) return false;
      const text = JSON.stringify({keys: [old.jwk, young.jwk]});
      serveNow.push((response) => response.end(text));
      for (const response of held) response.end(text);
      answers = await asked;
      return true;
    }, {everyMs: 200});
    assert.deepEqual(answers, tokens.map(() => 200));
    assert.equal(held.length, 1, 'one fetch for all');
    // A second unknown kid within 10 s does not cause another.
    for (let i = 0; i < 50; i += 1) {
      assert.equal(await status(server, new Key(`guess-${i}`).token({sub: 'a'})), 401);
    }
    assert.equal(held.length, 1, 'guessed kids cause no fetches');
  });
});

test('1.4 a fetch that fails keeps the keys already held', {timeout: 120_000}, async () => {
  // Where an answer must not count, it holds another key under the kid in use.
  const other = JSON.stringify(new Key('good').jwk);
  const failures = {
    'status 500': (request, response) => {
      response.statusCode = 500;
      response.end(`{"keys":[${other}]}`);
    },
    'no key': (request, response) => response.end('{"keys":[]}'),
    'no usable key': (request, response) => response.end('{"keys":[{"kty":"RSA","kid":"good"}]}'),
    'no JSON behind a key': (request, response) => response.end(`{"keys":[${other}]`),
    'no JSON': (request, response) => response.end('<html>'),
    'over 1 MiB': (request, response) =>
        response.end(`{"keys":[${other}],"x":"${'x'.repeat(1 << 20)}"}`),
    'four redirects': (request, response) => {
      const step = Number(request.url.slice(6)) || 0;
      if (step === 4) return response.end(`{"keys":[${other}]}`);
      response.writeHead(302, {location: `/jwks/${step + 1}`});
      return response.end();
    },
    'a connection cut': (request, response) => response.destroy(),
    'no answer': () => {},
  };
  await Promise.all(Object.entries(failures).map(async ([what, answer]) => {
    const good = new Key('good');
    const endpoint = await JwksEndpoint.start(good);
    await withServer({JWKS_URL: endpoint.url}, async (server) => {
      await until(
          'the keys are there', async () => await status(server, good.token({sub: 'a'})) === 200);
      endpoint.answer = answer;
      await provokeFetch(server, endpoint);
      assert.equal(await status(server, good.token({sub: 'b'})), 200, what);
    });
  }));
});

test('1.4 three redirects are followed', async () => {
  const key = new Key('k');
  const endpoint = await JwksEndpoint.start();
  endpoint.answer = (request, response) => {
    const step = Number(request.url.slice(6)) || 0;
    if (step === 3) return response.end(JSON.stringify({keys: [key.jwk]}));
    response.writeHead(302, {location: `${endpoint.origin}/jwks/${step + 1}`});
    return response.end();
  };
  await withServer({JWKS_URL: endpoint.url}, async (server) => {
    await until(
        'the keys are there', async () => await status(server, key.token({sub: 'a'})) === 200);
  });
});

test('1.4 before any key was ever fetched: 503 with Retry-After, not 401', async () => {
  const key = new Key('late');
  const endpoint = await JwksEndpoint.start(key);
  const serve = endpoint.answer;
  endpoint.answer = (request, response) => {
    response.statusCode = 503;
    response.end();
  };
  const server = await Server.start({env: {JWKS_URL: endpoint.url}, ready: false});
  try {
    const answer = await ask(server, key.token({sub: 'a'}));
    assert.equal(answer.status, 503);
    assert.match(answer.headers['retry-after'], /^\d+$/);
    endpoint.answer = serve;
    await until(
        'the keys are there', async () => await status(server, key.token({sub: 'a'})) === 200,
        {everyMs: 200});
  } finally {
    await server.stop();
  }
});

test('1.4 a client that comes while the first keys are fetched waits for them', async () => {
  const key = new Key('early');
  // On a machine that stands still meanwhile, the server may have stopped waiting.
  for (let tries = 0;; ++tries) {
    const endpoint = await JwksEndpoint.start(key);
    endpoint.hold();
    const server = await Server.start({env: {JWKS_URL: endpoint.url}, ready: false});
    try {
      const answer = status(server, key.token({sub: 'a'}));
      await until('the server fetches', () => endpoint.held.length === 1);
      endpoint.serve(key);
      if (await answer === 200) return;
      assert.ok(tries < 3, 'not once');
    } finally {
      await server.stop();
    }
  }
});

test('1.4 1.5 a key that left is not accepted any more, nor are its tokens', async () => {
  const [old, young] = [new Key('old'), new Key('young')];
  const file = new JwksFile(old);
  await withServer({JWKS_URL: file.url}, async (server) => {
    const remembered = old.token({sub: 'a'});
    assert.equal(await status(server, remembered), 200);
    file.write(young);
    await until(
        'the new key counts', async () => await status(server, young.token({sub: 'a'})) === 200,
        {everyMs: 200});
    assert.equal(await status(server, remembered), 401, 'a token seen before');
    assert.equal(await status(server, old.token({sub: 'b'})), 401, 'a new token');
  });
});

const server = await Server.start();
after(() => server.stop());

test('1.5 a remembered token still ends at its exp', async () => {
  const exp = seconds() - 30 + 3;
  const token = server.key.token({sub: 'a', exp});
  assert.equal(await status(server, token), 200);
  assert.equal(await status(server, token), 200);
  await until('it has expired', async () => await status(server, token) === 401);
  assert.ok(Date.now() / 1000 >= exp + 29, 'not before the leeway is over');
});

test('1.5 a token is looked at once a request, a push too', async () => {
  const looks = async () => (await server.get('/metrics'))
                                .text.split('\n')
                                .filter((line) => /^mana_sync_tokens_\w+_total /.test(line))
                                .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  const token = server.key.token({sub: 'a'});
  const before = await looks();
  for (let i = 1; i <= 3; i += 1) {
    assert.equal(await pushStatus(server, token), 200);
    assert.equal(await looks() - before, i);
  }
});

test('1.5 a remembered token does not let in its like', async () => {
  const token = server.key.token({sub: 'a'});
  assert.equal(await status(server, token), 200);
  assert.equal(await status(server, `${token.slice(0, -3)}AAA`), 401);
  assert.equal(await status(server, token.replace('.', '..')), 401);
});
