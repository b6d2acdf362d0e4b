/* The service manager's side of sd_notify(3): a datagram socket. */
import { spawn } from 'node:child_process';

import { until } from './daemon.mjs';

/* What comes to it, as text, one array element each; stop() when done. */
export async function datagrams(name) {
	const c = spawn('python3', ['-u', '-c', `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
n = sys.argv[1]
s.bind("\\0" + n[1:] if n[0] == "@" else n)
print("bound")
while True:
    print(repr(s.recv(65536).decode("utf-8", "replace")))
`, name], { stdio: ['ignore', 'pipe', 'inherit'] });
	process.on('exit', () => c.kill('SIGKILL'));
	let text = '';
	c.stdout.on('data', (b) => { text += b; });
	await until(() => text.startsWith('bound\n'), 'the socket');
	return { get all() { return text.split('\n').slice(1, -1); },
		stop: () => c.kill('SIGKILL') };
}
