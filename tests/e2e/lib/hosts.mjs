/* Daemons that Redis connects: what /health says of it, and two of them. */
import { Daemon, until } from './daemon.mjs';
import { Redis } from './redis.mjs';

export const health = async (d) => (await fetch(d.url('/health'))).json();
export const connected = (d, is = true, ms = 40000) => until(async () =>
	(await health(d)).redis.connected === is,
`Redis to be connected: ${is}`, ms);

/* A Redis, a client of it, and a daemon for each number of workers, with the
 * configuration that conf() makes of its URL. */
export async function hosts(conf, workers = [1, 2]) {
	const redis = await Redis.start();
	const list = await Promise.all(workers.map((n) =>
		Daemon.start({ workers: n, conf: conf(redis.url) })));
	const cli = await redis.client();
	await Promise.all(list.map((d) => connected(d)));
	return { redis, list, cli };
}
/* f(daemon, ...), one for each of these URLs of Redis. */
export async function onHosts(conf, urls, f) {
	const list = [];
	try {
		for (const url of urls)
			list.push(await Daemon.start({ workers: 2,
				conf: conf(`redis { url = "${url}" }`) }));
		for (const d of list)
			await connected(d);
		await f(...list);
	} finally {
		for (const d of list)
			await d.stop();
	}
}
export async function unhost({ redis, list, cli }) {
	cli.close();
	for (const d of list)
		await d.stop();
	await redis.kill();
}
