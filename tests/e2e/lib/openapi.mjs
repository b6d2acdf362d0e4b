/*
 * An OpenAPI file, read and put to use: what it says of an operation, and whether
 * a request or an answer is as it says.  The schemas are looked at by ajv.
 */
import fs from 'node:fs';

import { Validator } from '@seriousme/openapi-schema-validator';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import YAML from 'yaml';

const METHODS = ['get', 'post', 'put', 'delete', 'patch'];
const pointer = (...keys) => keys.map((k) => '/' + encodeURIComponent(
    String(k).replaceAll('~', '~0').replaceAll('/', '~1'))).join('');

export class OpenApi {
	constructor(file) {
		this.file = file;
		this.doc = YAML.parse(fs.readFileSync(file, 'utf8'));
		this.ajv = new Ajv2020({ allErrors: true, strict: false });
		addFormats(this.ajv);
		this.ajv.addSchema({ ...this.doc, $id: 'file:///api' });
		this.operations = Object.entries(this.doc.paths).flatMap(
		    ([path, item]) => METHODS.filter((m) => item[m]).map(
			(m) => ({ path, method: m.toUpperCase(), op: item[m],
			    id: item[m].operationId,
			    at: ['paths', path, m],
			    parameters: [...item.parameters ?? [],
				...item[m].parameters ?? []].map((p) =>
				this.resolve(p)) })));
	}
	/* What is wrong with the file itself; undefined: nothing. */
	async wrong() {
		const r = await new Validator().validate(this.file);
		return r.valid ? undefined : r.errors;
	}
	resolve(x) {
		for (; x?.$ref !== undefined; )
			x = x.$ref.slice(2).split('/').reduce((o, k) => o[k],
			    this.doc);
		return x;
	}
	/* Where something stands, references followed. */
	#follow(keys) {
		let o = this.doc, at = [];
		for (const k of keys) {
			o = o[k];
			at.push(k);
			while (o?.$ref !== undefined) {
				at = o.$ref.slice(2).split('/');
				o = this.resolve(o);
			}
		}
		return at;
	}
	/* Errors of a value by the schema that stands there; null: none. */
	errors(keys, value) {
		const at = this.#follow(keys.slice(0, -1)), ref =
		    `file:///api#${pointer(...at, keys.at(-1))}`;
		const f = this.ajv.getSchema(ref) ??
		    this.ajv.compile({ $ref: ref });
		return f(value) ? null : f.errors;
	}
	bodyErrors(o, value) {
		return this.errors([...o.at, 'requestBody', 'content',
		    'application/json', 'schema'], value);
	}
	/* All examples, with where their schema stands. */
	*examples(x = this.doc, at = []) {
		if (x === null || typeof x !== 'object')
			return;
		if (x.schema !== undefined && x.examples !== undefined)
			for (const [name, e] of Object.entries(x.examples))
				yield { at: [...at, 'schema'], name,
					value: e.value };
		for (const [k, v] of Object.entries(x))
			if (k !== 'examples')
				yield* this.examples(v, [...at, k]);
	}
	/* What is wrong with an answer {status, headers, text}; []: nothing. */
	answerErrors(o, { status, headers, text }) {
		const code = o.op.responses[status] === undefined ? 'default' :
		    String(status);
		const r = this.resolve(o.op.responses[code]);
		const type = headers.get('content-type')?.split(';')[0];
		const wrong = [];
		if (r.content?.[type] === undefined)
			return [`${status}: ${type} is not told of`];
		const value = type === 'application/json' ? JSON.parse(text) :
		    text;
		wrong.push(...this.errors([...o.at, 'responses', code, 'content',
		    type, 'schema'], value) ?? []);
		for (const [name, h] of Object.entries(r.headers ?? {})) {
			const { schema } = this.resolve(h);
			let v = headers.get(name);
			if (schema.type === 'integer')
				v = v === null ? v : Number(v);
			if (!this.ajv.validate(schema, v))
				wrong.push(`${name}: ${v}`);
		}
		return wrong;
	}
}
