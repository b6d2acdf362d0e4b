/*
 * Clients on chosen workers.  The kernel spreads connections over the
 * workers; roost:ping tells where one has landed.
 */
import { ask, connect, plain } from './clients.mjs';

/* make() until one client is on each of the slots; the others are closed. */
async function pick(slots, make, slotOf) {
	const found = new Map();
	for (let i = 0; i < 200 && found.size < slots.length; i++) {
		const c = await make();
		const slot = await slotOf(c);
		if (slots.includes(slot) && !found.has(slot))
			found.set(slot, c);
		else
			c.close();
	}
	if (found.size < slots.length)
		throw new Error(`no client on each of ${slots}`);
	return slots.map((s) => found.get(s));
}
export const sioOn = (d, slots, nsp, opts) => pick(slots,
	() => connect(d, nsp, opts),
	async (s) => (await ask(s, 'roost:ping')).worker);
export const plainOn = (d, slots, path, opts) => pick(slots,
	() => plain(d, path, opts),
	async (w) => (await w.ask('roost:ping')).data.worker);
