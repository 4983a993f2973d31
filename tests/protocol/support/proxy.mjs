// A way to a server that can be cut, as a network is.
import net from 'node:net';

export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    Object.assign(proxy, {target: port, pairs: new Set(), connections: 0});
    proxy.listener = net.createServer((near) => proxy.#join(near));
    await proxy.#listen(0);
    proxy.port = proxy.listener.address().port;
    return proxy;
  }

  #listen(port) {
    return new Promise((resolve) => { this.listener.listen(port, '127.0.0.1', resolve); });
  }

  #join(near) {
    const far = net.connect({host: '127.0.0.1', port: this.target});
    const pair = [near, far];
    this.pairs.add(pair);
    this.connections += 1;
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        for (const each of pair) each.destroy();
      });
    }
  }

  // Resets what is connected.
  cut() {
    for (const [near, far] of this.pairs) {
      near.resetAndDestroy();
      far.destroy();
    }
  }

  // Cuts, and refuses connections until up().
  async down() {
    this.cut();
    await new Promise((resolve) => { this.listener.close(resolve); });
  }

  up() { return this.#listen(this.port); }

  stop() { return this.down(); }
}
