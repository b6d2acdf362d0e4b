/* What the host does to a daemon: its files, its streams, its start. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { Daemon, roostd, until } from './lib/daemon.mjs';
import { Ws } from './lib/wire.mjs';
import { echo } from './lib/conf.mjs';

const rooststat = path.join(path.dirname(roostd), 'rooststat');
/* The value of one metric, as the file has it. */
async function filed(d, name) {
	const r = await promisify(execFile)(rooststat,
	    ['-f', `${d.dir}/stats`, '-p']).catch(() => ({ stdout: '' }));
	const m = r.stdout.match(new RegExp(`^roost_${name} (\\d+)$`, 'm'));
	return m ? Number(m[1]) : undefined;
}

test('the stats file is cut, removed, replaced: it is made again', async () => {
	const d = await Daemon.start({ workers: 2, conf: echo });
	const file = `${d.dir}/stats`;
	const w = await Ws.must(d.port, '/ws/echo');
	const inode = () => fs.statSync(file, { throwIfNoEntry: false })?.ino;
	for (const [what, harm, gone] of [
		['cut to nothing', () => fs.truncateSync(file, 0), 0],
		['cut to a page', () => fs.truncateSync(file, 4096), 0],
		['removed', () => fs.unlinkSync(file), 1],
		['replaced', () => {
			fs.writeFileSync(`${file}.new`, 'other');
			fs.renameSync(`${file}.new`, file);
		}, 2],
	]) {
		harm();
		/* all count on, and are counted */
		const { id, ...ack } = await w.ack({ event: 'ask', data: 1, id: 1 });
		assert.ok(ack);
		const n = await d.metric('messages_in');
		await until(async () => await filed(d, 'messages_in_total') === n,
		    `${what}: the file is there`);
		assert.equal(await d.metric('stats_remade'), gone, what);
		assert.ok(inode() !== undefined);
	}
	assert.match(d.log, /stats file ".*" was gone, made again/);
	/* where it can't be made, the daemon serves and says so once */
	fs.unlinkSync(file);
	fs.mkdirSync(file);
	await until(() => /stats file ".*" is not written/.test(d.log), 'a word');
	await w.ack({ event: 'ask', data: 1, id: 2 });
	fs.rmdirSync(file);
	await until(async () => await filed(d, 'messages_in_total') ===
	    await d.metric('messages_in'), 'the file is there again');
	assert.equal(d.log.match(/is not written/g).length, 1);
	w.drop();
	await d.stop();
});
