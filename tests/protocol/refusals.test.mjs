// PROTOCOL §9.3: what is not, or not clearly, HTTP. Every refusal is answered, and the connection
// is closed without a reset that would swallow the answer.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {at, insert} from './support/client.mjs';
import {lastExchange, RawSocket} from './support/raw.mjs';
import {Server} from './support/server.mjs';
import {test} from './support/wait.mjs';

const server = await Server.start();
after(() => server.stop());
const client = server.client();

const head = (...lines) => `${lines.join('\r\n')}\r\n\r\n`;
const get = (...lines) => head('GET /health HTTP/1.1', ...lines);
const post = (...lines) =>
    head('POST /sync/app HTTP/1.1', 'Host: a', `Authorization: Bearer ${client.token}`, ...lines);

// Each request must get this status, whatever stands behind it on the connection.
async function allRefused(status, requests) {
  const wrong = [];
  for (const [what, bytes] of Object.entries(requests)) {
    for (const behind of ['', get('Host: a')]) {
      try {
        const answer = await lastExchange(server.port, bytes + behind);
        if (answer.status !== status)
          wrong.push(`${what}: ${answer.status} ${answer.body.slice(0, 100)}`);
        if (answer.headers.connection !== 'close') wrong.push(`${what}: Connection is not close`);
      } catch (error) {
        wrong.push(`${what}: ${error.message}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
}

test('9.3 both Content-Length and Transfer-Encoding are refused', async () => {
  await allRefused(400, {
    'length first': `${post('Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    'length second': `${post('Transfer-Encoding: chunked', 'Content-Length: 5')}0\r\n\r\n`,
    'equal to the body': `${post('Transfer-Encoding: chunked', 'Content-Length: 0')}0\r\n\r\n`,
  });
});

test('9.3 Content-Lengths that differ or are no number are refused', async () => {
  await allRefused(400, {
    'two that differ': post('Content-Length: 2', 'Content-Length: 3'),
    'a list that differs': post('Content-Length: 2, 3'),
    negative: post('Content-Length: -1'),
    plus: post('Content-Length: +2'),
    hexadecimal: post('Content-Length: 0x2'),
    empty: post('Content-Length:'),
    letters: post('Content-Length: two'),
    fraction: post('Content-Length: 2.0'),
    inside: post('Content-Length: 2 2'),
  });
});

test('9.3 a bare CR or LF is refused', async () => {
  await allRefused(400, {
    'LF after the request line': 'GET /health HTTP/1.1\nHost: a\r\n\r\n',
    'LF after a header': 'GET /health HTTP/1.1\r\nHost: a\nX-Y: b\r\n\r\n',
    'LF only': 'GET /health HTTP/1.1\nHost: a\n\n',
    'LF as the last line end': 'GET /health HTTP/1.1\r\nHost: a\r\n\n',
    'CR in a value': get('Host: a', 'X-Y: b\rc'),
    'CR after a colon': get('Host: a', 'X-Y:\rTransfer-Encoding: chunked'),
    'CR for CRLF': 'GET /health HTTP/1.1\r\nHost: a\rX-Y: b\r\n\r\n',
    'CR in a name': get('Host: a', 'X\rY: b'),
    'CR in the target': 'GET /hea\rlth HTTP/1.1\r\nHost: a\r\n\r\n',
    'doubled CR': 'GET /health HTTP/1.1\r\nHost: a\r\r\n\r\n',
  });
});

test('9.3 space before a colon, obs-fold, bad bytes and empty names are refused', async () => {
  await allRefused(400, {
    'space before a colon': get('Host: a', 'X-Y : b'),
    'tab before a colon': get('Host: a', 'X-Y\t: b'),
    'Host with a space': get('Host : a'),
    'Content-Length with a space': post('Content-Length : 2'),
    'obs-fold by space': get('Host: a', 'X-Y: b', ' c'),
    'obs-fold by tab': get('Host: a', 'X-Y: b', '\tc'),
    'obs-fold of Transfer-Encoding': post('Transfer-Encoding:', ' chunked'),
    'a fold before any header': get(' X-Y: b', 'Host: a'),
    'no colon': get('Host: a', 'X-Y'),
    'an empty name': get('Host: a', ': b'),
    'NUL in a value': get('Host: a', 'X-Y: b\0c'),
    'a control byte in a value': get('Host: a', 'X-Y: b\x01c'),
    'DEL in a value': get('Host: a', 'X-Y: b\x7fc'),
    'a space in a name': get('Host: a', 'X Y: b'),
    'a bracket in a name': get('Host: a', 'X(Y): b'),
    'a byte over 127 in a name': get('Host: a', 'X\xffY: b'),
    'NUL in a name': get('Host: a', 'X\0Y: b'),
    'a quote in a name': get('Host: a', '"X": b'),
  });
});

test('9.3 an unknown transfer coding is refused', async () => {
  await allRefused(400, {
    gzip: post('Transfer-Encoding: gzip'),
    'gzip, chunked': post('Transfer-Encoding: gzip, chunked'),
    'chunked, gzip': post('Transfer-Encoding: chunked, gzip'),
    identity: post('Transfer-Encoding: identity'),
    'chunked twice': post('Transfer-Encoding: chunked, chunked'),
    empty: post('Transfer-Encoding:'),
    xchunked: post('Transfer-Encoding: xchunked'),
    'chunked with more': post('Transfer-Encoding: chunked x'),
    'two headers': post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
    'in HTTP/1.0':
        `${head('POST /sync/app HTTP/1.0', 'Host: a', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  });
});

test('9.3 a Host that is missing, doubled, empty or malformed is refused in HTTP/1.1', async () => {
  await allRefused(400, {
    missing: get('X-Y: b'),
    none: 'GET /health HTTP/1.1\r\n\r\n',
    doubled: get('Host: a', 'Host: a'),
    'doubled in other letters': get('Host: a', 'hOST: b'),
    empty: get('Host:'),
    spaces: get('Host:   '),
    'two names': get('Host: a b'),
    'a list': get('Host: a, b'),
    'a path': get('Host: a/b'),
    'a user': get('Host: a@b'),
    'a port of letters': get('Host: a:b'),
    'a quote': get('Host: a"b'),
    'an open bracket': get('Host: [::1'),
    'a backslash': get('Host: a\\b'),
  });
});

test('9.3 a well-formed Host is accepted, and HTTP/1.0 may have none', async () => {
  for (const host
           of ['a', 'localhost:3050', 'a.example', '127.0.0.1:1', '[::1]:3050', '[::1]',
               'A-1_b.example', 'a.']) {
    const answer = await lastExchange(server.port, get(`Host: ${host}`, 'Connection: close'));
    assert.equal(answer.status, 200, host);
  }
  assert.equal((await lastExchange(server.port, 'GET /health HTTP/1.0\r\n\r\n')).status, 200);
});

test('9.3 versions other than 1.0 and 1.1 are 505', async () => {
  for (const version of ['HTTP/2.0', 'HTTP/0.9', 'HTTP/1.2', 'HTTP/3.0', 'HTTP/9.9']) {
    await allRefused(505, {[version]: head(`GET /health ${version}`, 'Host: a')});
  }
});

test('9.3 what is no request line is refused', async () => {
  await allRefused(400, {
    nonsense: 'nonsense\r\n\r\n',
    'a lower-case version': 'GET /health http/1.1\r\nHost: a\r\n\r\n',
    'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
    'a target without a slash': 'GET health HTTP/1.1\r\nHost: a\r\n\r\n',
    'NUL in the target': 'GET /hea\0lth HTTP/1.1\r\nHost: a\r\n\r\n',
    'a bad method': 'G(T /health HTTP/1.1\r\nHost: a\r\n\r\n',
    version: 'GET /health HTTQ/1.1\r\nHost: a\r\n\r\n',
  });
});

test('9.3 a request line without a version, or with more behind it, is refused', async () => {
  for (const line
           of ['GET /health', 'GET /health ', 'GET /health HTTP/1.1 x',
               'GET /health HTTP/1.1 HTTP/1.1']) {
    const answer = await lastExchange(server.port, head(line, 'Host: a'));
    assert.ok([400, 505].includes(answer.status), `${answer.status}`);
  }
});

test('9.3 a header block over 16 KiB or over 100 headers is 431', async () => {
  const many = (count) => [...Array(count).keys()].map((i) => `X-${i}: y`);
  await allRefused(431, {
    '101 headers': get('Host: a', ...many(100)),
    '20 KiB in one': get('Host: a', `X-Y: ${'z'.repeat(20 * 1024)}`),
    '20 KiB in many': get('Host: a', ...many(90).map((line) => line + 'z'.repeat(230))),
    'a target of 20 KiB': head(`GET /health?${'x'.repeat(20 * 1024)} HTTP/1.1`, 'Host: a'),
    'a name of 20 KiB': get('Host: a', `${'X'.repeat(20 * 1024)}: y`),
    'without an end': `GET /health HTTP/1.1\r\nHost: a\r\nX-Y: ${'z'.repeat(100 * 1024)}`,
  });
  const below = await lastExchange(server.port, get('Host: a', 'Connection: close', ...many(98)));
  assert.equal(below.status, 200, '100 headers');
  const large = await lastExchange(
      server.port, get('Host: a', 'Connection: close', `X-Y: ${'z'.repeat(15 * 1024)}`));
  assert.equal(large.status, 200, '15 KiB');
});

const body = JSON.stringify({changes: [insert('a', {createdAt: at()})]});
const chunk = (text, extension = '') => `${text.length.toString(16)}${extension}\r\n${text}\r\n`;

test('9.3 chunk extensions and trailers are ignored', async () => {
  const chunked = post('Transfer-Encoding: chunked', 'Connection: close');
  for (const [what, bytes] of Object.entries({
         extension: `${chunk(body, ';a=b;c="d e"')}0\r\n\r\n`,
         trailer: `${chunk(body)}0\r\nX-Sum: 7\r\nX-Y: z\r\n\r\n`,
         'a trailer that would be a header':
             `${chunk(body)}0\r\nAuthorization: Bearer x\r\nContent-Length: 5\r\n\r\n`,
         'a last chunk with an extension': `${chunk(body)}0;x=y\r\n\r\n`,
         'leading zeros': `000${chunk(body)}0000\r\n\r\n`,
       })) {
    const answer = await lastExchange(server.port, chunked + bytes);
    assert.equal(answer.status, 200, `${what}: ${answer.body}`);
  }
});

test('9.3 chunk extensions and trailers are bounded', async () => {
  for (const bytes
           of [`1;${'x'.repeat(200_000)}\r\n`, `0\r\nX-Y: ${'z'.repeat(200_000)}\r\n`,
               `0\r\n${'X-Y: z\r\n'.repeat(30_000)}`,
               `1;${'x'.repeat(1000)}\r\n \r\n`.repeat(500)]) {
    const answer = await lastExchange(server.port, post('Transfer-Encoding: chunked') + bytes);
    assert.ok([400, 413, 431].includes(answer.status), `${answer.status}`);
  }
});

test('9.3 malformed chunks are refused', async () => {
  const chunked = post('Transfer-Encoding: chunked');
  await allRefused(400, {
    'no number': `${chunked}x\r\n`,
    negative: `${chunked}-1\r\n`,
    empty: `${chunked}\r\n`,
    '0x': `${chunked}0x5\r\nhello\r\n`,
    'a space before': `${chunked} 5\r\nhello\r\n`,
    'no CRLF behind the data': `${chunked}5\r\nhelloXX0\r\n\r\n`,
    'LF only': `${chunked}5\nhello\n0\n\n`,
  });
});

test('9.3 a chunk whose length no number holds is refused', async () => {
  for (const digits of ['fffffffffffffffff', '10000000000000005', 'f'.repeat(1000)]) {
    const answer = await lastExchange(
        server.port, `${post('Transfer-Encoding: chunked')}${digits}\r\nhello\r\n`);
    assert.ok([400, 413].includes(answer.status), `${answer.status}`);
  }
});

test('9.3 Content-Encoding is 415, an unknown Expect 417', async () => {
  await allRefused(415, {
    gzip: post('Content-Encoding: gzip', 'Content-Length: 2'),
    br: post('Content-Encoding: br', 'Transfer-Encoding: chunked')
  });
  await allRefused(417, {
    unknown: post('Expect: 200-ok', 'Content-Length: 2'),
    more: post('Expect: 100-continue, x', 'Content-Length: 2')
  });
});

test(
    '9.3 a refusal with an unread body of megabytes is read by a client that sends it all',
    async () => {
      const large = ' '.repeat(9 << 20);
      for (const [status, bytes] of [
               [
                 415, `${post('Content-Encoding: gzip', `Content-Length: ${large.length}`)}${large}`
               ],
               [
                 401,
                 `${post(`Content-Length: ${large.length}`).replace('Bearer ', 'Bearer x')}${large}`
               ],
               [
                 404,
                 `${post(`Content-Length: ${large.length}`).replace('/sync/app', '/nowhere')}${
                     large}`
               ],
               [
                 405,
                 `${post(`Content-Length: ${large.length}`).replace('/sync/app', '/health')}${
                     large}`
               ]]) {
        const raw = await RawSocket.connect(server.port);
        const answer = await raw.send(bytes).response();
        assert.equal(answer.status, status);
        await raw.end();
      }
    });

test('9.3 nothing that stands behind a refused request is served', async () => {
  const smuggled =
      post('Content-Length: 5', 'Transfer-Encoding: chunked', 'X-Client-Id: smuggler') +
      `0\r\n\r\n${post(`Content-Length: ${body.length}`, 'X-Client-Id: smuggler')}${body}`;
  await lastExchange(server.port, smuggled);
  const rows = await server.database.changes(client.user);
  assert.ok(rows.every((row) => row.client_id !== 'smuggler'));
});

test('9.3 a client that goes away in the middle of anything harms nobody', async () => {
  for (const bytes
           of ['', 'G', get('Host: a').slice(0, -3), post('Content-Length: 100'),
               `${post('Content-Length: 100')}{`, `${post('Transfer-Encoding: chunked')}5\r\nhe`,
               get('Host: a').repeat(200)]) {
    const raw = await RawSocket.connect(server.port);
    raw.send(bytes);
    raw.socket.resetAndDestroy?.();
    raw.destroy();
  }
  assert.equal((await server.get('/health')).status, 200);
});
