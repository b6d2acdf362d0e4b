/*
 * What a test that failed leaves running: it ends before the next test begins,
 * so that one failure stays one.  And what its daemons logged, as far as the
 * failure may be explained by it, stands below the failure.
 */
import { afterEach, beforeEach } from 'node:test';

const LINES = 60;	/* of each log */
const WIDTH = 300;	/* of each line */
/* in this order they end: who leaves is not to be missed by those below */
export const CLIENT = 0, DAEMON = 1, SERVER = 2;

let begun = [], within = false;
const logs = new Set();

/* It has been started, perhaps by a test; end() ends it, also if it has ended. */
export function started(rank, end) {
	if (within)
		begun.push({ rank, end });
}
/* It has a log: { name, log }, until the end of the test in which it is over. */
export function logging(what) {
	what.told = 0;
	logs.add(what);
}

/* Before a test there may be what others, and hooks, have started for it. */
beforeEach(() => {
	begun = [];
	within = true;
	for (const what of logs) {
		if (what.over)
			logs.delete(what);
		what.told = what.log.length;
	}
});

function tell(t, what) {
	const lines = what.log.slice(what.told).trimEnd().split('\n');
	t.diagnostic(`--- log of ${what.name}, since the test began: ${
	    lines.length} lines`);
	for (const line of lines.slice(-LINES))
		t.diagnostic(line.length > WIDTH ? `${line.slice(0, WIDTH)}...` :
		    line);
}

/* Node before 20.12 does not say whether a test has passed. */
afterEach(async (t) => {
	within = false;
	if (t.passed !== false)
		return;
	for (const what of logs)
		tell(t, what);
	begun.sort((a, b) => a.rank - b.rank);
	for (let i = 0, j; i < begun.length; i = j) {
		for (j = i; begun[j]?.rank === begun[i].rank; j++)
			;
		await Promise.allSettled(begun.slice(i, j).map(async (x) =>
			x.end()));
	}
	begun = [];
});
