/* What the first argument must be: files of JSON Schema, lines of check. */
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import Ajv from 'ajv';
import addFormats from 'ajv-formats';

import { Daemon, run, tempdir, until } from './lib/daemon.mjs';
import { ask, connect, plain } from './lib/clients.mjs';

/* --- schemas by chance ---------------------------------------------------- */

const SCHEMAS = 60, VALUES = 40;
let state = Number(process.env.SCHEMA_SEED ?? 20240229);
const random = (n) => {		/* xorshift32 */
	state ^= state << 13;
	state ^= state >>> 17;
	state ^= state << 5;
	return (state >>> 0) % n;
};
const pick = (l) => l[random(l.length)];
const some = (l, most) => l.filter(() => random(3) === 0).slice(0, most);

const strings = ['', 'a', 'ab', 'abc-12', 'é', '😀', '日本語', '2024-02-29',
	'2023-02-29', '2024-02-29T10:00:00Z', '10:00:00Z', 'x@y.example', '@', 'ftp://h/x',
	'203.0.113.7', '::1', '2f1a9e80-0b7c-4d4e-8a11-0123456789ab', 'A1', '\n', ' '];
const numbers = [0, 1, -1, 2, 3.5, 10, 15, 100, -0.5, 1e3, 7];
const patterns = ['^a', 'b$', '^[a-c]+$', '\\d', '^\\w*-?\\d{1,2}$', '^(a|é|日)+',
	'^.{2,3}$', '[^a]', '^\\s?$', '^(?:[A-Z]\\d?|x.*)$', '^\\u{1F600}$'];
const formats = ['date-time', 'date', 'time', 'email', 'uuid', 'uri', 'ipv4', 'ipv6'];
const names = ['a', 'b', 'c', 'é', 'x.y', 'a/b'];
const scalars = [null, true, false, ...strings.slice(0, 6), ...numbers.slice(0, 6)];

const facets = {
	string: (s) => {
		if (random(2)) s.minLength = random(4);
		if (random(2)) s.maxLength = random(8);
		if (random(3) === 0) s.pattern = pick(patterns);
		if (random(3) === 0) s.format = pick(formats);
	},
	number: (s) => {
		if (random(2)) s[pick(['minimum', 'exclusiveMinimum'])] = pick(numbers);
		if (random(2)) s[pick(['maximum', 'exclusiveMaximum'])] = pick(numbers);
		if (random(3) === 0) s.multipleOf = 1 + random(5);
	},
	array: (s, depth) => {
		if (random(2)) s.minItems = random(3);
		if (random(2)) s.maxItems = random(4);
		if (random(4)) s.items = schema(depth + 1);
	},
	object: (s, depth) => {
		s.properties = {};
		for (const n of some(names, 4))
			s.properties[n] = schema(depth + 1);
		s.required = some(names, 2);
		if (random(3) === 0) s.additionalProperties = random(4) === 0;
	},
};
facets.integer = facets.number;

function schema(depth = 0) {
	const s = {}, kind = random(depth > 3 ? 6 : 9);
	if (kind === 0)
		return random(3) ? {} : true;
	if (kind === 1)
		return random(2) ? { enum: [...new Set([pick(scalars), pick(scalars)])] } :
		    { const: pick(scalars) };
	if (kind === 2 && depth < 3)
		return { anyOf: [schema(depth + 1), schema(depth + 1)] };
	const type = pick(depth > 3 ? ['string', 'number', 'integer'] :
	    ['string', 'number', 'integer', 'array', 'object', 'object']);
	if (random(5))
		s.type = random(4) ? type : [...new Set([type, pick(['null', 'boolean'])])];
	facets[type](s, depth);
	return s;
}

/* What might hold, and what is beside it. */
function value(s, depth = 0) {
	if (s === true || random(12) === 0 || depth > 6)
		return pick([...scalars, [], {}, [1, 'a'], { a: 1 }]);
	if (s.enum)
		return pick(s.enum);
	if ('const' in s)
		return s.const;
	if (s.anyOf)
		return value(pick(s.anyOf), depth + 1);
	if (s.properties) {
		const o = {};
		for (const n of names)
			if (s.required.includes(n) ? random(10) : random(3) === 0)
				o[n] = value(s.properties[n] ?? {}, depth + 1);
		return o;
	}
	if ('items' in s || 'minItems' in s || 'maxItems' in s)
		return Array.from({ length: (s.minItems ?? 0) + random(3) },
		    () => value(s.items ?? {}, depth + 1));
	if ([s.type].flat().some((t) => t === 'number' || t === 'integer'))
		return pick(numbers);
	return random(4) ? pick(strings) : pick(scalars);
}

/* --- a daemon with them --------------------------------------------------- */

const KEY = 'backend-key-of-the-test';
const sha = crypto.createHash('sha256').update(KEY).digest('hex');
const dir = tempdir();
const schemas = Array.from({ length: SCHEMAS }, () => schema());
const file = (i) => path.join(dir, `${i}.json`);
const own = path.join(dir, 'own.json');
const good = { type: 'object', required: ['text'], properties: {
	text: { type: 'string', maxLength: 5, description: 'what is said' },
	tags: { items: { type: 'string', maxLength: 3 } } } };
let d;
before(async () => {
	schemas.forEach((s, i) => fs.writeFileSync(file(i), JSON.stringify(s)));
	fs.writeFileSync(own, JSON.stringify(good, null, '\t'));
	fs.writeFileSync(file('long'), JSON.stringify({ properties: {
		one: { const: 'é'.repeat(40) },
		all: { items: { pattern: '(a?){500}b$' } } },
	additionalProperties: false }));
	d = await Daemon.start({ workers: 1, conf: `
drain_time = 0s
api { key "backend" { sha256 = "${sha}" allow = {"publish"} } }
namespace "/s" { auth = none  check_publishes = true
    ${schemas.map((s, i) => `event "e${i}" { ack = echo  args = 1
        schema = "${file(i)}" }`).join('\n    ')}
    event "own" { ack = echo  schema = "${own}" }
    event "long" { ack = echo  schema = "${file('long')}" }
    event "lines" { ack = echo  check = {"text: string 1..5 pattern ^[a-z ]+$",
        "address?: object closed", "address.city: string", "tags[]?: string ..3",
        "kind: one of a|b|3", "at?: string format date-time", closed} }
}
` });
});
after(() => d.stop());

const wrong = (a) => a?.error ? `${a.error.code} ${a.error.message}` : '';

test('schemas and values by chance: the verdicts of ajv', async () => {
	const ajv = new Ajv({ strict: false, validateFormats: true });
	addFormats(ajv);
	const s = await connect(d, '/s');
	let held = 0, failed = 0;
	for (const [i, sc] of schemas.entries()) {
		const says = ajv.compile(sc);
		const values = Array.from({ length: VALUES }, () => value(sc));
		const acks = await Promise.all(values.map((v) => ask(s, `e${i}`, v)));
		values.forEach((v, j) => {
			const refused = acks[j]?.error?.code === 'invalid';
			const holds = says(v);
			assert.equal(!refused, holds, `${JSON.stringify(sc)}\n${
			    JSON.stringify(v)}\n${wrong(acks[j])}\n${
			    JSON.stringify(says.errors)}`);
			held += holds;
			failed += !holds;
		});
	}
	assert.ok(held > 300 && failed > 300, `${held} and ${failed}`);
	s.close();
});

test('the message names the member', async () => {
	const s = await connect(d, '/s'), w = await plain(d, '/ws/s');
	for (const [v, want] of [
		[{ text: 'abcdef' }, 'invalid /text: longer than 5'],
		[{ text: 'a', tags: ['a', 'abcd'] }, 'invalid /tags/1: longer than 3'],
		[{}, 'invalid /text: is missing'],
		[5, 'invalid the first argument must be object'],
		[{ text: 'a', other: 1 }, '']]) {
		assert.equal(wrong(await ask(s, 'own', v)), want);
		assert.equal(wrong(await w.ask('own', v)), want);
	}
	assert.equal(wrong(await ask(s, 'own')), 'invalid the first argument is missing');
	for (const [v, want] of [
		[{ text: 'a b', kind: 3, tags: ['x'] }, ''],
		[{ text: 'A', kind: 'a' }, 'invalid /text: does not match its pattern'],
		[{ text: 'a', kind: 'c' },
			'invalid /kind: is none of the 3 values that it may be'],
		[{ text: 'a', kind: 'a', address: {} },
			'invalid /address/city: is missing'],
		[{ text: 'a', kind: 'a', address: { city: 'x', zip: 1 } },
			'invalid /address/zip: is not known here'],
		[{ text: 'a', kind: 'a', at: 'now' }, 'invalid /at: is no date-time'],
		[{ text: 'a', kind: 'a', tags: ['a', 5] }, 'invalid /tags/1: must be string'],
		[{ text: 'a', kind: 'a', more: 1 }, 'invalid /more: is not known here'],
		[7, 'invalid /text: is missing']])
		assert.equal(wrong(await ask(s, 'lines', v)), want, JSON.stringify(v));
	s.close();
	w.terminate();
});

test('words are whole, however long what they speak of is', async () => {
	const w = await plain(d, '/ws/s');
	assert.match(wrong(await w.ask('long', { one: 1 })),
	    /^invalid \/one: must be "é{29}$/);
	assert.equal(wrong(await w.ask('long', { ['é'.repeat(126)]: 1 })),
	    `invalid /${'é'.repeat(126)}: is not known here`);
	w.terminate();
});

test('a value that takes too long to check is refused', async () => {
	const s = await connect(d, '/s');
	const text = 'a'.repeat(4000) + 'b';
	assert.deepEqual(await ask(s, 'long', { all: [text] }), { all: [text] });
	assert.match(wrong(await ask(s, 'long', { all: Array(200).fill(text) })),
	    /^invalid \/all\/\d+: takes too long to check$/);
	s.close();
});

test('what back ends publish is checked where the namespace says so', async () => {
	const publish = async (data, event = 'own') => {
		const r = await fetch(d.url('/api/v1/publish'), { method: 'POST',
			headers: { Authorization: `Bearer ${KEY}`,
				'Content-Type': 'application/json' },
			body: JSON.stringify({ namespace: 's', event, data }) });
		return [r.status, wrong(await r.json())];
	};
	assert.deepEqual(await publish({ text: 'abc' }), [200, '']);
	assert.deepEqual(await publish({ text: 'abcdef' }),
	    [400, 'invalid /text: longer than 5']);
	assert.deepEqual(await publish({}, 'no rule'), [200, '']);
});

test('a schema that is none is an error, and a reload changes nothing', async () => {
	const s = await connect(d, '/s');
	const failed = () => d.log.split(' reload_failed ').length - 1;
	fs.writeFileSync(own, '{\n"type": "object",\n"oneOf": []\n}\n');
	const t = await run(['-t', '-c', d.file]);
	assert.notEqual(t.code, 0);
	const words = /schema = \S+own\.json: line 3: \S+oneOf\S+ is not supported/;
	assert.match(t.out + t.err, words);
	process.kill(d.pid, 'SIGHUP');
	await until(() => failed() === 1, 'reload_failed');
	assert.match(d.log, words);
	assert.equal(wrong(await ask(s, 'own', {})), 'invalid /text: is missing');
	fs.writeFileSync(own, '{"required": ["other"]}');
	process.kill(d.pid, 'SIGHUP');
	await until(() => / reloaded /.test(d.log), 'reloaded');
	await until(async () => wrong(await ask(s, 'own', {})) ===
	    'invalid /other: is missing', 'the new schema');
	s.close();
});
