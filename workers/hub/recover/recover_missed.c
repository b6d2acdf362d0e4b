/*
 * What a client has missed: the events of its namespace in the log and the
 * queue of a parked session, as records that can be told, sent to another
 * worker, and replayed.  Called by recover.c, recover_ask.c and
 * recover_move.c.
 */
#include "hub/recover/recover_int.h"

#include "base/digest.h"
#include "proto/sio.h"

/* --- packets -------------------------------------------------------------- */

/* A walk over packets: the events of one namespace, from some position on. */
struct missed {
	const struct recover *r;
	struct slice	 offset;	/* raw JSON string, or empty */
	uint32_t	 seen;		/* events met so far */
	uint32_t	 found;		/* the one with the offset, 0: none */
	uint32_t	 skip;		/* events not to record */
	struct buf	*to;		/* records; NULL: only looking */
	unsigned	 binary;	/* attachments of the last event to come */
	bool		 take;		/* ... which is recorded */
	bool		 lost;		/* what was sent cannot be told */
};

static void
missed_text(struct missed *m, struct slice text)
{
	const struct conf_namespace *ns = m->r->session->ns;
	struct sio_head head;

	m->binary = 0;
	if (!sio_peek(text, slice_of(ns->name, ns->name_len), &head))
		return;
	m->binary = head.nattach;
	m->seen++;
	if (sio_has_offset(text, m->offset))
		m->found = m->seen;
	/* one that asked for an answer nobody waits for any more: not again */
	m->take = m->to != NULL && m->seen > m->skip && !head.has_id;
	if (m->take)
		recover_record(m->to, 't', text);
}

/* An event that is not known is between the others. */
static void
missed_lost(struct missed *m)
{
	m->lost = true;
	if (m->to != NULL)
		m->to->oom = true;
}

static void
missed_packet(void *arg, const struct sent_packet *p)
{
	struct missed *m = arg;
	ssize_t n;

	if (p->pos < m->r->start)
		return;
	if (p->lost) {
		missed_lost(m);
		return;
	}
	if (!p->binary) {
		missed_text(m, p->data);
		return;
	}
	if (m->binary == 0)
		return;
	m->binary--;
	if (!m->take)
		return;
	if (!p->base64) {
		recover_record(m->to, 'b', p->data);
	} else if (buf_reserve(m->to, p->data.n + 8)) {
		/* decoded where the record will stand */
		n = digest_base64_decode(p->data, m->to->data + m->to->wpos +
		    5);
		if (n < 0) {
			missed_lost(m);
			return;
		}
		recover_record(m->to, 'b', slice_of(m->to->data +
		    m->to->wpos + 5, (size_t)n));
	}
}

void
recover_record(struct buf *b, char type, struct slice s)
{
	uint32_t n = (uint32_t)s.n;

	if (!buf_reserve(b, 5 + s.n))
		return;
	b->data[b->wpos] = (uint8_t)type;
	memcpy(b->data + b->wpos + 1, &n, 4);
	if (s.n != 0)
		memmove(b->data + b->wpos + 5, s.p, s.n);
	b->wpos += 5 + s.n;
}

bool
recover_next(struct slice *rest, char *type, struct slice *data)
{
	uint32_t n;

	if (rest->n < 5)
		return (false);
	memcpy(&n, rest->p + 1, 4);
	if (n > rest->n - 5)
		return (false);
	*type = (char)rest->p[0];
	*data = slice_of(rest->p + 5, n);
	*rest = slice_from(*rest, 5 + n);
	return (true);
}

bool
recover_knows(const struct recover *r, struct slice offset, uint32_t *skip)
{
	struct missed m = { .r = r, .offset = offset };
	struct pack *pack = r->session->hub->out.pack;

	if (r->log != NULL)
		sentlog_walk(r->log, r->wire, pack, missed_packet, &m);
	*skip = m.found;
	if (m.lost)
		return (false);
	if (m.found != 0)
		return (true);
	/* all before the log is known to have arrived, and the offset's event
	 * was one of those (it is one of ours); or there was none yet */
	return ((r->log == NULL || sentlog_complete(r->log)) &&
	    (offset.n == 0 ||
	    offset_is_ours(offset, &r->session->hub->origin)));
}

void
recover_drain(struct recover *r, uint32_t skip, struct buf *to)
{
	struct missed m = { .r = r, .skip = skip, .to = to };
	struct hub *h = r->session->hub;

	budget_taken(r);
	if (r->log != NULL)
		sentlog_walk(r->log, r->wire, h->out.pack, missed_packet, &m);
	sentlog_unref(&r->log);
	m.skip = 0;
	r->start = 0;
	outq_settle(&r->out);
	outq_walk(&r->out, r->wire, h->out.pack, missed_packet, &m);
	outq_sent(&h->out, &r->out, outq_bytes(&r->out));
}

static bool
missed_has_text(const struct buf *b, struct slice text)
{
	struct slice rest, data;
	char type;

	if (b == NULL)
		return (false);
	for (rest = buf_unread(b); recover_next(&rest, &type, &data);)
		if (type == 't' && slice_eq(data, text))
			return (true);
	return (false);
}

void
recover_replay(struct client *c, const struct buf *records,
    const struct buf *but)
{
	struct buf *text = &c->hub->text;
	struct slice rest = buf_unread(records), data;
	bool take = false;
	char type;

	while (recover_next(&rest, &type, &data)) {
		if (type == 't') {
			take = !missed_has_text(but, data);
			buf_reset(text);
			buf_slice(text, data);
			if (take)
				client_send(c, text);
		} else if (type == 'b' && take)
			client_send_binary(c, data);
	}
}
