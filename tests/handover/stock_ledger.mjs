/* What stock clients have said and heard: whatever is wrong, in sentences. */

/* Numbers that came must be all that were sent, once, in order. */
function judgeHeard(m, from, bad, cut) {
	const got = m.heard[from.id] ?? [];
	let next = 0;
	for (const i of got) {
		if (i < next) {
			bad.push(`${m.user} heard ${i} of ${from.user} again, or ${
			    ''}late, after ${next - 1}`);
			continue;
		}
		for (; next < i; next++)
			if (!cut || from.said[next].acks > 0)
				bad.push(`${m.user} has not heard ${next} of ${
				    from.user}, but ${i}`);
		next = i + 1;
	}
	for (; next < from.said.length; next++)
		if (!cut || from.said[next].acks > 0)
			bad.push(`${m.user} has not heard ${next} of ${from.user}`);
}

/*
 * all: reports of the members.  cut: they may be cut off, if they are recovered;
 * what one has said then without an ack, others may have heard or not.
 */
export function judge(all, { cut = false } = {}) {
	const bad = [], rooms = new Map();
	for (const m of all)
		rooms.set(m.room, [...rooms.get(m.room) ?? [], m]);
	for (const m of all) {
		const others = rooms.get(m.room).filter((o) => o !== m);
		bad.push(...m.wrong.map((w) => `${m.user}: ${w}`));
		if (!m.up)
			bad.push(`${m.user} is away`);
		for (const s of m.said) {
			if (s.acks > 1 || (s.acks === 0 && !cut))
				bad.push(`${m.user}: ${s.acks} acks of ${s.i}`);
			if (!cut && s.acks > 0 && s.delivered !== others.length)
				bad.push(`${m.user}: ${s.i} delivered to ${
				    s.delivered}`);
		}
		for (const o of others)
			judgeHeard(m, o, bad, cut);
		if (m.presence.length > 0 && !cut)
			bad.push(`${m.user} was told ${JSON.stringify(
			    m.presence[0])}`);
		if (cut) {
			if (m.back.some((b) => !b.recovered))
				bad.push(`${m.user} was not recovered, cut by ${
				    JSON.stringify(m.cuts)}`);
			continue;
		}
		if (m.cuts.length > 0)
			bad.push(`${m.user} was cut off: ${JSON.stringify(
			    m.cuts)} (${m.transport})`);
		if (m.errors.length > 0)
			bad.push(`${m.user}: ${m.errors}`);
	}
	return bad;
}

/*
 * How a drain was spread: the share of all that the fullest tenth of its time
 * had, and how long it was.
 */
export function spread(all, since, ms) {
	const at = all.flatMap((m) => m.cuts.map((c) => c.at))
	    .filter((t) => t >= since).sort((a, b) => a - b);
	let most = 0;
	for (let i = 0, j = 0; i < at.length; i++) {
		while (at[i] - at[j] > ms / 10)
			j++;
		most = Math.max(most, i - j + 1);
	}
	return { n: at.length, most: at.length ? most / at.length : 0,
		ms: at.length ? at.at(-1) - at[0] : 0 };
}
