/*
 * What the server that socket.io-client is tested with does for its clients, said
 * by rules alone.  Not among it, since it needs a program: an event that asks for
 * an answer and looks at it, dates, binary constants, an answer that is a bare sid,
 * a namespace that refuses with words of its own.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Daemon } from './lib/daemon.mjs';
import { ask, codeOf, connect, gotten, heard } from './lib/clients.mjs';

const words = ['てすと', 'Я Б Г Д Ж Й', 'Ä ä Ü ü ß', 'utf8 — string', 'utf8 — string'];
const mixed = `check = {"hello: one of lol", "message: object",
            "message._placeholder: one of true", "goodbye: one of gotcha"}`;
let d;
before(async () => {
	d = await Daemon.start({ workers: 2, conf: `
namespace "/" { auth = none
    event "hi"    { to = sender  meta = off }
    event "echo"  { ack = echo }
    event "false" { to = sender  meta = off  data = false }
    event "getUtf8" { to = nowhere
        ${words.map((w, i) => `then "${i}" { to = sender  as = "takeUtf8"  meta = off
            data = '"${w}"' }`).join('\n        ')} }
    event "getId" { ack = echo  data = '{}'  set = "id: sid" }
    event "buffa" { to = nowhere  then "buffack" { to = sender  meta = off  data = 0 } }
    event "jsonbuff" { to = nowhere  ${mixed}
        then "jsonbuff-ack" { to = sender  meta = off  data = 0 } }
    event "abuff1" { to = nowhere }
    event "abuff2" { to = nowhere  then "abuff2-ack" { to = sender  meta = off  data = 0 } }
}
namespace "/abc" { auth = none
    keep_query = {b, "+"}  keep_headers = {user-agent}
    event "connect" { to = sender  as = "handshake"  meta = off  data = '{}'
        set = {"b: query:b", "+: query:+", "address: address", "agent: header:user-agent"} }
}
namespace "/no" { auth = required }
jwt { secret = "0123456789abcdef0123456789abcdef"  algorithms = {"HS256"} }
` });
});
after(() => d.stop());

test('events and answers', async () => {
	const s = await connect(d, '/');
	s.emit('hi');
	assert.deepEqual(await heard(s, 'hi'), [[]]);
	assert.equal(await ask(s, 'echo', 123), 123);
	s.emit('false');
	assert.deepEqual(await heard(s, 'false'), [[false]]);
	s.emit('getUtf8');
	assert.deepEqual((await heard(s, 'takeUtf8', 5)).flat(), words);
	assert.deepEqual(await ask(s, 'getId'), { id: s.id });
	s.close();
});

test('binary arguments, and their order', async () => {
	const s = await connect(d, '/');
	const message = Buffer.from('howdy');
	s.emit('buffa', message);
	s.emit('jsonbuff', { hello: 'lol', message, goodbye: 'gotcha' });
	s.emit('abuff1', message);
	s.emit('abuff2', 'please arrive second');
	await heard(s, 'abuff2-ack');
	assert.deepEqual(s.got.map(([name]) => name),
	    ['buffack', 'jsonbuff-ack', 'abuff2-ack']);
	for (const wrong of [{ hello: 'lol', message: 'x', goodbye: 'gotcha' },
	    { hello: 'no', message, goodbye: 'gotcha' }])
		assert.equal(codeOf(await ask(s, 'jsonbuff', wrong)), 'invalid');
	assert.equal(gotten(s, 'jsonbuff-ack').length, 1);
	s.close();
});

test('the handshake, and a namespace that refuses', async () => {
	const s = await connect(d, '/abc', { query: { b: 'c', '+': '&=bar' },
		extraHeaders: { 'User-Agent': 'me' } });
	assert.deepEqual(await heard(s, 'handshake'), [[{ b: 'c', '+': '&=bar',
		address: '127.0.0.1', agent: 'me' }]]);
	await assert.rejects(connect(d, '/no'), /connect_error/);
	s.close();
});
