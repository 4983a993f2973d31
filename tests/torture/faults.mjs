// What is done to a site. Each fault has a target, a begin, and an end that heals it; between the
// two passes the time that the schedule says. Two faults with different targets may overlap.
import {between, oneOf} from '../protocol/support/dice.mjs';
import {until} from '../protocol/support/wait.mjs';

const signal = (server, name) => server.process.child.kill(name);

export const faults = {
  'server killed': {
    target: 'server',
    begin: (site, server) => site.kill(server),
    end: (site, server) => site.startAgain(server)
  },
  'server killed and started at once': {
    target: 'server',
    async begin(site, server) {
      await site.kill(server);
      await site.startAgain(server);
    }
  },
  'server terminated': {
    target: 'server',
    begin: (site, server) => site.terminate(server),
    end: (site, server) => site.startAgain(server),
    // A clean end needs no PostgreSQL, but takes ten seconds while pushes wait for one.
    alone: true
  },
  'server frozen': {
    target: 'server',
    begin: (site, server) => signal(server, 'SIGSTOP'),
    end: (site, server) => signal(server, 'SIGCONT')
  },
  'server frozen while the other takes over': {
    target: 'server',
    async begin(site, server) {
      signal(server, 'SIGSTOP');
      await site.endSessions();
      await until('the other one says 200', () => {
        site.assertAlive();
        return site.other(server).isHealthy;
      }, {seconds: 30, everyMs: 10});
    },
    end: (site, server) => signal(server, 'SIGCONT'),
    alone: true
  },
  'standby killed': {
    target: 'server',
    begin: (site, server) => site.kill(site.other(server)),
    end: (site, server) => site.startAgain(site.other(server))
  },
  'both servers killed': {
    target: 'server',
    begin: (site) => Promise.all(site.servers.map((server) => site.kill(server))),
    end: (site) => Promise.all(site.servers.map((server) => site.startAgain(server)))
  },
  'link to PostgreSQL cut': {target: 'link', begin: (site, server) => site.links.get(server).cut()},
  'link to PostgreSQL down': {
    target: 'link',
    begin: (site, server) => site.links.get(server).down(),
    end: (site, server) => site.links.get(server).up()
  },
  'link to PostgreSQL silent': {
    target: 'link',
    begin: (site, server) => site.links.get(server).silence(),
    end: (site, server) => site.links.get(server).speak()
  },
  'answers of PostgreSQL lost': {
    target: 'link',
    begin: (site, server) => site.links.get(server).silence({answersOnly: true}),
    end(site, server) {
      site.links.get(server).cut();
      site.links.get(server).speak();
    }
  },
  'PostgreSQL killed': {
    target: 'postgres',
    begin: (site) => site.cluster.kill(),
    end: (site) => site.cluster.startAgain()
  },
  'PostgreSQL restarted': {
    target: 'postgres',
    async begin(site) {
      await site.cluster.stop();
      await site.cluster.startAgain();
    }
  },
  'PostgreSQL frozen': {
    target: 'postgres',
    begin: (site) => site.cluster.freeze(),
    end: (site) => site.cluster.thaw()
  },
  'all sessions ended': {target: 'postgres', begin: (site) => site.endSessions()},
  'half of the sessions ended':
      {target: 'postgres', begin: (site) => site.endSessions('random() < 0.5')}
};

// What round after round is done: mostly one fault, at times two at once.
export class Schedule {
  constructor(roll) { Object.assign(this, {roll, deck: []}); }

  // Every fault comes up before any comes again.
  #draw() {
    if (this.deck.length === 0) this.deck = Object.keys(faults);
    const name = oneOf(this.roll, this.deck);
    this.deck = this.deck.filter((each) => each !== name);
    return {name, ...faults[name]};
  }

  // {faults, pushesBefore, lastsMs, apartMs}
  next() {
    const {roll} = this;
    const drawn = [this.#draw()];
    if (roll() < 0.4) {
      const other = oneOf(roll, Object.keys(faults));
      const second = {name: other, ...faults[other]};
      const fits = second.target !== drawn[0].target && !second.alone && !drawn[0].alone;
      if (fits) drawn.push(second);
    }
    return {
      faults: drawn,
      pushesBefore: between(roll, 1, 60),
      apartMs: between(roll, 0, 200),
      lastsMs: roll() < 0.2 ? between(roll, 1500, 3500) : between(roll, 0, 800)
    };
  }
}
