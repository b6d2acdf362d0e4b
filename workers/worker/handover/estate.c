/*
 * What can be given; see estate.h.
 */
#include "worker/handover/estate.h"

#include <inttypes.h>
#include <unistd.h>

#include "hub/move.h"
#include "sys/log.h"
#include "worker/engineio/polling.h"
#include "worker/engineio/polling_save.h"
#include "worker/handover/give.h"
#include "worker/handover/take.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"
#include "worker/sockjs/sockjs.h"
#include "worker/sockjs/sockjs_save.h"
#include "worker/worker.h"

#define ESTATE_LOOKS	4096u	/* at connections, in a turn */

enum estate_kind { ESTATE_CONN = 1, ESTATE_POLLER = 2, ESTATE_PARKED = 3,
	ESTATE_SOCKJS = 4 };

bool
estate_init(struct estate *e, struct worker *w, bool giving, unsigned peer)
{
	*e = (struct estate){ .w = w };
	e->move = hub_move_new(w->hub, giving, (uint16_t)peer);
	return (e->move != NULL);
}

void
estate_fini(struct estate *e)
{
	hub_move_free(&e->move);
}

size_t
estate_waiting(const struct estate *e)
{
	return (e->all ? polling_waiting(e->w->polling) +
	    sockjs_waiting(e->w->sockjs) + hub_parked(e->w->hub) : 0);
}

bool
estate_has_waiting(const struct estate *e)
{
	return (e->all && (polling_waiting(e->w->polling) > 0 ||
	    sockjs_waiting(e->w->sockjs) > 0 || hub_has_parked(e->w->hub)));
}

size_t
estate_left(const struct estate *e)
{
	return (e->w->nconns + estate_waiting(e));
}

/* --- giver: which --------------------------------------------------------- */

/* The newest first: it has the least behind it.  Who was looked at and cannot
 * go now is the last to be looked at again, as in leave.c. */
static struct conn *
estate_find_conn(struct estate *e)
{
	struct worker *w = e->w;
	struct conn *c;
	unsigned i;

	for (i = 0; i < ESTATE_LOOKS && e->looked < w->nconns; i++) {
		c = TAILQ_FIRST(&w->conns);
		if (!c->frozen && conn_is_alone(c) && conn_may_move(c)) {
			e->looked = 0;
			return (c);
		}
		e->soon |= c->tls == NULL && c->client != NULL &&
		    client_waits(c->client);
		TAILQ_REMOVE(&w->conns, c, link);
		TAILQ_INSERT_TAIL(&w->conns, c, link);
		e->looked++;
	}
	return (NULL);
}

/* The first one from here on, with so many connections at most, that can go, or
 * that could if it were not for a response that may come early. */
static struct poller *
estate_find_poller(struct estate *e, struct poller *p, unsigned nfds)
{
	for (; p != NULL; p = polling_next(p)) {
		if (poller_nconns(p) <= nfds &&
		    (poller_may_move(p) || poller_may_release(p)))
			return (p);
		e->soon |= poller_waits(p);
	}
	return (NULL);
}

static struct sockjs *
estate_find_sockjs(struct estate *e, struct sockjs *s, unsigned nfds)
{
	for (; s != NULL; s = sockjs_save_next(s)) {
		if (sockjs_nconns(s) <= nfds &&
		    (sockjs_may_move(s) || sockjs_may_release(s)))
			return (s);
		e->soon |= sockjs_waits(s);
	}
	return (NULL);
}

static enum give_any
estate_any(void *arg)
{
	struct estate *e = arg;

	if (e->looked >= e->w->nconns)
		e->looked = 0;		/* all of them: by the last batch */
	if (e->looked == 0)
		e->soon = false;
	if (estate_find_conn(e) != NULL)
		return (GIVE_SOME);
	if (e->looked < e->w->nconns)
		return (GIVE_LOOKING);
	e->looked = 0;
	if (e->all && (parked_first(e->w->hub) != NULL || estate_find_poller(e,
	    polling_first(e->w->polling), POLLER_CONNS_MAX) != NULL ||
	    estate_find_sockjs(e, sockjs_save_first(e->w->sockjs),
	    SOCKJS_CONNS_MAX) != NULL))
		return (GIVE_SOME);
	/* some are not whole yet */
	e->soon |= e->all && hub_has_parked(e->w->hub);
	return (e->soon ? GIVE_SOON : GIVE_NONE);
}

static void
estate_begin(void *arg)
{
	struct estate *e = arg;

	e->looked = 0;
	e->poller = NULL;
	e->sockjs = NULL;
	e->parked = NULL;
}

static bool
estate_next_conn(struct estate *e, unsigned nfds, struct give_item *item)
{
	item->what = nfds < 1 ? NULL : estate_find_conn(e);
	item->kind = ESTATE_CONN;
	item->nfds = 1;
	return (item->what != NULL);
}

static bool
estate_next_poller(struct estate *e, unsigned nfds, struct give_item *item)
{
	struct poller *p = e->poller == NULL ? polling_first(e->w->polling) :
	    polling_next(e->poller);

	/* not before it goes: its client asks again */
	while ((p = estate_find_poller(e, p, nfds)) != NULL &&
	    !poller_may_move(p) && !poller_release(p))
		p = polling_next(p);
	if (p == NULL)
		return (false);
	e->poller = p;
	item->what = p;
	item->kind = ESTATE_POLLER;
	item->nfds = (uint8_t)poller_nconns(p);
	return (true);
}

static bool
estate_next_sockjs(struct estate *e, unsigned nfds, struct give_item *item)
{
	struct sockjs *s = e->sockjs == NULL ?
	    sockjs_save_first(e->w->sockjs) : sockjs_save_next(e->sockjs);

	while ((s = estate_find_sockjs(e, s, nfds)) != NULL &&
	    !sockjs_may_move(s) && !sockjs_release(s))
		s = sockjs_save_next(s);
	if (s == NULL)
		return (false);
	e->sockjs = s;
	item->what = s;
	item->kind = ESTATE_SOCKJS;
	item->nfds = (uint8_t)sockjs_nconns(s);
	return (true);
}

static bool
estate_next_parked(struct estate *e, struct give_item *item)
{
	struct recover *r = e->parked == NULL ? parked_first(e->w->hub) :
	    parked_next(e->parked);

	if (r == NULL)
		return (false);
	e->parked = r;
	item->what = r;
	item->kind = ESTATE_PARKED;
	item->nfds = 0;
	return (true);
}

static bool
estate_next(void *arg, unsigned nfds, struct give_item *item)
{
	struct estate *e = arg;

	return (estate_next_conn(e, nfds, item) ||
	    (e->all && (estate_next_poller(e, nfds, item) ||
	    estate_next_sockjs(e, nfds, item) ||
	    estate_next_parked(e, item))));
}

/* --- giver: how ----------------------------------------------------------- */

static bool
estate_save_conn(struct estate *e, struct conn *c, struct buf *b, int *fds)
{
	conn_freeze(c);
	if (conn_save(c, e->move, b)) {
		fds[0] = c->io.fd;
		return (true);
	}
	conn_thaw(c);
	return (false);
}

static bool
estate_save(void *arg, const struct give_item *item, struct buf *b, int *fds)
{
	struct estate *e = arg;

	switch ((enum estate_kind)item->kind) {
	case ESTATE_CONN:
		return (estate_save_conn(e, item->what, b, fds));
	case ESTATE_POLLER:
		if (!poller_save(item->what, e->move, b, fds))
			return (false);
		poller_freeze(item->what);
		return (true);
	case ESTATE_SOCKJS:
		if (!sockjs_save(item->what, e->move, b, fds))
			return (false);
		sockjs_freeze(item->what);
		return (true);
	case ESTATE_PARKED:
		return (parked_save(e->move, item->what, b));
	}
	return (false);
}

static void
estate_thaw(void *arg, const struct give_item *item)
{
	(void)arg;
	switch ((enum estate_kind)item->kind) {
	case ESTATE_CONN:
		conn_thaw(item->what);
		break;
	case ESTATE_POLLER:
		poller_thaw(item->what);
		break;
	case ESTATE_SOCKJS:
		sockjs_thaw(item->what);
		break;
	case ESTATE_PARKED:
		parked_thaw(item->what);
		break;
	}
}

/* What is not on the other side afterwards is counted there as an end. */
static void
estate_moved(void *arg, const struct give_item *item)
{
	struct recover *r = item->what;
	struct conn *c = item->what;

	(void)arg;
	counter_add(COUNTER_connections_moved_out, item->nfds);
	switch ((enum estate_kind)item->kind) {
	case ESTATE_CONN:
		counter_add(COUNTER_clients_moved_out, c->client != NULL);
		conn_moved(c);
		break;
	case ESTATE_POLLER:
		counter_add(COUNTER_clients_moved_out, 1);
		poller_moved(item->what);
		break;
	case ESTATE_SOCKJS:
		counter_add(COUNTER_clients_moved_out, 1);
		sockjs_moved(item->what);
		break;
	case ESTATE_PARKED:
		parked_moved(&r);
		break;
	}
}

static void
estate_failed(void *arg)
{
	struct estate *e = arg;

	hub_move_failed(e->move);
}

static const char *
estate_word(unsigned kind)
{
	switch ((enum estate_kind)kind) {
	case ESTATE_CONN:
		return ("connection");
	case ESTATE_POLLER:
		return ("polling");
	case ESTATE_SOCKJS:
		return ("sockjs");
	case ESTATE_PARKED:
		return ("recovery");
	}
	return ("unknown");
}

static void
estate_refused(void *arg, const struct give_item *item)
{
	static struct log_rate rate;
	char name[CONN_NAME_MAX] = "-";
	struct estate *e = arg;
	uint64_t held;

	if (!log_rate(&rate, e->w->now, &held))
		return;
	if (item->kind == ESTATE_CONN)
		(void)conn_name(item->what, name);
	log_warnx("handover_not_taken kind=%s client=%s held=%" PRIu64,
	    estate_word(item->kind), name, held);
}

static void
estate_settle(void *arg)
{
	struct estate *e = arg;

	e->settle(e->arg);
}

static size_t
estate_give_left(void *arg)
{
	return (estate_left(arg));
}

struct give_calls
estate_gives(struct estate *e)
{
	return ((struct give_calls){ .arg = e, .any = estate_any,
		.begin = estate_begin, .next = estate_next,
		.save = estate_save, .thaw = estate_thaw,
		.moved = estate_moved, .failed = estate_failed,
		.refused = estate_refused,
		.settle = estate_settle, .left = estate_give_left });
}

/* --- heir ----------------------------------------------------------------- */

static void
estate_close(const int *fds, unsigned n)
{
	while (n > 0)
		(void)close(fds[--n]);
}

static struct conn *
estate_load_conn(struct estate *e, struct state_in *in, int fd)
{
	struct conn *c = conn_load(e->w, e->move, in, fd);

	if (c == NULL || (state_end(in) && !conn_needs_session(c)))
		return (c);
	conn_unload(c);
	return (NULL);
}

static struct poller *
estate_load_poller(struct estate *e, struct state_in *in, const int *fds,
    unsigned n)
{
	struct poller *p = poller_load(e->w->polling, e->move, in, fds, n);

	if (p == NULL || state_end(in))
		return (p);
	poller_unload(p);
	return (NULL);
}

static struct sockjs *
estate_load_sockjs(struct estate *e, struct state_in *in, const int *fds,
    unsigned n)
{
	struct sockjs *s = sockjs_load(e->w->sockjs, e->move, in, fds, n);

	if (s == NULL || state_end(in))
		return (s);
	sockjs_unload(s);
	return (NULL);
}

/* Those of which none may wait here are taken, too: they are at their end. */
static void *
estate_load_parked(struct estate *e, struct state_in *in)
{
	bool none = false;
	struct recover *r = parked_load(e->move, in, &none);

	if (r == NULL)
		return (none ? e : NULL);
	if (state_end(in))
		return (r);
	parked_unload(&r);
	return (NULL);
}

static void *
estate_load_kind(struct estate *e, unsigned kind, struct state_in *in,
    const int *fds, unsigned n)
{
	if (kind == ESTATE_CONN && n == 1)
		return (estate_load_conn(e, in, fds[0]));
	if (kind == ESTATE_POLLER && n <= POLLER_CONNS_MAX)
		return (estate_load_poller(e, in, fds, n));
	if (kind == ESTATE_SOCKJS && n <= SOCKJS_CONNS_MAX)
		return (estate_load_sockjs(e, in, fds, n));
	if (kind == ESTATE_PARKED && n == 0)
		return (estate_load_parked(e, in));
	estate_close(fds, n);
	return (NULL);
}

static void *
estate_load(void *arg, unsigned kind, struct state_in *in, const int *fds,
    unsigned n)
{
	static struct log_rate rate;
	struct estate *e = arg;
	void *what = estate_load_kind(e, kind, in, fds, n);
	uint64_t held;

	if (what == NULL && log_rate(&rate, e->w->now, &held))
		log_warnx("handover_not_loaded kind=%s part=%s held=%" PRIu64,
		    estate_word(kind), kind == ESTATE_PARKED ? "session" :
		    hub_move_part(e->move), held);
	return (what);
}

/* They are counted as ended with a giver that has died, so they are new. */
static void
estate_count(unsigned nconns, unsigned nclients, bool inherited)
{
	counter_add(inherited ? COUNTER_connections_accepted :
	    COUNTER_connections_moved_in, nconns);
	counter_add(inherited ? COUNTER_clients_opened :
	    COUNTER_clients_moved_in, nclients);
}

static void
estate_activate(void *arg, const struct take_item *item, bool inherited)
{
	struct conn *c = item->what;

	switch ((enum estate_kind)item->kind) {
	case ESTATE_CONN:
		estate_count(item->nfds, c->client != NULL, inherited);
		conn_activate(c);
		break;
	case ESTATE_POLLER:
		estate_count(item->nfds, 1, inherited);
		poller_activate(item->what);
		break;
	case ESTATE_SOCKJS:
		estate_count(item->nfds, 1, inherited);
		sockjs_activate(item->what);
		break;
	case ESTATE_PARKED:
		if (item->what != arg)
			parked_activate(item->what);
		break;
	}
}

static void
estate_unload(void *arg, const struct take_item *item)
{
	struct recover *r = item->what;

	switch ((enum estate_kind)item->kind) {
	case ESTATE_CONN:
		conn_unload(item->what);
		break;
	case ESTATE_POLLER:
		poller_unload(item->what);
		break;
	case ESTATE_SOCKJS:
		sockjs_unload(item->what);
		break;
	case ESTATE_PARKED:
		if (item->what != arg)
			parked_unload(&r);
		break;
	}
}

static bool
estate_ready(void *arg)
{
	struct estate *e = arg;

	return (e->ready(e->arg));
}

struct take_calls
estate_takes(struct estate *e)
{
	return ((struct take_calls){ .arg = e, .load = estate_load,
		.activate = estate_activate, .unload = estate_unload,
		.ready = estate_ready });
}
