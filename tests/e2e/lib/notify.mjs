/* The service manager's side of sd_notify(3): a datagram socket. */
import { spawn } from 'node:child_process';

import { until } from './daemon.mjs';

/* What comes to it, as text, one array element each, marks among it; caughtUp():
 * until all that has been sent by now is there; stop() when done. */
export async function datagrams(name) {
	const c = spawn('python3', ['-u', '-c', `
import os, select, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
n = sys.argv[1]
s.bind("\\0" + n[1:] if n[0] == "@" else n)
s.setblocking(False)
print("bound")
while True:
    marks = 0 in select.select([s, 0], [], [])[0]
    try:
        while True:
            print(repr(s.recv(65536).decode("utf-8", "replace")))
    except BlockingIOError:
        pass
    if marks:
        b = os.read(0, 4096)
        if not b:
            break
        sys.stdout.write(b.decode())
`, name], { stdio: ['pipe', 'pipe', 'inherit'] });
	process.on('exit', () => c.kill('SIGKILL'));
	c.stdin.on('error', () => {});
	let text = '', marks = 0;
	c.stdout.on('data', (b) => { text += b; });
	await until(() => text.startsWith('bound\n'), 'the socket');
	return { get all() { return text.split('\n').slice(1, -1); },
		async caughtUp() {
			const mark = `mark ${++marks}\n`;
			c.stdin.write(mark);
			await until(() => text.includes(`\n${mark}`), mark);
		},
		stop: () => c.kill('SIGKILL') };
}
