/* Stock clients in a Node process of their own, asked by stock.mjs. */
import { createRequire } from 'node:module';

import { Members } from './stock_member.mjs';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { io } = require('socket.io-client');
let members;

process.on('message', ({ n, what, arg }) => {
	if (what === 'start') {
		members = new Members(io, arg);
		process.send({ n });
	} else {
		process.send({ n, value: members[what]() });
	}
});
process.on('disconnect', () => process.exit());
