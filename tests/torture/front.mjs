// What stands in front of two servers: sends each new connection to the one whose /health says 200,
// and leaves those that stand where they are.
import net from 'node:net';
import {setTimeout as pause} from 'node:timers/promises';

import {request} from '../protocol/support/client.mjs';

const lookEveryMs = 50;

export class Front {
  // `servers`: as of support/server.mjs; the first one's tokens are taken.
  static async before(servers) {
    const front = new Front();
    Object.assign(front, {servers, connections: new Set()});
    front.listener = net.createServer((near) => front.#join(near));
    await new Promise((resolve) => { front.listener.listen(0, '127.0.0.1', resolve); });
    front.port = front.listener.address().port;
    front.looking = Promise.all(servers.map((server) => front.#look(server)));
    return front;
  }

  token(user) { return this.servers[0].token(user); }

  // The server that says 200; undefined if none does.
  get active() { return this.servers.find((server) => server.isHealthy); }

  // True once `server` has been looked at and said 200.
  async #look(server) {
    while (!this.stopped) {
      const {status} =
          await request({port: server.port, path: '/health', timeoutMs: 300}).catch(() => ({}));
      server.isHealthy = status === 200;
      await pause(lookEveryMs);
    }
  }

  #join(near) {
    const server = this.active;
    if (!server) return near.destroy();
    const far = net.connect({host: '127.0.0.1', port: server.port});
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) {
      this.connections.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.connections.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    return undefined;
  }

  async stop() {
    this.stopped = true;
    await this.looking;
    for (const socket of this.connections) socket.destroy();
    await new Promise((resolve) => { this.listener.close(resolve); });
  }
}
