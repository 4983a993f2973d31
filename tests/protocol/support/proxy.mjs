// A way to a server that can be cut, as a network is, or swallow what is sent on it.
import net from 'node:net';

export class Proxy {
  static async to(port) {
    const proxy = new Proxy();
    Object.assign(proxy, {target: port, pairs: new Set(), connections: 0, silenced: {}});
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
    const pair = {near, far};
    this.pairs.add(pair);
    this.connections += 1;
    near.pipe(far);
    far.pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        this.pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
    this.#silence(pair, this.silenced);
  }

  // No byte passes any more, to neither side, or (`answersOnly`) to the near one, and neither side
  // is told. `alsoNew`: on connections that are made from now on, too; else all passes on these.
  silence({answersOnly = false, alsoNew = true} = {}) {
    const silenced = {questions: !answersOnly, answers: true};
    for (const pair of this.pairs) this.#silence(pair, silenced);
    this.silenced = alsoNew ? silenced : {};
  }

  #silence({near, far}, {questions, answers}) {
    if (questions) near.unpipe(far);
    if (answers) far.unpipe(near);
  }

  // All passes again, what was held back first.
  speak() {
    this.silenced = {};
    for (const {near, far} of this.pairs) {
      for (const socket of [near, far]) socket.unpipe();
      near.pipe(far);
      far.pipe(near);
    }
  }

  // Resets what is connected.
  cut() {
    for (const {near, far} of this.pairs) {
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
