/*
 * An event stream by fetch, read as the HTML standard says (9.2.6), with nothing
 * between the test and the bytes.
 */
import { until } from './daemon.mjs';
import { CLIENT, started } from './remains.mjs';

export class Stream {
	constructor() {
		this.got = [];		/* { event, id, data, json } */
		this.text = '';		/* all of it */
		this.comments = 0;
		this.lastId = '';
		this.retry = undefined;
		this.ended = false;
	}
	/* Not yet looked at: it may have been refused. */
	static async open(url, { headers = {}, lastId } = {}) {
		const s = new Stream();
		if (lastId !== undefined)
			headers = { ...headers, 'Last-Event-ID': lastId };
		s.abort = new AbortController();
		s.response = await fetch(url, { headers, signal: s.abort.signal });
		s.status = s.response.status;
		started(CLIENT, () => s.close());
		s.reading = s.read();
		return s;
	}
	async read() {
		let rest = '';
		const decoder = new TextDecoder();
		try {
			for await (const bytes of this.response.body) {
				const text = decoder.decode(bytes, { stream: true });
				this.text += text;
				const lines = (rest + text).split('\n');
				rest = lines.pop();
				lines.forEach((l) => this.line(l));
			}
		} catch { /* closed, here or there */ }
		this.ended = true;
	}
	line(line) {
		if (line === '')
			return this.dispatch();
		if (line.startsWith(':')) {
			this.comments++;
			return undefined;
		}
		const [, field, value] = line.match(/^([^:]*):? ?(.*)$/s);
		if (field === 'data')
			this.data = this.data === undefined ? value :
			    `${this.data}\n${value}`;
		else if (field === 'event')
			this.event = value;
		else if (field === 'id')
			this.id = value;
		else if (field === 'retry')
			this.retry = Number(value);
		return undefined;
	}
	dispatch() {
		if (this.id !== undefined)
			this.lastId = this.id;
		if (this.data !== undefined) {
			let json;
			try {
				json = JSON.parse(this.data);
			} catch { /* it says so itself */ }
			this.got.push({ event: this.event ?? 'message',
				id: this.lastId, own: this.id !== undefined,
				data: this.data, json });
		}
		this.data = this.event = this.id = undefined;
	}
	of(event) {
		return this.got.filter((e) => e.event === event);
	}
	heard(event, n = 1, ms = 5000) {
		return until(() => this.of(event).length >= n && this.of(event),
		    `${n} × ${event}`, ms);
	}
	end(ms = 5000) {
		return until(() => this.ended, 'the end of the stream', ms);
	}
	close() {
		this.abort.abort();
	}
}
