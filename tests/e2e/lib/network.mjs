/*
 * A host of its own for a test, as a network namespace, with ways between here
 * and there on which packets can be lost.  Needs root, or sudo without a
 * question; what it makes goes with it, or with the process.
 */
import { execFileSync } from 'node:child_process';

import { SERVER, started } from './remains.mjs';

const NOBODY = '02:00:00:00:00:66';	/* a station that is not there */
const run = (...args) => {
	const [name, ...rest] = process.getuid() === 0 ? args :
	    ['sudo', '-n', ...args];
	execFileSync(name, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
};
const ip = (...args) => run('ip', ...args);

const open = new Set();
process.on('exit', () => {
	for (const n of open)
		try { n.close(); } catch { /* gone */ }
});

/* Of 198.18.0.0/15, which is for such: four addresses for each way. */
const address = (way, which) => {
	const n = ((process.pid * 4 + way) % 32768) * 4 + which;
	return `198.${18 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`;
};

export class Network {
	/* n: ways; there[i] is the other host's address on the i-th. */
	static open(n = 1) {
		const w = new Network();
		w.name = `roost-e2e-${process.pid}`;
		w.ways = [];
		ip('netns', 'add', w.name);
		open.add(w);
		started(SERVER, () => open.has(w) && w.close());
		w.inside('link', 'set', 'lo', 'up');
		for (let i = 0; i < n; i++)
			w.#way(i);
		w.there = w.ways.map((way) => way.there);
		return w;
	}
	/* ip(8) on the other host. */
	inside(...args) { run(...this.enter, 'ip', ...args); }
	#way(i) {
		const way = { dev: `re${process.pid}n${i}`, peer: `far${i}`,
			here: address(i, 1), there: address(i, 2) };
		ip('link', 'add', way.dev, 'type', 'veth', 'peer', 'name',
		    way.peer, 'netns', this.name);
		ip('address', 'add', `${way.here}/30`, 'dev', way.dev);
		ip('link', 'set', way.dev, 'up');
		this.inside('address', 'add', `${way.there}/30`, 'dev',
		    way.peer);
		this.inside('link', 'set', way.peer, 'up');
		this.ways.push(way);
	}
	/*
	 * Until mend(): how is "lost", as behind a firewall that drops what it
	 * does not like and says nothing; "back", where only what comes from
	 * there is lost; or "cable", a carrier that is gone.
	 */
	cut(i, how = 'lost') {
		const { dev, peer, here, there } = this.ways[i];
		if (how === 'cable') {
			this.inside('link', 'set', peer, 'down');
			return;
		}
		this.inside('neighbour', 'replace', here, 'lladdr', NOBODY,
		    'dev', peer, 'nud', 'permanent');
		if (how === 'lost')
			ip('neighbour', 'replace', there, 'lladdr', NOBODY,
			    'dev', dev, 'nud', 'permanent');
	}
	mend(i) {
		const { dev, peer, here, there } = this.ways[i];
		this.inside('link', 'set', peer, 'up');
		for (const undo of [
			() => this.inside('neighbour', 'del', here, 'dev', peer),
			() => ip('neighbour', 'del', there, 'dev', dev)])
			try { undo(); } catch { /* there is none */ }
	}
	/* Not `ip netns exec`, which mounts: not where / is no mount point. */
	get enter() { return ['nsenter', `--net=/run/netns/${this.name}`]; }
	/* A command there: the words before it. */
	get command() {
		return [...process.getuid() === 0 ? [] : ['sudo', '-n'],
			...this.enter];
	}
	/* The ways go with their ends. */
	close() {
		open.delete(this);
		ip('netns', 'delete', this.name);
	}
}
