/*
 * Schedules of clients of one document each, cut by chance: at the end all have the
 * same, and no change that was acknowledged is lost.
 */
import { sleep, until } from './daemon.mjs';
import { Changes, chance, Writer } from './documents.mjs';

const CLIENTS = 5, STEPS = 24;

/* One schedule.  strike(rnd): something breaks; or nothing does. */
async function schedule(hosts, nsp, seed, strike, { broken, forgets }) {
	const rnd = chance(seed), changes = new Changes(), doc = `doc:s${seed}`;
	const all = [...Array(CLIENTS).keys()].map((i) => new Writer(hosts, doc,
	    changes, rnd, { nsp, name: `${seed}.${i}`,
		broken: i === 0 ? broken : undefined }));
	await Promise.all(all.map((w) => w.come()));
	const writes = [];
	for (let i = 0; i < STEPS; i++) {
		const w = all[rnd(CLIENTS)];
		if (rnd(8) === 0)
			w.cut();
		else
			writes.push(w.write(), all[rnd(CLIENTS)].write());
		if (rnd(2 * STEPS) === 0)
			await strike(rnd);
		await sleep(rnd(12));
	}
	await Promise.all(writes);
	let same = false;
	await until(() => all.every((w) => w.ready), `${doc} to be open`, 30000);
	/* the last is a change that all hear of, if they hear; in memory a relay that is
	 * killed takes it along */
	for (let tries = forgets ? 3 : 1; tries > 0; tries--) {
		await until(async () => {
			const r = await all[1].s?.timeout(8000).emitWithAck('doc:set',
			    { doc, key: 'last', base: null, value: seed })
			    .catch(() => {});
			return r?.rev > 0;	/* 0: it waits for Redis, with its relay */
		}, `${doc} to be written`, 30000);
		same = await until(() => all.every((w) => w.ready &&
			w.copy.get('last')?.value === seed && w.text === all[1].text),
		`${doc} to be the same`, broken ? 300 : 10000)
		    .then(() => true, () => false);
		if (same)
			break;
	}
	if (!same)
		changes.say(`${doc} differs: ${all.map((w) => `${w.at} ${w.ready} ${
		    JSON.stringify(w.since)} ${w.text}`).join('\n')}`);
	changes.check();
	all.forEach((w) => w.end());
	return changes;
}

/* So many, some at a time, from this seed on. */
export async function converge(hosts, nsp, { n, seed = 1, at = 4, strike, ...how }) {
	const sum = { wrong: [], sets: 0, conflicts: 0, unknown: 0, resets: 0,
		opens: 0 };
	let next = seed;
	await Promise.all([...Array(Math.min(at, n))].map(async () => {
		while (next < seed + n) {
			const c = await schedule(hosts, nsp, next++,
			    strike ?? (async () => {}), how);
			for (const k of Object.keys(sum))
				sum[k] = k === 'wrong' ? [...sum.wrong, ...c.wrong] :
				    sum[k] + c[k];
		}
	}));
	return sum;
}
