// A small client of the protocol: pushes and pulls as a deployed one does, but looks at everything.
import assert from 'node:assert/strict';
import http from 'node:http';

import {fresh} from './wait.mjs';

// One connection a request: no answer depends on what an earlier one left behind. After `timeoutMs`
// of silence it is given up.
export function request(
    {port, method = 'GET', path, headers = {}, body, agent = false, timeoutMs = 0}) {
  return new Promise((resolve, reject) => {
    const message = http.request({host: '127.0.0.1', port, method, path, headers, agent});
    message.on('response', (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({
                           status: response.statusCode,
                           headers: response.headers,
                           text: Buffer.concat(parts).toString('utf8')
                         }));
    });
    message.on('error', reject);
    message.setTimeout(timeoutMs, () => message.destroy(new Error('no answer in time')));
    message.end(body);
  });
}

export class Client {
  // `timeoutMs`: as of request().
  constructor(server, {user, app = 'app', id = fresh('client'), token, timeoutMs} = {}) {
    Object.assign(this, {server, user, app, id, timeoutMs, token: token ?? server.token(user)});
    this.agent = new http.Agent({keepAlive: true, maxSockets: 1});
  }

  // Another client; of the same user and app, unless told otherwise.
  other(options = {}) {
    const {server, user, app, timeoutMs} = this;
    return new Client(server, {user, app, timeoutMs, ...options});
  }

  headers(more = {}) {
    const id = this.id ? {'X-Client-Id': this.id} : {};
    return {Authorization: `Bearer ${this.token}`, ...id, ...more};
  }

  get path() { return `/sync/${encodeURIComponent(this.app)}`; }

  // Sends `body` (text, bytes, or an object) as a push; the answer, whatever it is.
  async post(body, headers = {}) {
    const bytes = Buffer.from(
        typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    const answer = await request({
      port: this.server.port,
      method: 'POST',
      path: this.path,
      headers: this.headers({'Content-Length': bytes.length, ...headers}),
      body: bytes,
      agent: this.agent,
      timeoutMs: this.timeoutMs
    });
    return withJson(answer);
  }

  // Pushes changes; the answer's JSON. Anything but 200 fails the test.
  async push(changes, {since, ...more} = {}) {
    const answer = await this.post({since, changes: [changes].flat(), ...more});
    assert.equal(answer.status, 200, answer.text);
    return checked(answer.json);
  }

  // Pushes what must be refused with 400; the message.
  async refused(body, status = 400) {
    const answer = await this.post(body);
    assert.equal(answer.status, status, `${answer.status} ${answer.text.slice(0, 500)}`);
    assert.equal(typeof answer.json.message, 'string');
    return answer.json.message;
  }

  // A pull with these query parameters; the answer, whatever it is.
  async query(parameters) {
    const query = new URLSearchParams(parameters);
    return withJson(await request({
      port: this.server.port,
      path: `${this.path}/pull?${query}`,
      headers: this.headers(),
      agent: this.agent,
      timeoutMs: this.timeoutMs
    }));
  }

  // Pulls; the answer's JSON. Anything but 200 fails the test.
  async pull({since = beginning, collection = 'todos', ...more} = {}) {
    const tables = 'collections' in more ? {} : {collection};
    const answer = await this.query({...tables, since, ...more});
    assert.equal(answer.status, 200, answer.text);
    return {...checked(answer.json), text: answer.text};
  }

  // Follows pages to their end; all changes and the last cursor.
  async pullAll(options = {}) {
    const changes = [];
    for (let since = options.since ?? beginning;;) {
      const page = await this.pull({...options, since});
      changes.push(...page.serverChanges);
      since = page.syncedUntil;
      if (!page.hasMore) return {changes, since};
    }
  }
}

function withJson(answer) {
  const isJson = /^application\/json/.test(answer.headers['content-type'] ?? '');
  return {...answer, json: isJson ? JSON.parse(answer.text) : undefined};
}

// What every answer to a push or pull must look like (PROTOCOL 2, 10.2).
function checked(json) {
  assert.ok(Array.isArray(json.serverChanges), 'serverChanges is an array');
  assert.ok(Array.isArray(json.conflicts), 'conflicts is an array');
  assert.match(json.syncedUntil, cursorPattern);
  if ('hasMore' in json) assert.equal(json.hasMore, true);
  return json;
}

export const cursorPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
export const beginning = '1970-01-01T00:00:00Z';

// An edit time, `ms` after a fixed instant, as toISOString writes it.
export const at = (ms = 0) => new Date(Date.UTC(2024, 0, 1, 10) + ms).toISOString();

// The changes of a push. `fields`: {name: [value, time]}, {name: {…}} as it stands.
export const update = (id, fields, {table = 'todos', ...more} = {}) => ({
  table,
  id,
  op: 'update',
  fields: Object.fromEntries(Object.entries(fields).map(
      ([name,
        field]) => [name, Array.isArray(field) ? {value: field[0], updatedAt: field[1]} : field])),
  ...more
});
export const insert = (id, data, {table = 'todos', ...more} = {}) =>
    ({table, id, op: 'insert', data: {id, ...data}, ...more});
export const remove = (id, deletedAt, {table = 'todos', ...more} = {}) =>
    ({table, id, op: 'delete', ...(deletedAt === undefined ? {} : {deletedAt}), ...more});

// The values that a list of changes leaves in one record, applied as deployed clients do: a field
// is taken if its time is not earlier than what is held.
export function recordOf(changes, id) {
  const cells = {};
  const take = (field, value, time) => {
    if (!cells[field] || time >= cells[field].time) cells[field] = {value, time};
  };
  for (const change of changes.filter((one) => one.id === id)) {
    if (change.op === 'delete') take('deletedAt', change.deletedAt, change.deletedAt);
    for (const [field, edit] of Object.entries(change.fields ?? {})) {
      take(field, edit.value, edit.updatedAt);
    }
    const time = change.data?.updatedAt ?? change.data?.createdAt;
    for (const [field, value] of Object.entries(change.data ?? {})) take(field, value, time);
  }
  return Object.fromEntries(Object.entries(cells).map(([field, cell]) => [field, cell.value]));
}
