// PROTOCOL §1.1-1.3: who is let in. The key set (1.4, 1.5) has keys.test.mjs.
import assert from 'node:assert/strict';
import {createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign} from 'node:crypto';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {exchange} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {base64url, Key, seconds} from './support/tokens.mjs';
import {fresh, test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const strict = await Server.start(
    {env: {MANA_SYNC_JWT_ISSUER: 'https://issuer.example', MANA_SYNC_JWT_AUDIENCE: 'sync'}});
after(() => strict.stop());

const pullPath = `/sync/app/pull?collection=todos&since=${beginning}`;
const claims = {
  sub: 'somebody'
};
const header = {
  alg: 'EdDSA',
  typ: 'JWT',
  kid: server.key.kid
};

const status = async (authorization, path = pullPath) =>
    (await server.get(path, authorization === undefined ? {} : {authorization})).status;
const statusOf = (token) => status(`Bearer ${token}`);

async function allRefused(tokens) {
  const letIn = [];
  for (const [what, token] of Object.entries(tokens)) {
    const answer = await server.get(pullPath, {authorization: `Bearer ${token}`});
    if (answer.status !== 401) letIn.push(`${what}: ${answer.status}`);
  }
  assert.deepEqual(letIn, []);
}

async function allAccepted(tokens) {
  const refused = [];
  for (const [what, token] of Object.entries(tokens)) {
    const answer = await server.get(pullPath, {authorization: `Bearer ${token}`});
    if (answer.status !== 200) refused.push(`${what}: ${answer.status} ${answer.text}`);
  }
  assert.deepEqual(refused, []);
}

// A token of the server's own key whose signature is made over exactly these texts.
const signedText = (headerText, claimsText) => server.key.token(claimsText, headerText);

test('1.1 every endpoint but /health and /metrics takes a token', async () => {
  assert.equal(await status(undefined), 401);
  const push = await server.request(
      {method: 'POST', path: '/sync/app', headers: {'content-length': 2}, body: '{}'});
  assert.equal(push.status, 401);
  assert.equal(await status(undefined, '/health'), 200);
  assert.equal(await status(undefined, '/metrics'), 200);
});

test('1.1 a refused push stores nothing', async () => {
  const client = server.client();
  client.token = server.key.token({sub: client.user, exp: seconds() - 3600});
  await client.refused({changes: [insert('a', {createdAt: at()})]}, 401);
  assert.equal(await server.database.count(client.user), 0);
});

test('1.1 the scheme is matched case-insensitively', async () => {
  const token = server.token('somebody');
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    assert.equal(await status(`${scheme} ${token}`), 200, scheme);
  }
});

test('1.1 another scheme, or none, is refused', async () => {
  const token = server.token('somebody');
  for (const value
           of [`Basic ${token}`, token, 'Bearer', 'Bearer ', `Bearer${token}`, '',
               `Bearer ${token} ${token}`, `Bearer ${token},`]) {
    assert.equal(await status(value), 401, value.slice(0, 20));
  }
});

test('1.1 a token is not taken from the query', async () => {
  const token = server.token('somebody');
  for (const name of ['token', 'access_token', 'authorization']) {
    assert.equal(await status(undefined, `${pullPath}&${name}=${token}`), 401);
  }
});

test('1.2 a token of the named key is accepted', async () => {
  await allAccepted({
    plain: server.key.token(claims),
    'without typ': server.key.token(claims, {alg: 'EdDSA', kid: server.key.kid}),
    'with an unknown header': server.key.token(claims, {...header, 'x-note': [1, null]}),
    'escaped kid': signedText('{"alg":"EdDSA","kid":"\\u0074est-key"}', '{"sub":"somebody"}'),
    'with spaces': signedText(`{ "alg" : "EdDSA", "kid":"${server.key.kid}" }`, ' {"sub":"a"} '),
  });
});

test('1.2 no kid, an unknown one or one that is not a string: refused', async () => {
  await allRefused({
    none: server.key.token(claims, {alg: 'EdDSA'}),
    unknown: server.key.token(claims, {alg: 'EdDSA', kid: 'other-key'}),
    empty: server.key.token(claims, {alg: 'EdDSA', kid: ''}),
    null: server.key.token(claims, {alg: 'EdDSA', kid: null}),
    array: server.key.token(claims, {alg: 'EdDSA', kid: [server.key.kid]}),
    longer: server.key.token(claims, {alg: 'EdDSA', kid: `${server.key.kid}\0`}),
  });
});

test('1.2 any other alg is refused, whatever signs it', async () => {
  const signedPart = (alg) =>
      `${base64url(JSON.stringify({...header, alg}))}.${base64url(JSON.stringify(claims))}`;
  const hmac = (secret) =>
      base64url(createHmac('sha256', secret).update(signedPart('HS256')).digest());
  const {privateKey} = generateKeyPairSync('ec', {namedCurve: 'P-256'});
  const ecdsa = sign(
      'sha256', Buffer.from(signedPart('ES256')), {key: privateKey, dsaEncoding: 'ieee-p1363'});
  const x = server.key.publicKey.export({format: 'jwk'}).x;
  await allRefused({
    'none, unsigned': `${signedPart('none')}.`,
    'None, unsigned': `${signedPart('None')}.`,
    'none, signed': server.key.token(claims, {...header, alg: 'none'}),
    'HS256 with the public key': `${signedPart('HS256')}.${hmac(Buffer.from(x, 'base64url'))}`,
    'HS256 with the public key as text': `${signedPart('HS256')}.${hmac(x)}`,
    ES256: `${signedPart('ES256')}.${base64url(ecdsa)}`,
    'EdDSA in small letters': server.key.token(claims, {...header, alg: 'eddsa'}),
    Ed25519: server.key.token(claims, {...header, alg: 'Ed25519'}),
    Ed448: server.key.token(claims, {...header, alg: 'Ed448'}),
    'no alg': server.key.token(claims, {kid: server.key.kid}),
    'alg as an array': server.key.token(claims, {...header, alg: ['EdDSA']}),
  });
});

test('1.2 a crit header or b64: false is refused', async () => {
  await allRefused({
    crit: server.key.token(claims, {...header, crit: ['exp'], exp: 1}),
    'empty crit': server.key.token(claims, {...header, crit: []}),
    b64: server.key.token(claims, {...header, b64: false}),
    'b64 with crit': server.key.token(claims, {...header, b64: false, crit: ['b64']}),
  });
});

test('1.2 malformed or non-canonical base64url is refused in each part', async () => {
  const good = server.key.token(claims);
  const [head, body, signature] = good.split('.');
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  // 64 bytes are 86 characters, whose last holds 4 bits that mean nothing: the same bytes, but
  // another text.
  const last = alphabet[alphabet.indexOf(signature.at(-1)) + 1];
  const bad = {'trailing bits': `${head}.${body}.${signature.slice(0, -1)}${last}`};
  for (const [what, mend] of Object.entries({
         padding: (part) => `${part}==`,
                  'a plus': (part) => `${part.slice(0, -1)}+`,
                  'a slash': (part) => `${part.slice(0, -1)}/`,
                  'a star': (part) => `*${part.slice(1)}`,
                  'one character too few': (part) => part.slice(0, -1),
                  'one character too many': (part) => `${part}A`,
         empty: () => '',
       })) {
    bad[`header: ${what}`] = `${mend(head)}.${body}.${signature}`;
    bad[`claims: ${what}`] = `${head}.${mend(body)}.${signature}`;
    bad[`signature: ${what}`] = `${head}.${body}.${mend(signature)}`;
  }
  // The signature is good here: only the text of the signed part is not canonical.
  const signText = (text) =>
      `${text}.${base64url(sign(null, Buffer.from(text), server.key.privateKey))}`;
  // 46 bytes: the last character has 4 bits that mean nothing.
  const oddHead = base64url(JSON.stringify(header).padEnd(46))
                      .replace(/.$/, (character) => alphabet[alphabet.indexOf(character) + 1]);
  await allRefused({
    ...bad,
    'two parts': `${head}.${body}`,
    'four parts': `${good}.${signature}`,
    'an empty fourth part': `${good}.`,
    'a leading dot': `.${good}`,
    'signed with padding': signText(`${head}=.${body}`),
    'signed with padded claims': signText(`${head}.${body}==`),
    'signed with trailing bits': signText(`${oddHead}.${body}`),
  });
});

test('1.2 a member name twice in header or claims is refused', async () => {
  const kid = JSON.stringify(server.key.kid);
  const plain = `{"alg":"EdDSA","kid":${kid}}`;
  await allRefused({
    'alg twice': signedText(`{"alg":"EdDSA","kid":${kid},"alg":"EdDSA"}`, '{"sub":"a"}'),
    'kid twice': signedText(`{"alg":"EdDSA","kid":"x","kid":${kid}}`, '{"sub":"a"}'),
    'unknown twice': signedText(`{"alg":"EdDSA","kid":${kid},"x":1,"x":1}`, '{"sub":"a"}'),
    'sub twice': signedText(plain, '{"sub":"a","sub":"b"}'),
    'sub twice, once escaped': signedText(plain, '{"sub":"a","s\\u0075b":"b"}'),
    'exp twice': signedText(plain, `{"sub":"a","exp":1,"exp":${seconds() + 60}}`),
    'unknown claim twice': signedText(plain, '{"sub":"a","x":1,"x":2}'),
  });
});

test('1.2 header and claims must be JSON objects and nothing else', async () => {
  const plain = JSON.stringify(header);
  await allRefused({
    'header array': signedText(`[${plain}]`, '{"sub":"a"}'),
    'header text': signedText('"x"', '{"sub":"a"}'),
    'header truncated': signedText(plain.slice(0, -1), '{"sub":"a"}'),
    'header with more behind': signedText(`${plain}{}`, '{"sub":"a"}'),
    'claims array': signedText(plain, '["sub"]'),
    'claims null': signedText(plain, 'null'),
    'claims truncated': signedText(plain, '{"sub":"a"'),
    'claims with more behind': signedText(plain, '{"sub":"a"}x'),
    'claims not UTF-8': signedText(plain, Buffer.from('{"sub":"a","x":"\xff"}', 'latin1')),
    'claims with a NUL behind': signedText(plain, '{"sub":"a"}\0'),
  });
});

test('1.2 a signature that is not of this key over these bytes is refused', async () => {
  const good = server.key.token(claims);
  const [head, body, signature] = good.split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = 0n;
  for (let i = 63; i >= 32; i -= 1) s = (s << 8n) | BigInt(bytes[i]);
  const malleable = Buffer.from(bytes);
  for (let i = 32, rest = s + order; i < 64; i += 1, rest >>= 8n)
    malleable[i] = Number(rest & 255n);
  const flipped = Buffer.from(bytes);
  flipped[5] ^= 1;
  await allRefused({
    'another key': new Key(server.key.kid).token(claims),
    'other claims': `${head}.${base64url('{"sub":"admin"}')}.${signature}`,
    'one bit': `${head}.${body}.${base64url(flipped)}`,
    'S not below the order': `${head}.${body}.${base64url(malleable)}`,
    zeros: `${head}.${body}.${base64url(Buffer.alloc(64))}`,
    short: `${head}.${body}.${base64url(bytes.subarray(0, 63))}`,
    long: `${head}.${body}.${base64url(Buffer.concat([bytes, Buffer.from([0])]))}`,
    none: `${head}.${body}.`,
  });
});

test('1.2 a key that the token brings with it is never used', async () => {
  const attacker = new Key(server.key.kid);
  const own =
      {jwk: attacker.jwk, jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/', x5c: ['x']};
  await allRefused({
    jwk: attacker.token(claims, {...header, jwk: own.jwk}),
    'jwk under a new kid': attacker.token(claims, {...header, ...own, kid: 'attacker'}),
    all: attacker.token(claims, {...header, ...own}),
  });
});

test('1.2 two Authorization headers are refused', async () => {
  const token = server.token('somebody');
  for (const second of [`Authorization: Bearer ${token}`, 'authorization: Basic eDp5']) {
    const answer = await exchange(
        server.port,
        `GET ${pullPath} HTTP/1.1\r\nHost: a\r\n` +
            `Authorization: Bearer ${token}\r\n${second}\r\n\r\n`);
    assert.ok([400, 401].includes(answer.status), `${answer.status}`);
  }
});

test('1.2 a token of 14 KiB works', async () => {
  // Characters of the claims are spread over four thirds as many of the token.
  const length = (pad) => server.key.token({...claims, pad: 'x'.repeat(pad)}).length;
  let pad = 10_000;
  while (length(pad + 1) <= 14 * 1024) pad += 1;
  assert.equal(await statusOf(server.key.token({...claims, pad: 'x'.repeat(pad)})), 200);
});

test('1.3 sub must be a non-empty string of at most 255 bytes', async () => {
  await allRefused({
    missing: server.key.token({exp: seconds() + 60}),
    empty: server.key.token({sub: ''}),
    number: server.key.token({sub: 7}),
    null: server.key.token({sub: null}),
    array: server.key.token({sub: ['a']}),
    '256 bytes': server.key.token({sub: 'a'.repeat(256)}),
    '256 bytes in 128 characters': server.key.token({sub: 'ü'.repeat(128)}),
  });
  await allAccepted({
    '255 bytes': server.key.token({sub: 'a'.repeat(255)}),
    '254 bytes in 127 characters': server.key.token({sub: 'ü'.repeat(127)}),
    'quotes and spaces': server.key.token({sub: `o'Brien "x" \\ ${fresh('')}`}),
  });
});

test('1.3 NUL and lone surrogates in sub are refused', async () => {
  const plain = JSON.stringify(header);
  await allRefused({
    NUL: signedText(plain, '{"sub":"a\\u0000b"}'),
    'high surrogate': signedText(plain, '{"sub":"a\\ud800"}'),
    'low surrogate': signedText(plain, '{"sub":"\\udc00a"}'),
    'inverted pair': signedText(plain, '{"sub":"\\udc00\\ud800"}'),
  });
  await allAccepted({pair: signedText(plain, '{"sub":"\\ud83d\\ude00"}')});
});

test('1.3 exp is optional, a number, and enforced with 30 s of leeway', async () => {
  const now = seconds();
  await allAccepted({
    none: server.key.token(claims),
    future: server.key.token({...claims, exp: now + 60}),
    'just past': server.key.token({...claims, exp: now - 10}),
    fraction: server.key.token({...claims, exp: now + 0.5}),
    'far future': server.key.token({...claims, exp: 1e15}),
    exponent: signedText(JSON.stringify(header), '{"sub":"a","exp":9e9}'),
  });
  await allRefused({
    past: server.key.token({...claims, exp: now - 31}),
    'long past': server.key.token({...claims, exp: 1}),
    zero: server.key.token({...claims, exp: 0}),
    negative: server.key.token({...claims, exp: -1}),
    text: server.key.token({...claims, exp: String(now + 60)}),
    boolean: server.key.token({...claims, exp: true}),
    object: server.key.token({...claims, exp: {}}),
  });
});

test('1.3 nbf is a number and enforced with 30 s of leeway', async () => {
  const now = seconds();
  await allAccepted({
    past: server.key.token({...claims, nbf: now - 60}),
    'just ahead': server.key.token({...claims, nbf: now + 20}),
  });
  await allRefused({
    ahead: server.key.token({...claims, nbf: now + 120}),
    text: server.key.token({...claims, nbf: String(now - 60)}),
  });
});

test('1.3 iss and aud are not looked at where they are not set', async () => {
  await allAccepted({
    iss: server.key.token({...claims, iss: 'anybody'}),
    aud: server.key.token({...claims, aud: ['x', 'y']}),
  });
});

test('1.3 iss and aud are enforced where they are set', async () => {
  const right = {sub: 'a', iss: 'https://issuer.example', aud: 'sync'};
  const statusAt = async (one) =>
      (await strict.get(pullPath, {authorization: `Bearer ${strict.key.token(one)}`})).status;
  assert.equal(await statusAt(right), 200);
  assert.equal(await statusAt({...right, aud: ['other', 'sync']}), 200);
  for (const wrong
           of [{iss: undefined}, {iss: 'https://issuer.example/'}, {iss: 7}, {iss: [right.iss]},
               {aud: undefined}, {aud: 'other'}, {aud: []}, {aud: ['other']}, {aud: 'sync2'},
               {aud: {sync: true}}]) {
    assert.equal(await statusAt({...right, ...wrong}), 401, JSON.stringify(wrong));
  }
});

test('1.3 each sub has a stream of its own', async () => {
  const one = server.client();
  await one.push(insert('a', {createdAt: at()}));
  const another = one.other({user: fresh('user')});
  assert.deepEqual((await another.pull()).serverChanges, []);
  assert.equal((await one.other().pull()).serverChanges.length, 1);
});

test('1.2 a token signed with the key of RFC 8037 (appendix A) is let in', async () => {
  const jwk = {
    kty: 'OKP',
    crv: 'Ed25519',
    d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A',
    x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
  };
  const key = new Key('rfc8037');
  key.privateKey = createPrivateKey({key: jwk, format: 'jwk'});
  key.publicKey = createPublicKey(key.privateKey);
  // The signature that the RFC prints is the one that is made here.
  assert.equal(
      base64url(sign(
          null, Buffer.from('eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc'),
          key.privateKey)),
      'hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg');
  const own = await Server.start();
  after(() => own.stop());
  own.jwks.write(own.key, key);
  const statusAt = async (token) =>
      (await own.get(pullPath, {authorization: `Bearer ${token}`})).status;
  // An unknown kid makes the server read the set again (1.4).
  assert.equal(await statusAt(key.token(claims)), 200);
  const [head, body] = key.token(claims).split('.');
  assert.equal(await statusAt(`${head}.${body}.${base64url(Buffer.alloc(64))}`), 401);
});
