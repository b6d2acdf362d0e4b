/*
 * A client with all that is its own, from the ground up; see hub/move.h.
 * Called by the host.
 */
#include "hub/move/move_int.h"

#include "base/utf8.h"
#include "hub/backend/ask.h"
#include "hub/backend/revoke.h"
#include "hub/backend/census.h"
#include "hub/backend/roll.h"
#include "hub/dialect/socketio_connecting.h"
#include "hub/move/kind.h"
#include "hub/publish/pending.h"
#include "hub/queue/send.h"
#include "hub/queue/sentlog.h"
#include "hub/recover/recover.h"
#include "hub/service/auth.h"
#include "hub/service/notices.h"
#include "hub/service/presence.h"
#include "hub/session/limit.h"
#include "hub/session/principal_save.h"
#include "hub/store/lag.h"
#include "hub/store/store.h"

#define MOVE_TAG	0x564d		/* "MV" */
#define MOVE_VERSION	1

/* NULL: nobody comes back on this kind. */
static struct comeback *
move_comeback(const struct client *c)
{
	return (c->kind->comeback == NULL ? NULL :
	    c->kind->comeback((struct client *)(uintptr_t)c));
}

/* --- giver ---------------------------------------------------------------- */

bool
client_waits(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (pending_waits(c->hub, c->serial) || store_waits(c) ||
	    connecting_count(c) != 0);
}

bool
client_may_move(const struct client *c)
{
	const struct comeback *back = move_comeback(c);
	const struct outq *q = c->out;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (!c->closing && !q->dead && !q->lossy && q->open == NULL &&
	    (back == NULL || recover_asked(back) == 0) &&
	    !client_waits(c) && !roll_any(c->hub) && !census_any(c->hub));
}

static bool
move_gather(struct principals *all, const struct client *c)
{
	const struct session *s;
	bool ok = principals_add(all, c->who);

	for (s = c->sessions; s != NULL && ok; s = s->next)
		ok = principals_add(all, s->who);
	return (ok);
}

static void
move_save_all(struct hub_move *m, const struct client *c,
    const struct principals *all, struct buf *b)
{
	size_t at = state_open(b, MOVE_TAG, MOVE_VERSION);
	const struct session *s;

	book_open(m->book, b);
	state_put_u8(b, c->kind->number);
	principals_save(all, b);
	client_put(c, all, b);
	if (c->kind->save != NULL)
		c->kind->save(c, m->book, b);
	outq_save(&m->hub->out, c->out, m->book, b);
	state_put_u32(b, c->nsessions);
	for (s = c->sessions; s != NULL; s = s->next) {
		session_save(s, all, b);
		recover_save(s, b);
	}
	ask_save(c, b);
	lag_save(c, b);
	state_close(b, at);
}

bool
client_save(struct hub_move *m, struct client *c, struct buf *b)
{
	struct principals all;
	bool ok;

	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	CHECK_MAGIC(c, CLIENT_MAGIC);
	outq_late_flush(&m->hub->out, c->out);
	m->hub->heir = m->peer;
	recover_say(m->hub);
	principals_init(&all);
	ok = move_gather(&all, c);
	if (ok)
		move_save_all(m, c, &all, b);
	principals_fini(&all);
	return (ok && !b->oom);
}

/* --- it goes, and nobody hears of it -------------------------------------- */

static void
move_let_go_session(struct client *c, struct session *s)
{
	presence_session_give(s);
	notices_session_end(s);
	client_unlink(c, s);
	limit_session_left(s);
	session_give(&s);
}

/* The kind has its own. */
static void
move_let_go(struct client **cp)
{
	struct client *c = *cp;
	struct out *o = &c->hub->out;
	struct outq *q = c->out;

	lag_drop(c);
	while (c->sessions != NULL)
		move_let_go_session(c, c->sessions);
	if (c->kind->gone != NULL)
		c->kind->gone(c);
	client_drop(cp);
	outq_kill(o, q);
}

void
client_moved(struct client **cp)
{
	CHECK_MAGIC(*cp, CLIENT_MAGIC);
	MUST((*cp)->hub->heir != 0);
	ask_give(*cp, (*cp)->hub->heir);
	recover_given(*cp);
	move_let_go(cp);
}

void
client_unload(struct client **cp)
{
	CHECK_MAGIC(*cp, CLIENT_MAGIC);
	ask_unload(*cp);
	move_let_go(cp);
}

/* --- heir ----------------------------------------------------------------- */

static bool
move_has_namespace(const struct client *c, const struct conf_namespace *ns)
{
	const struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (s->ns == ns)
			return (true);
	return (false);
}

/* false: bad.  *why: the client's only one may not be here. */
static bool
move_load_without(struct client *c, struct slice name, struct state_in *in,
    enum reason *why)
{
	if (name.n > ROOM_NAME_MAX || !utf8_name(name) ||
	    !recover_load(NULL, false, in))
		return (false);
	if (c->kind->no_namespace != NULL)
		c->kind->no_namespace(c, name);
	else
		*why = REASON_rights_lost;
	return (true);
}

static bool
move_load_session(struct client *c, const struct principals *all,
    struct state_in *in, enum reason *why)
{
	const struct comeback *back = move_comeback(c);
	struct slice gone;
	struct session *s;

	s = session_load(c->hub, c->out, (enum wire)c->wire, all, in, &gone);
	if (s == NULL)
		return (gone.n != 0 && move_load_without(c, gone, in, why));
	if (move_has_namespace(c, s->ns) || !recover_load(s, back != NULL &&
	    back->log != NULL, in)) {
		session_give(&s);
		return (false);
	}
	session_take(s, c);
	presence_session_take(s);
	notices_session_take(s);
	limit_take(s, c);
	client_link(c, s);
	return (true);
}

static bool
move_load_sessions(struct client *c, const struct principals *all,
    struct state_in *in, enum reason *why)
{
	uint32_t n = state_get_u32(in), i;

	if (in->bad || (c->kind->no_namespace == NULL && n != 1) ||
	    n > UINT16_MAX)
		return (false);
	for (i = 0; i < n; i++)
		if (!move_load_session(c, all, in, why))
			return (false);
	return (true);
}

/* Its log is the queue's, and is kept where clients can come back. */
static bool
move_load_queue(struct client *c, struct book *k, struct state_in *in)
{
	struct comeback *back = move_comeback(c);
	struct sentlog *log = back == NULL ? NULL : back->log;
	enum wire w = (enum wire)c->wire;
	uint32_t partial;

	if (!outq_load(&c->hub->out, c->out, k, in, &partial))
		return (false);
	if (log == NULL)
		return (partial == 0 && (!wire_is_polling(w) ||
		    outq_is_whole(c->out, w, 0, 0)));
	if (partial != log->partial ||
	    !outq_is_whole(c->out, w, partial, log->ignore))
		return (false);
	if (c->hub->recovers)
		c->out->log = log;
	else
		sentlog_unref(&back->log);
	return (true);
}

static bool
move_load_parts(struct hub_move *m, struct client *c,
    const struct principals *all, struct state_in *in, enum reason *why)
{
	m->part = "queue";
	if (!move_load_queue(c, m->book, in))
		return (false);
	m->part = "sessions";
	if (!move_load_sessions(c, all, in, why))
		return (false);
	m->part = "questions";
	if (!ask_load(c, m->peer, in))
		return (false);
	m->part = "cursors";
	if (!lag_load(c, in))
		return (false);
	m->part = "end";
	return (state_end(in));
}

static struct client *
move_load_client(struct hub_move *m, struct outq *out,
    const struct principals *all, const struct client_kind *kind,
    struct state_in *in, enum reason *why)
{
	struct client *c;
	bool gone;

	c = client_make(m->hub, kind, out, all, in, &gone);
	if (c == NULL)
		return (NULL);
	if (!kind->load(c, m->book, in)) {
		client_drop(&c);
		return (NULL);
	}
	if (gone)
		*why = REASON_rights_lost;
	/* what is missing in a room would be given to it, too, which has it */
	if (!move_load_parts(m, c, all, in, why)) {
		client_unload(&c);
	} else if (store_heals_any(c)) {
		m->part = "rooms";
		client_unload(&c);
	}
	return (c);
}

/* The configuration may be another one. */
static void
move_recheck(struct client *c, enum reason *why)
{
	if (*why == REASON__MAX && !auth_recheck(c))
		*why = REASON_rights_lost;
	if (*why == REASON__MAX && !revoke_recheck(c))
		*why = REASON_revoked;
	client_schedule(c);
}

struct client *
client_load(struct hub_move *m, struct state_in *in, struct outq *out,
    enum reason *why)
{
	const struct client_kind *kind;
	struct client *c = NULL;
	struct principals all;
	struct state_in body;
	uint16_t version;

	CHECK_MAGIC(m, HUB_MOVE_MAGIC);
	*why = REASON__MAX;
	m->part = "client";
	principals_init(&all);
	if (state_section(in, MOVE_TAG, &version, &body) &&
	    version == MOVE_VERSION && book_open_in(m->book, &body)) {
		kind = kind_numbered(state_get_u8(&body));
		if (kind != NULL && principals_load(&all, &body))
			c = move_load_client(m, out, &all, kind, &body, why);
	}
	principals_fini(&all);
	if (c != NULL) {
		m->part = MOVE_HOSTS;
		move_recheck(c, why);
	} else {
		outq_kill(&m->hub->out, out);
	}
	return (c);
}
