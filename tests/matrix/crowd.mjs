/*
 * The members of one Node process, told what to do by its parent:
 * { specs } starts them, { state } and { report } ask, { hush } lets them say
 * no more, { end } ends.
 */
import { createRequire } from 'node:module';

import { Members } from './member.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const ioOf = (version) => require(version).io ?? require(version).Socket;
let members;

process.on('message', (m) => {
	if (m.specs)
		members = new Members(ioOf, m.specs);
	if (m.hush)
		members.hush();
	if (m.state)
		process.send({ re: m.id, ...members.state() });
	if (m.report)
		process.send({ re: m.id, report: members.report() });
	if (m.end) {
		members.end();
		setTimeout(() => process.exit(), 200);
	}
});
process.on('disconnect', () => process.exit());
