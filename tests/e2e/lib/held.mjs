/* The descriptors of a process. */
import fs from 'node:fs';

/* What it opens for a moment now and then, on its own: to read of the host and
 * of itself, and to see whether its statistics file is there. */
const passing = /^\/(proc|sys)\/|\/stats$/;

/* What they lead to, but for those. */
export function links(pid) {
	return fs.readdirSync(`/proc/${pid}/fd`).map((fd) => {
		try {
			return fs.readlinkSync(`/proc/${pid}/fd/${fd}`);
		} catch {
			return '';	/* it has just been closed */
		}
	}).filter((to) => to !== '' && !passing.test(to));
}
export const held = (pid) => links(pid).length;
