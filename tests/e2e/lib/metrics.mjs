/*
 * /metrics, read by the letter: the text format of Prometheus (0.0.4) leaves
 * nothing to guess, so anything odd is an error that names the line.
 */
import assert from 'node:assert/strict';
import http from 'node:http';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*/;
const VALUE = /^(NaN|[+-]?Inf|[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

function parseLabels(s, bad) {
	const labels = {};
	let rest = s;
	while (!rest.startsWith('}')) {
		const name = rest.match(LABEL)?.[0];
		if (!name || name.startsWith('__'))
			bad('label name');
		const quoted = rest.slice(name.length)
		    .match(/^="((?:[^"\\\n]|\\[\\"n])*)"/);
		if (!quoted)
			bad(`value of label ${name}`);
		if (name in labels)
			bad(`label ${name} twice`);
		labels[name] = quoted[1].replace(/\\([\\"n])/g,
		    (_, c) => (c === 'n' ? '\n' : c));
		rest = rest.slice(name.length + quoted[0].length);
		if (rest.startsWith(','))
			rest = rest.slice(1);
		else if (!rest.startsWith('}'))
			bad('between labels');
	}
	return { labels, rest: rest.slice(1) };
}

function parseSample(line, bad) {
	const name = line.match(NAME)?.[0];
	if (!name)
		bad('metric name');
	let rest = line.slice(name.length), labels = {};
	if (rest.startsWith('{'))
		({ labels, rest } = parseLabels(rest.slice(1), bad));
	const f = rest.match(/^ (\S+)( -?\d+)?$/);
	if (!f || !VALUE.test(f[1]))
		bad('value');
	const value = Number(f[1].replace('Inf', 'Infinity'));
	return { name, labels, value };
}

const without = (labels, key) => JSON.stringify(Object.entries(labels)
	.filter(([k]) => k !== key).sort());

function checkHistogram(f) {
	const by = new Map();
	for (const s of f.samples) {
		const k = without(s.labels, 'le');
		if (!by.has(k))
			by.set(k, { buckets: [] });
		const h = by.get(k);
		if (s.name === `${f.name}_bucket`)
			h.buckets.push(s);
		else
			h[s.name.slice(f.name.length)] = s.value;
	}
	for (const h of by.values()) {
		const le = h.buckets.map((s) => (s.labels.le === '+Inf' ? Infinity :
		    Number(s.labels.le)));
		assert.equal(le.at(-1), Infinity, `${f.name}: no +Inf`);
		for (let i = 1; i < le.length; i++) {
			assert.ok(le[i] > le[i - 1], `${f.name}: le out of order`);
			assert.ok(h.buckets[i].value >= h.buckets[i - 1].value,
			    `${f.name}: not cumulative`);
		}
		assert.equal(h._count, h.buckets.at(-1).value, `${f.name}: count`);
		assert.equal(typeof h._sum, 'number', `${f.name}: sum`);
	}
}

function checkFamily(f) {
	assert.ok(f.type, `${f.name}: no TYPE`);
	assert.ok(f.help, `${f.name}: no HELP`);
	assert.ok(f.samples.length, `${f.name}: no samples`);
	if (f.type === 'counter')
		for (const s of f.samples)
			assert.ok(s.value >= 0, `${f.name}: below zero`);
	if (f.type === 'histogram')
		checkHistogram(f);
}

/* Map of name -> { name, help, type, samples: [{ name, labels, value }] }. */
export function parseMetrics(text) {
	const families = new Map(), series = new Set();
	let current = null;
	assert.ok(text.endsWith('\n'), 'the last line does not end');
	const family = (name, bad) => {
		if (current?.name === name)
			return current;
		if (families.has(name))
			bad(`${name} is not in one piece`);
		current = { name, samples: [] };
		families.set(name, current);
		return current;
	};
	text.slice(0, -1).split('\n').forEach((line, i) => {
		const bad = (what) => assert.fail(`line ${i + 1}: ${what}: ${line}`);
		const c = line.match(/^# (HELP|TYPE) (\S+) (.*)$/);
		if (c) {
			if (c[2].match(NAME)?.[0] !== c[2])
				bad('metric name');
			const f = family(c[2], bad), key = c[1].toLowerCase();
			if (f[key] !== undefined || f.samples.length)
				bad(`${c[1]} twice, or late`);
			if (key === 'type' && !TYPES.includes(c[3]))
				bad('type');
			if (key === 'help' && /\\(?![\\n])/.test(c[3]))
				bad('escape');
			f[key] = c[3];
			return;
		}
		if (line.startsWith('#') || line === '')
			bad('comment or empty line');
		const s = parseSample(line, bad);
		const base = current?.type === 'histogram' ?
		    s.name.replace(/_(bucket|sum|count)$/, '') : s.name;
		const f = family(base, bad);
		if (!f.type)
			bad('no TYPE before it');
		if (f.type === 'histogram' && s.name.endsWith('_bucket') !==
		    ('le' in s.labels))
			bad('le');
		const id = s.name + without(s.labels);
		if (series.has(id))
			bad('series twice');
		series.add(id);
		f.samples.push(s);
	});
	for (const f of families.values())
		checkFamily(f);
	return families;
}

/* A reader with one connection that stays: what it counts is known. */
export class Scraper {
	constructor(d) {
		this.d = d;
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	}
	page() {
		return new Promise((ok, no) => {
			http.get(this.d.url('/metrics'), { agent: this.agent }, (r) => {
				let text = '';
				r.setEncoding('utf8');
				r.on('data', (t) => { text += t; });
				r.on('end', () => ok({ text, status: r.statusCode,
				    type: r.headers['content-type'] }));
			}).on('error', no);
		});
	}
	/* Map "name{k=v,...}" -> value, "roost_" and "_total" removed. */
	async read() {
		const flat = new Map();
		for (const f of parseMetrics((await this.page()).text).values())
			for (const s of f.samples)
				flat.set(s.name.replace(/^roost_|_total$/g, '') +
				    (Object.keys(s.labels).length ? `{${
				    Object.entries(s.labels).map(([k, v]) =>
					`${k}=${v}`).join(',')}}` : ''), s.value);
		return flat;
	}
	close() { this.agent.destroy(); }
}
/* Sum over the series of a family. */
export function sum(flat, family) {
	let n = 0;
	for (const [k, v] of flat)
		if (k === family || k.startsWith(`${family}{`))
			n += v;
	return n;
}
