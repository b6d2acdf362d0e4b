/*
 * The parked sessions of one client, a family, from one worker to another:
 * they share the log of what it may have missed.  Called by move/.
 *
 * A session that is being given to its client, somewhere else, is in no family
 * any more; one that is not whole yet is in none.
 */
#include "hub/recover/recover_int.h"

#include <stdlib.h>

#include "hub/queue/book.h"
#include "hub/session/principal_save.h"
#include "hub/session/tokens.h"
#include "hub/store/store.h"

#define FAMILY_TAG	0x4d46		/* "FM" */
#define FAMILY_VERSION	1

size_t
recover_parked(const struct hub *h)
{
	const struct recover *r;
	size_t n = 0;

	TAILQ_FOREACH(r, &h->recover->parked, link)
		n += r->made == NULL;
	return (n);
}

bool
recover_has_parked(const struct hub *h)
{
	const struct recover *r;

	TAILQ_FOREACH(r, &h->recover->parked, link)
		if (r->made == NULL)
			return (true);
	return (false);
}

/* --- families ------------------------------------------------------------- */

/* Parked one by one, they stand together. */
static bool
recover_are_family(const struct recover *r, const struct recover *s)
{
	return (r != NULL && s != NULL && s->made == NULL &&
	    r->charge->family == s->charge->family);
}

static struct recover *
recover_family_end(struct recover *r)
{
	struct recover *s = r;

	while (recover_are_family(r, s))
		s = TAILQ_NEXT(s, link);
	return (s);
}

/* What is missing in a room comes to them here alone. */
static bool
recover_family_heals(struct recover *r)
{
	struct recover *s;

	for (s = r; recover_are_family(r, s); s = TAILQ_NEXT(s, link))
		if (store_heals(s->session))
			return (true);
	return (false);
}

static struct recover *
recover_family_from(struct recover *r)
{
	while (r != NULL)
		if (r->made != NULL || r->frozen)
			r = TAILQ_NEXT(r, link);
		else if (recover_family_heals(r))
			r = recover_family_end(r);
		else
			break;
	return (r);
}

struct recover *
recover_family_first(struct hub *h)
{
	return (recover_family_from(TAILQ_FIRST(&h->recover->parked)));
}

struct recover *
recover_family_next(struct recover *r)
{
	return (recover_family_from(recover_family_end(r)));
}

/* Nobody finds them, and they are held together, though some may end. */
void
recover_family_freeze(struct recover *r)
{
	struct recover *next;

	for (; r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (!recover_are_family(r, next))
			next = NULL;
		r->frozen = true;
		r->kin = next;
	}
}

void
recover_family_thaw(struct recover *r)
{
	for (; r != NULL; r = r->kin)
		r->frozen = false;
}

/* One that has ended meanwhile has no session: it is buried. */
void
recover_family_give(struct recover **rp)
{
	struct recover *r = *rp, *next;
	struct session *s;

	*rp = NULL;
	for (; r != NULL; r = next) {
		next = r->kin;
		r->frozen = false;
		s = r->session;
		if (s != NULL)
			session_give(&s);
	}
}

/* --- save ----------------------------------------------------------------- */

static void
recover_save_member(const struct recover *r, const struct principals *all,
    struct book *k, struct buf *b)
{
	session_save(r->session, all, b);
	recover_save(r->session, b);
	outq_save(&r->session->hub->out, &r->out, k, b);
}

static void
recover_save_members(struct recover *r, const struct principals *all,
    struct book *k, struct buf *b)
{
	struct recover *s;
	uint32_t n = 0;

	for (s = r; recover_are_family(r, s); s = TAILQ_NEXT(s, link))
		n++;
	state_put_u32(b, n);
	for (s = r; recover_are_family(r, s); s = TAILQ_NEXT(s, link))
		recover_save_member(s, all, k, b);
}

static bool
recover_gather(struct principals *all, struct recover *r)
{
	struct recover *s;
	bool ok = true;

	for (s = r; ok && recover_are_family(r, s); s = TAILQ_NEXT(s, link))
		ok = principals_add(all, s->session->who);
	return (ok);
}

bool
recover_family_save(struct recover *r, struct book *k, struct buf *b)
{
	struct principals all;
	bool ok;
	size_t at;

	principals_init(&all);
	ok = recover_gather(&all, r);
	if (ok) {
		at = state_open(b, FAMILY_TAG, FAMILY_VERSION);
		book_open(k, b);
		principals_save(&all, b);
		state_put_u8(b, (uint8_t)r->wire);
		state_put_u64(b, r->until_us);
		state_put_bool(b, r->log != NULL);
		if (r->log != NULL)
			sentlog_save(r->log, r->session->hub->out.scratch, k,
			    b);
		recover_save_members(r, &all, k, b);
		state_close(b, at);
	}
	principals_fini(&all);
	return (ok && !b->oom);
}

/* --- load ----------------------------------------------------------------- */

struct recover_family {		/* while it is loaded */
	struct hub	*hub;
	struct book	*book;
	struct principals all;
	enum wire	 wire;
	uint64_t	 until_us;
	struct sentlog	*log;
	uint32_t	 number;	/* charge.family */
	struct recover	*first;
};

/* Parked, with what has waited for it. */
static bool
recover_load_waiting(struct recover_family *f, struct recover *r,
    struct state_in *in)
{
	uint32_t partial;

	if (r->until_us > f->until_us)
		r->until_us = f->until_us;
	return (outq_load(&f->hub->out, &r->out, f->book, in, &partial) &&
	    partial == 0 && outq_is_whole(&r->out, f->wire, 0, 0));
}

static bool
recover_load_member(struct recover_family *f, struct state_in *in)
{
	static struct outq nowhere = { .dead = true };
	struct slice gone;
	struct session *s;

	s = session_load(f->hub, &nowhere, f->wire, &f->all, in, &gone);
	if (s == NULL && gone.n == 0)
		return (false);
	if (!recover_load(s, true, in)) {
		if (s != NULL)
			session_give(&s);
		return (false);
	}
	/* nobody will ask for it, or may have it */
	if (s == NULL || s->recover == NULL || tokens_revoked(f->hub, s->who)) {
		if (s != NULL)
			session_give(&s);
		return (outq_skip(f->book, in));
	}
	/* which frees it when it fails */
	if (!recover_park_one(s->recover, f->log, f->number))
		return (false);
	if (f->first == NULL)
		f->first = s->recover;
	return (recover_load_waiting(f, s->recover, in));
}

static bool
recover_load_log(struct recover_family *f, struct state_in *in)
{
	const struct conf *conf = f->hub->conf;

	if (!state_get_bool(in))
		return (!in->bad);
	f->log = sentlog_load(conf->recovery_packets, conf->recovery_bytes,
	    f->wire, f->book, in);
	return (f->log != NULL && f->log->partial == 0);
}

static bool
recover_load_family(struct recover_family *f, struct state_in *in)
{
	uint32_t n;

	if (!principals_load(&f->all, in))
		return (false);
	f->wire = (enum wire)state_get_u8(in);
	f->until_us = state_get_u64(in);
	if (in->bad || !wire_is_socketio(f->wire) || !recover_load_log(f, in))
		return (false);
	n = state_get_u32(in);
	if (in->bad || n == 0 || n > UINT16_MAX)
		return (false);
	for (; n > 0; n--)
		if (!recover_load_member(f, in))
			return (false);
	return (state_end(in));
}

struct recover *
recover_family_load(struct hub *h, struct book *k, struct state_in *in,
    bool *none)
{
	struct recover_family f = { .hub = h, .book = k,
		.number = (uint32_t)++h->nclients };
	struct state_in body;
	struct recover *r;
	uint16_t version;
	bool ok;

	principals_init(&f.all);
	ok = state_section(in, FAMILY_TAG, &version, &body) &&
	    version == FAMILY_VERSION && book_open_in(k, &body) &&
	    recover_load_family(&f, &body);
	recover_family_freeze(f.first);
	/* nor is it given to them, who have it */
	for (r = f.first; ok && r != NULL; r = r->kin)
		ok = !store_heals(r->session);
	if (!ok)
		recover_family_give(&f.first);
	principals_fini(&f.all);
	sentlog_unref(&f.log);
	*none = ok && f.first == NULL;
	return (f.first);
}
