// PROTOCOL §9.1, 9.2, 9.4: HTTP as a well-behaved client sees it. What is refused has
// refusals.test.mjs.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, beginning, insert} from './support/client.mjs';
import {exchange, lastExchange, RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start(
    {env: {CORS_ORIGINS: 'https://app.example, https://*.wild.example ,http://localhost:*'}});
after(() => server.stop());
const anyOrigin = await Server.start({env: {CORS_ORIGINS: '*'}});
after(() => anyOrigin.stop());

const client = server.client();
await client.push(insert('a', {title: 'ü', createdAt: at()}));
const reader = client.other();
const pullPath = `/sync/app/pull?collection=todos&since=${beginning}`;

const get =
    (path, lines = [],
     version = 'HTTP/1.1') => [`GET ${path} ${version}`, 'Host: localhost', ...lines, '', '']
                                  .join('\r\n');
const bearer = `Authorization: Bearer ${reader.token}`;

test('9.1 HTTP/1.1 keeps the connection, HTTP/1.0 does not', async () => {
  const raw = await RawSocket.connect(server.port);
  for (let i = 0; i < 3; i += 1) {
    const answer = await raw.send(get('/health')).response();
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers.connection, 'close');
  }
  assert.equal(
      (await raw.send(get('/health', ['Connection: close'])).response()).headers.connection,
      'close');
  await raw.end();
  assert.equal((await lastExchange(server.port, 'GET /health HTTP/1.0\r\n\r\n')).status, 200);
});

test('9.1 HTTP/1.0 with keep-alive is kept', async () => {
  const raw = await RawSocket.connect(server.port);
  for (let i = 0; i < 2; i += 1) {
    const answer =
        await raw.send(get('/health', ['Connection: keep-alive'], 'HTTP/1.0')).response();
    assert.equal(answer.status, 200);
    assert.match(answer.headers.connection, /keep-alive/i);
  }
  raw.destroy();
});

test('9.1 pipelined requests are answered in order', async () => {
  const writer = client.other();
  const raw = await RawSocket.connect(server.port);
  const push = (id) => {
    const body = JSON.stringify({changes: [insert(id, {createdAt: at()})]});
    return `POST /sync/app HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${
               writer.token}\r\nX-Client-Id: p\r\n` +
        `Content-Length: ${body.length}\r\n\r\n${body}`;
  };
  raw.send([
    push('p1'), get('/health'), get('/nowhere'), push('p2'), get(pullPath, [bearer]), get('/health')
  ].join(''));
  const answers = [];
  for (let i = 0; i < 6; i += 1) answers.push(await raw.response());
  assert.deepEqual(answers.map((answer) => answer.status), [200, 200, 404, 200, 200, 200]);
  const ids = JSON.parse(answers[4].body).serverChanges.map((change) => change.id);
  assert.ok(ids.includes('p1') && ids.includes('p2'), 'a pull sees the pushes before it');
  raw.destroy();
});

test('9.1 a thousand pipelined requests are all answered', async () => {
  const raw = await RawSocket.connect(server.port);
  raw.send(get('/health').repeat(1000));
  for (let i = 0; i < 1000; i += 1) assert.equal((await raw.response()).status, 200);
  raw.destroy();
});

test('9.1 a request may come byte by byte', async () => {
  const raw = await RawSocket.connect(server.port);
  raw.socket.setNoDelay(true);
  for (const byte of get('/health', ['X-Note: a b'])) {
    raw.send(byte);
    await new Promise((resolve) => { setImmediate(resolve); });
  }
  assert.equal((await raw.response()).status, 200);
  raw.destroy();
});

test('9.1 HEAD works where GET does: the same head, no body', async () => {
  for (const path of ['/health', '/metrics', pullPath]) {
    const headers = path === pullPath ? [bearer] : [];
    const raw = await RawSocket.connect(server.port);
    const whole = await raw.send(get(path, headers)).response();
    const bare = await raw.send(get(path, headers).replace('GET', 'HEAD')).response({head: true});
    assert.equal(bare.status, 200, path);
    assert.equal(bare.headers['content-type'], whole.headers['content-type']);
    assert.ok(Number(bare.headers['content-length']) > 0);
    assert.equal(
        (await raw.send(get('/health')).response()).status, 200, 'nothing of a body stays behind');
    raw.destroy();
  }
  const missing = await exchange(server.port, get('/nowhere').replace('GET', 'HEAD'), {head: true});
  assert.equal(missing.status, 404);
});

test('9.1 every answer has Date and an exact Content-Length', async () => {
  for (const request
           of [get('/health'), get(pullPath, [bearer]), get(pullPath), get('/nowhere'),
               'nonsense\r\n\r\n']) {
    const raw = await RawSocket.connect(server.port);
    const {headers, body} = await raw.send(request).response();
    assert.match(
        headers.date,
        /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/);
    assert.ok(Math.abs(Date.parse(headers.date) - Date.now()) < 10_000);
    assert.equal(Number(headers['content-length']), Buffer.byteLength(body));
    if (headers.connection !== 'close')
      assert.equal((await raw.send(get('/health')).response()).status, 200);
    raw.destroy();
  }
});

test('9.1 an unknown path is 404, a wrong method 405 with Allow', async () => {
  for (const path
           of ['/', '/sync', '/sync/app/', '/sync/app/pull/', '/sync/app/other', '/Health',
               '/health/', '//health']) {
    const {status} = await server.get(path, {authorization: `Bearer ${reader.token}`});
    assert.equal(status, 404, path);
  }
  for (const [method, path, allowed] of [
           ['GET', '/sync/app', 'POST'], ['PUT', '/sync/app', 'POST'],
           ['DELETE', '/sync/app', 'POST'], ['POST', '/sync/app/pull', 'GET'],
           ['POST', '/health', 'GET'], ['PATCH', '/metrics', 'GET']]) {
    const answer = await exchange(
        server.port, get(path, [bearer, 'Content-Length: 0']).replace('GET', method));
    assert.equal(answer.status, 405, `${method} ${path}`);
    assert.ok(answer.headers.allow.split(/, */).includes(allowed), answer.headers.allow);
    assert.ok(!answer.headers.allow.split(/, */).includes(method));
  }
});

test('9.1 appId is percent-decoded, 1 to 255 bytes of UTF-8 without NUL', async () => {
  const statusOf = async (app) =>
      (await exchange(server.port, get(`/sync/${app}/pull?collection=t&since=x`, [bearer]))).status;
  for (const app
           of ['a', 'a%20b', '%C3%BC', 'a%2Fb', 'a'.repeat(255), '%61'.repeat(255),
               '%C3%BC'.repeat(127), 'a+b', '%25', '%F0%9F%98%80', '..', '%3F']) {
    assert.equal(await statusOf(app), 200, app.slice(0, 30));
  }
  for (const app
           of ['', 'a'.repeat(256), '%61'.repeat(256), '%C3%BC'.repeat(128), '%00', 'a%00b', '%FF',
               '%C3', '%ED%A0%80', '%C0%80', '%', '%4', '%zz', 'a%']) {
    assert.equal(await statusOf(app), 400, app.slice(0, 30));
  }
});

test('9.1 a query\'s parameters are percent-decoded', async () => {
  const author = server.client();
  await author.push(insert('a', {createdAt: at()}, {table: 'a b&c=ü'}));
  const query = 'since=1970-01-01T00%3A00%3A00Z&col%6Cection=a+b%26c%3D%C3%BC';
  const {body} = await exchange(
      server.port, get(`/sync/app/pull?${query}`, [`Authorization: Bearer ${author.token}`]));
  assert.equal(JSON.parse(body).serverChanges.length, 1);
});

test('9.2 errors are JSON with a code and a message', async () => {
  const answers = [
    await server.get('/nowhere'), await server.get(pullPath),
    await server.get('/sync/%00/pull', client.headers()), await client.post('{'),
    await server.request({method: 'PUT', path: '/health'})
  ];
  assert.deepEqual(answers.map((answer) => answer.status), [404, 401, 400, 400, 405]);
  for (const {headers, text} of answers) {
    assert.match(headers['content-type'], /^application\/json/);
    const json = JSON.parse(text);
    assert.deepEqual(Object.keys(json), ['error', 'message']);
    assert.match(json.error, /^[a-z_]+$/);
    assert.ok(json.message.length > 0);
  }
});

test('9.2 401 has WWW-Authenticate: Bearer', async () => {
  for (const headers of [{}, {authorization: 'Bearer x'}, {authorization: 'Basic x'}]) {
    assert.match((await server.get(pullPath, headers)).headers['www-authenticate'], /^Bearer/);
  }
});

test('9.2 nothing of the inside leaks', async () => {
  const odd = '\'"; DROP TABLE sync_changes; -- %s\\ <b>';
  const number = `0.1${'0'.repeat(20_000)}1`;
  for (const answer
           of [await client.post({changes: [{table: odd, id: odd, op: odd}]}),
               await client.post(
                   `{"changes":[{"table":"t","id":"a","op":"update","fields":{"x":{"value":${
                       number}}}}]}`),
               await server.get(
                   `/sync/${encodeURIComponent(odd)}/pull?collection=`, client.headers())]) {
    assert.equal(answer.status, 400);
    assert.doesNotMatch(answer.text, /SQL|postgres|numeric|INSERT|SELECT|\.cpp|libpq|\$1/);
    assert.ok(answer.text.length < 1000, 'and it is short');
  }
});

test('9.2 a message quotes what was sent only as valid JSON', async () => {
  for (const op of ['\u0000', '\ud800', '"\\', '\u2028', 'x'.repeat(100_000)]) {
    const answer = await client.post(JSON.stringify({changes: [{table: 't', id: 'a', op}]}));
    assert.equal(answer.status, 400);
    assert.ok(answer.text.length < 5000);
  }
});

const allowedOrigins = [
  'https://app.example', 'https://a.wild.example', 'https://a.b.wild.example',
  'http://localhost:3000'
];
const otherOrigins = [
  'https://app.example.evil', 'http://app.example', 'https://app.example:8443',
  'https://wild.example', 'https://.wild.example', 'https://a.wild.example.evil',
  'https://evil/.wild.example', 'null', 'http://localhost',
  'http://localhost:', 'https://APP.example.x', '*', 'http://localhost:1/x'
];

const corsNames = (headers) =>
    Object.keys(headers).filter((name) => name.startsWith('access-control-'));

test('9.4 an allowed origin is echoed on every answer, errors included', async () => {
  for (const origin of allowedOrigins) {
    for (const [path, headers, method] of [
             ['/health', {}], [pullPath, client.headers()], [pullPath, {}], ['/nowhere', {}],
             ['/health', {}, 'PUT'], ['/sync/%00/pull', client.headers()]]) {
      const answer = await server.request({path, method, headers: {...headers, origin}});
      assert.equal(
          answer.headers['access-control-allow-origin'], origin, `${answer.status} ${path}`);
      assert.equal(answer.headers['access-control-allow-credentials'], 'true');
      assert.match(answer.headers.vary, /\bOrigin\b/i);
    }
  }
});

test('9.4 answers of the parser have it too, where the origin could be read', async () => {
  const origin = `Origin: ${allowedOrigins[0]}`;
  for (const request
           of [get('/health', [origin, 'Content-Encoding: gzip', 'Content-Length: 1']),
               get('/sync/app', [origin, bearer, 'Content-Length: 99999999999'])
                   .replace('GET', 'POST')]) {
    const answer = await exchange(server.port, request);
    assert.ok(answer.status >= 400);
    assert.equal(
        answer.headers['access-control-allow-origin'], allowedOrigins[0], `${answer.status}`);
  }
});

test('9.4 other origins, and requests without one, get no CORS headers', async () => {
  for (const origin of otherOrigins) {
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await server.request(
          {path: '/health', method, headers: {origin, 'access-control-request-method': 'GET'}});
      assert.deepEqual(corsNames(answer.headers), [], `${method} ${origin}`);
    }
  }
  assert.deepEqual(corsNames((await server.get('/health')).headers), []);
});

test('9.4 a preflight is 204 with methods, headers and Max-Age, and needs no token', async () => {
  for (const path of ['/sync/app', '/sync/app/pull']) {
    const {status, headers, text} = await server.request({
      method: 'OPTIONS',
      path,
      headers: {
        origin: allowedOrigins[0],
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type, x-client-id'
      }
    });
    assert.deepEqual([status, text], [204, '']);
    const list = (name) =>
        headers[`access-control-${name}`].split(/, */).map((one) => one.toLowerCase()).sort();
    assert.deepEqual(list('allow-methods'), ['get', 'options', 'post']);
    assert.deepEqual(list('allow-headers'), ['authorization', 'content-type', 'x-client-id']);
    assert.equal(headers['access-control-max-age'], '86400');
    assert.equal(headers['access-control-allow-origin'], allowedOrigins[0]);
    assert.equal(headers['access-control-allow-credentials'], 'true');
    assert.match(headers.vary, /\bOrigin\b/i);
  }
});

test('9.4 a preflight keeps the connection usable', async () => {
  const raw = await RawSocket.connect(server.port);
  const preflight = get('/sync/app', [
                      `Origin: ${allowedOrigins[0]}`, 'Access-Control-Request-Method: POST'
                    ]).replace('GET', 'OPTIONS');
  assert.equal((await raw.send(preflight).response()).status, 204);
  assert.equal((await raw.send(get('/health')).response()).status, 200);
  raw.destroy();
});

test('9.4 * alone allows any origin, echoed', async () => {
  for (const origin of ['https://anything.example', 'http://localhost:1', 'null']) {
    const {headers} = await anyOrigin.get('/health', {origin});
    assert.equal(headers['access-control-allow-origin'], origin);
    assert.equal(headers['access-control-allow-credentials'], 'true');
  }
});

test(
    '9.1 every answer with a body forbids to guess its type and to keep it, and names no server',
    async () => {
      const client = server.client();
      const answers = [
        await client.query({collection: 'todos', since: 'x'}), await client.post('{'),
        await server.get('/health'), await server.get('/metrics'), await server.get('/nowhere'),
        await server.get('/sync/app/pull'),
        await server.request({method: 'DELETE', path: '/sync/app'})
      ];
      assert.equal(new Set(answers.map(({status}) => status)).size, 5);
      for (const {status, headers} of answers) {
        assert.equal(headers['x-content-type-options'], 'nosniff', status);
        assert.equal(headers['cache-control'], 'no-store', status);
        for (const name of ['server', 'x-powered-by', 'via']) assert.ok(!(name in headers), name);
      }
    });
