// PROTOCOL §6, §7, 9.4 in a real browser: what its own WebSocket, fetch() and EventSource make of
// the server.
import assert from 'node:assert/strict';
import {after} from 'node:test';

import {Browser, PageOrigin} from './support/browser.mjs';
import {at, insert} from './support/client.mjs';
import {EventParser} from './support/events.mjs';
import {Proxy} from './support/proxy.mjs';
import {Server} from './support/server.mjs';
import {checkedMessage} from './support/socket.mjs';
import {test, until} from './support/wait.mjs';

const pages = await PageOrigin.start();
const strangers = await PageOrigin.start();
const server = await Server.start({env: {CORS_ORIGINS: pages.origin}});
const browser = await Browser.start();
after(async () => {
  await browser.stop();
  await server.stop();
  for (const each of [pages, strangers]) each.stop();
});

let count = 0;
const something = (table = 'todos') => insert(`r${count += 1}`, {createdAt: at()}, {table});
const idsOf = (changes) => changes.map(({id}) => id);

// A WebSocket within a page of its own.
class PageSocket {
  static async open(path, port = server.port) {
    const socket = new PageSocket();
    socket.page = await browser.page(pages.origin);
    await socket.page.evaluate(
        (url) => new Promise((resolve, reject) => {
          const socket = new WebSocket(url);
          Object.assign(window, {socket, heard: [], end: null});
          socket.onmessage = ({data}) => window.heard.push(data);
          socket.onclose = ({code, reason, wasClean}) => { window.end = {code, reason, wasClean}; };
          socket.onopen = resolve;
          socket.onerror = () => reject(new Error('it does not open'));
        }),
        `ws://127.0.0.1:${port}${path}`);
    return socket;
  }

  async send(message) {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    await this.page.evaluate((data) => window.socket.send(data), text);
    return this;
  }

  async next() {
    await this.page.waitForFunction(() => window.heard.length > 0);
    return checkedMessage(await this.page.evaluate(() => window.heard.shift()));
  }

  async auth(token, more = {}) {
    await this.send({type: 'auth', token, ...more});
    assert.deepEqual(await this.next(), {type: 'auth-ok'});
  }

  // How it ended, as the page sees it.
  async closed() {
    await this.page.waitForFunction(() => window.end !== null);
    const end = await this.page.evaluate(() => window.end);
    await this.page.context().close();
    return end;
  }

  async silent() {
    assert.deepEqual(await (await this.send({type: 'ping'})).next(), {type: 'pong'});
  }
}

const notice = (appId, ...tables) => ({type: 'sync-available', appId, tables});

test('6 a page authenticates, is answered and is notified', async () => {
  const client = server.client();
  const one = await PageSocket.open(`/ws/${client.app}`);
  const all = await PageSocket.open('/ws');
  assert.equal(await one.page.evaluate(() => window.socket.extensions), '');
  await one.silent();
  await one.auth(client.token, {clientId: client.id});
  await all.auth(client.token);
  await client.other().push([something('b'), something('ä')]);
  for (const socket of [one, all]) {
    assert.deepEqual(await socket.next(), notice(client.app, 'b', 'ä'));
  }
  await client.push(something('own'));
  assert.deepEqual(await all.next(), notice(client.app, 'own'));
  await one.silent();
  await one.page.evaluate(() => window.socket.close(4000, 'bye'));
  // The server's answer holds the code alone, and is what the page sees.
  assert.deepEqual(await one.closed(), {code: 4000, reason: '', wasClean: true});
  await all.page.evaluate(() => window.socket.close());
  assert.deepEqual(await all.closed(), {code: 1005, reason: '', wasClean: true});
});

test('6.3 a page authenticates again, as another user too', async () => {
  const [one, two] = [server.client(), server.client()];
  const socket = await PageSocket.open('/ws');
  for (const client of [one, two, two, one]) {
    await socket.auth(client.token);
    await one.push(something('one'));
    await two.push(something('two'));
    assert.deepEqual(await socket.next(), notice(client.app, client === one ? 'one' : 'two'));
    await socket.silent();
  }
  await socket.send({type: 'auth', token: ''});
  assert.deepEqual(await socket.next(), {type: 'error', message: 'missing token'});
  await socket.page.context().close();
});

test('6.3, 6.5 a page sees why it is closed', async () => {
  for (const [code, reason, act] of [
           [1008, 'invalid token', () => window.socket.send('{"type":"auth","token":"x"}')],
           [1003, '', () => window.socket.send(new Uint8Array([1]))],
           [1009, '', () => window.socket.send('x'.repeat(65_537))],
           [1008, 'auth timeout', () => {}]]) {
    const socket = await PageSocket.open('/ws');
    await socket.page.evaluate(act);
    assert.deepEqual(await socket.closed(), {code, reason, wasClean: true});
  }
});

test('6.7 a page is told that the server goes', async () => {
  const other = await Server.start({env: {CORS_ORIGINS: pages.origin}});
  const socket = await PageSocket.open('/ws', other.port);
  await other.stop();
  assert.deepEqual(await socket.closed(), {code: 1001, reason: '', wasClean: true});
});

// Reads events in the page, from `url`, into window.text.
const readEvents = async ({url, headers}) => {
  Object.assign(window, {text: '', state: 'asked'});
  const response = await fetch(url, {headers}).catch((error) => {
    window.state = error.name;
    return undefined;
  });
  if (!response) return undefined;
  window.state = 'open';
  (async () => {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      window.text += part.value;
    }
    window.state = 'ended';
  })();
  return {status: response.status, type: response.headers.get('content-type')};
};

const streamUrl = (client, port = server.port, query = '') =>
    `http://127.0.0.1:${port}${client.path}/stream${query}`;

test('7, 9.4 fetch() with Authorization streams events to another origin', async () => {
  const author = server.client();
  const reader = author.other();
  const changes = [something(), something('ä'), something()];
  await author.push(changes.slice(0, 2));
  const page = await browser.page(pages.origin);
  const answer =
      await page.evaluate(readEvents, {url: streamUrl(reader), headers: reader.headers()});
  assert.equal(answer.status, 200);
  assert.match(answer.type, /^text\/event-stream/);
  const come = (number) => until(`${number} changes come`, async () => {
    const parser = new EventParser();
    parser.take(await page.evaluate(() => window.text));
    return parser.changes.length >= number && parser.changes;
  });
  assert.deepEqual(idsOf(await come(2)), idsOf(changes.slice(0, 2)));
  await author.push(changes[2]);
  assert.deepEqual(idsOf(await come(3)), idsOf(changes));
  const refused = await page.evaluate(
      readEvents, {url: streamUrl(reader), headers: {Authorization: 'Bearer x'}});
  assert.equal(refused.status, 401, 'the page can read a refusal');
  await page.context().close();
});

test('9.4 a page of an origin that is not named gets nothing', async () => {
  const client = server.client();
  const page = await browser.page(strangers.origin);
  const asked = {url: streamUrl(client), headers: client.headers()};
  assert.equal(await page.evaluate(readEvents, asked), undefined);
  assert.equal(await page.evaluate(() => window.state), 'TypeError');
  await page.context().close();
});

// A native EventSource; it cannot set headers, so the page adds them to all that it asks for.
async function eventSource(client, port, query) {
  const page = await browser.page(pages.origin, {Authorization: `Bearer ${client.token}`});
  await page.evaluate((url) => {
    const source = new EventSource(url);
    Object.assign(window, {source, events: [], opened: 0});
    source.onopen = () => { window.opened += 1; };
    source.addEventListener(
        'changes',
        ({data, lastEventId}) => { window.events.push({...JSON.parse(data), lastEventId}); });
  }, streamUrl(client, port, query));
  const take = () => page.evaluate(() => ({opened: window.opened, events: window.events}));
  return {
    page,
    opened: (times) => page.waitForFunction((n) => window.opened >= n, times),
    // Waits for these changes, in this order, and no others.
    brings: async (changes) => {
      const all =
          (await until(`${changes.length} changes come`, async () => {
            const {events} = await take();
            return events.flatMap((event) => event.changes).length >= changes.length && {events};
          })).events;
      for (const event of all) assert.equal(event.lastEventId, event.syncedUntil);
      assert.deepEqual(idsOf(all.flatMap((event) => event.changes)), idsOf(changes));
    },
    close: () => page.context().close()
  };
}

test('7.1 an EventSource follows, and goes on by itself where it was cut', async () => {
  const author = server.client();
  const proxy = await Proxy.to(server.port);
  const changes = [];
  const push = async () => {
    const change = something(changes.length % 2 ? 'todos' : 'notes');
    await author.push(change);
    changes.push(change);
  };
  for (let i = 0; i < 5; i += 1) await push();
  const source = await eventSource(author.other(), proxy.port, '');
  await source.brings(changes);
  for (let round = 1; round <= 3; round += 1) {
    await push();
    await source.brings(changes);
    proxy.cut();
    for (let i = 0; i < 5; i += 1) await push();
    await source.opened(round + 1);
    await push();
    await source.brings(changes);
  }
  await source.close();
  await proxy.stop();
});

test(
    '7.1 an EventSource comes back after a restart of the server', {timeout: 120_000}, async () => {
      const author = server.client();
      const proxy = await Proxy.to(server.port);
      const changes = [something(), something(), something()];
      await author.push(changes[0]);
      // Its query goes on saying where it began; its Last-Event-ID wins.
      const source = await eventSource(author.other(), proxy.port, '?since=x&collections=todos');
      await source.brings(changes.slice(0, 1));
      await proxy.down();
      await server.restart();
      await author.push(changes[1]);
      await proxy.up();
      await source.opened(2);
      await author.push(changes[2]);
      await source.brings(changes);
      await source.close();
      await proxy.stop();
    });

test(
    '7.1 an EventSource goes on when the server ended the response', {timeout: 120_000},
    async () => {
      const author = server.client();
      const proxy = await Proxy.to(server.port);
      const changes = [...Array(40).keys()].map(() => something());
      const source = await eventSource(author.other(), proxy.port, '');
      await source.opened(1);
      for (const change of changes.slice(0, 20)) await author.push(change);
      await source.brings(changes.slice(0, 20));
      await server.stop();
      await proxy.down();
      await server.startAgain();
      for (const change of changes.slice(20)) await author.push(change);
      await proxy.up();
      await source.brings(changes);
      await source.close();
      await proxy.stop();
    });
