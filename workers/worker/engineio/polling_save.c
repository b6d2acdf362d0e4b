/*
 * A session over polling as bytes, and from them; see polling_save.h.
 */
#include "worker/engineio/polling_save.h"

#include <stdlib.h>
#include <unistd.h>

#include "conf/find.h"
#include "hub/client.h"
#include "hub/move.h"
#include "shm/count.h"
#include "shm/counters.h"
#include "worker/engineio/polling_int.h"
#include "worker/http/reply.h"
#include "worker/net/age.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"
#include "worker/net/conn_all.h"
#include "worker/net/names.h"
#include "worker/net/text_save.h"
#include "worker/worker.h"

#define POLLER_TAG	0x506f
#define POLLER_VERSION	3
#define POLLER_UNNAMED	2	/* ... and before that, without names */
#define POLLER_RELEASES	16u	/* ... in a time of: */
#define POLLER_RELEASE_US 100000u

/* Saved: all but places in lists, pointers of this process, `unwanted`,
 * `released` and `frozen`. */
static_assert(sizeof(struct poller) == 520 &&
    offsetof(struct poller, repeat) - offsetof(struct poller, is_busy) == 7 &&
    offsetof(struct poller, frozen) == 514, "a new field: save it");

/* Its connections, by number: what is written before each. */
enum { POLLER_GET, POLLER_POST, POLLER_TOLD, POLLER_OKED, POLLER_WS };

/* As at[] says from now on. */
static struct conn_all
polling_conns(const struct poller *as, struct conn **at[POLLER_CONNS_MAX])
{
	struct poller *p = (struct poller *)(uintptr_t)as;

	at[POLLER_GET] = &p->get;
	at[POLLER_POST] = &p->post;
	at[POLLER_TOLD] = &p->told;
	at[POLLER_OKED] = &p->oked;
	at[POLLER_WS] = &p->ws;
	return ((struct conn_all){ at, POLLER_CONNS_MAX });
}

struct poller *
polling_first(const struct polling *all)
{
	CHECK_MAGIC(all, POLLING_MAGIC);
	return (TAILQ_FIRST(&all->list));
}

struct poller *
polling_next(const struct poller *p)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	return (TAILQ_NEXT(p, link));
}

/* --- giver --------------------------------------------------------------- */

/* ... or, but for this connection, it might. */
static bool
polling_may_move(const struct poller *p, const struct conn *except)
{
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	return (!p->frozen && !p->parting && !p->over && !p->outq.lossy &&
	    (p->client == NULL || client_may_move(p->client)) &&
	    conn_all_may_move(polling_conns(p, at), except));
}

bool
poller_may_move(const struct poller *p)
{
	return (polling_may_move(p, NULL));
}

bool
poller_waits(const struct poller *p)
{
	poller_check(p);
	return (p->client != NULL && client_waits(p->client));
}

/* So few at once that their handshakes are no storm; each once only, it may
 * be that nobody takes it. */
bool
poller_may_release(const struct poller *p)
{
	const struct polling *all = p->all;

	if (p->released || p->state != POLLER_POLLING || p->get == NULL ||
	    !p->get->secure || !polling_may_move(p, p->get))
		return (false);
	return (all->releases < POLLER_RELEASES || all->w->now.us -
	    all->releases_from.us >= POLLER_RELEASE_US);
}

bool
poller_release(struct poller *p)
{
	struct polling *all = p->all;
	struct mono now = all->w->now;

	if (!poller_may_release(p))
		return (false);
	if (now.us - all->releases_from.us >= POLLER_RELEASE_US) {
		all->releases_from = now;
		all->releases = 0;
	}
	p->released = true;
	all->releases++;
	poller_noop(p);
	if (p->parting)
		return (false);
	reply_held_last(p->get);
	poller_answer(p);
	return (!poller_writes(&p->told) && poller_may_move(p));
}

unsigned
poller_nconns(const struct poller *p)
{
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	return (conn_all_count(polling_conns(p, at)));
}

static void
polling_put_rest(struct buf *b, const struct poller *p)
{
	state_put_bool(b, p->rest_bytes != NULL);
	if (p->rest_bytes == NULL)
		return;
	state_put_slice(b, p->rest.rest);
	state_put_bool(b, p->rest.done);
	state_put_bool(b, p->is_busy);
}

/* What is its own. */
static void
polling_put(struct buf *b, const struct poller *p)
{
	state_put_u32(b, p->state);
	state_put_u32(b, p->reason);
	state_put_bool(b, p->probed);
	state_put_bool(b, p->owing);
	state_put_bytes(b, p->sid, EIO_SID_LEN);
	text_save(b, p->route == NULL ? NULL : p->route->path.text);
	state_put_u64(b, p->deadline.us);
	state_put_u64(b, p->noop_at.us);
	state_put_u64(b, p->address_key);
	story_save(&p->story, b);
	text_save(b, p->lines);
	state_put_u32(b, p->wish.coding);
	state_put_bool(b, p->wish.must);
	text_save(b, p->post_lines);
	polling_put_rest(b, p);
}

bool
poller_save(struct poller *p, struct hub_move *hm, struct buf *b, int fds[])
{
	size_t begin = state_open(b, POLLER_TAG, POLLER_VERSION);
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	polling_put(b, p);
	repeat_save(hm, &p->repeat, b);
	if (p->state == POLLER_POLLING ? !client_save(hm, p->client, b) :
	    !hub_move_queue_save(hm, &p->outq, b))
		return (false);
	if (!conn_all_save(polling_conns(p, at), hm, b, fds))
		return (false);
	names_save(p->all->w->names, p->story.number, b);
	state_close(b, begin);
	return (!b->oom);
}

void
poller_freeze(struct poller *p)
{
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	MUST(!p->frozen && !p->parting);
	p->frozen = true;
	timer_stop(p->all->w->wheel, &p->timer);
	conn_all_each(polling_conns(p, at), conn_freeze);
}

/* What was to be done meanwhile, and waited. */
static void
polling_wake(struct poller *p)
{
	struct out *o = p->all->w->out;

	p->frozen = false;
	if (p->is_busy && !p->queued) {
		p->is_busy = false;
		poller_resume(p);
	}
	if (p->parting)
		poller_list(p);
	else if (p->outq.lossy ||
	    (p->outq.n > 0 && !outq_touch(o, &p->outq)))
		polling_close(p, REASON_memory);
	polling_rearm(p);
}

void
poller_thaw(struct poller *p)
{
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	MUST(p->frozen);
	conn_all_each(polling_conns(p, at), conn_thaw);
	polling_wake(p);
}

static void
polling_conn_back(struct conn *c)
{
	c->poller = NULL;
}

/* Nothing is said or counted as an end. */
static void
polling_forget(struct poller *p, void (*conn_f)(struct conn *),
    void (*client_f)(struct client **))
{
	struct conn **at[POLLER_CONNS_MAX];

	conn_all_forget(polling_conns(p, at), polling_conn_back, conn_f);
	if (p->client != NULL)
		client_f(&p->client);
	if (p->listed) {
		if (p->state == POLLER_UPGRADED)
			p->all->nupgraded--;
		poller_remove(p);
	}
	poller_bury(p);
}

void
poller_moved(struct poller *p)
{
	poller_check(p);
	polling_forget(p, conn_moved, client_moved);
}

/* --- heir ---------------------------------------------------------------- */

static bool
polling_get_rest(struct state_in *in, struct poller *p)
{
	struct slice s;

	if (!state_get_bool(in))
		return (!in->bad);
	s = state_get_slice(in);
	p->rest.done = state_get_bool(in);
	p->is_busy = state_get_bool(in);
	if (in->bad)
		return (false);
	p->rest_bytes = malloc(s.n + 1);
	if (p->rest_bytes == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	if (s.n > 0)
		memcpy(p->rest_bytes, s.p, s.n);
	p->rest.rest = slice_of(p->rest_bytes, s.n);
	return (true);
}

/* The same path of this configuration; it may be gone. */
static bool
polling_get_route(struct state_in *in, struct poller *p)
{
	const struct conf *conf = p->all->w->conf;
	char *path;
	size_t i;

	if (!text_load(in, &path))
		return (false);
	if (path == NULL)
		return (true);
	for (i = 0; i < conf->nroutes; i++)
		if (conf->routes[i].format == CONF_FORMAT_ENGINE &&
		    strcmp(conf->routes[i].path.text, path) == 0)
			p->route = &conf->routes[i];
	p->unwanted = p->route == NULL;
	free(path);
	return (true);
}

static bool
polling_get(struct state_in *in, struct poller *p)
{
	struct eio_owner owner;
	bool good;

	p->state = (uint8_t)state_get_below(in, POLLER_LAST + 1);
	p->reason = (uint8_t)state_get_below(in, REASON__MAX);
	p->probed = state_get_bool(in);
	p->owing = state_get_bool(in);
	state_get_bytes(in, p->sid, EIO_SID_LEN);
	if (in->bad || !eio_sid_owner(slice_of(p->sid, EIO_SID_LEN), &owner) ||
	    sids_find(&p->all->sids, p->sid) != NULL ||
	    !polling_get_route(in, p))
		return (false);
	p->deadline.us = state_get_u64(in);
	p->noop_at.us = state_get_u64(in);
	p->address_key = state_get_u64(in);
	story_load(&p->story, in);
	good = text_load(in, &p->lines);
	p->wish.coding = (uint8_t)state_get_below(in, CODING__MAX);
	p->wish.must = state_get_bool(in);
	return (good && text_load(in, &p->post_lines) &&
	    polling_get_rest(in, p) && !in->bad);
}

/* A connection that is what it stands for. */
static bool
polling_conn_fits(const struct poller *p, unsigned i, const struct conn *c)
{
	switch (i) {
	case POLLER_GET:
		return (c->state == CONN_HELD &&
		    p->state != POLLER_UPGRADED);
	case POLLER_POST:
		return (c->state == CONN_HELD ||
		    (c->state == CONN_HTTP && c->body != NULL));
	case POLLER_TOLD:
	case POLLER_OKED:
		return (c->state == CONN_IDLE || c->state == CONN_HTTP ||
		    c->state == CONN_LINGER);
	default:
		if (p->state != POLLER_UPGRADED)
			return (c->state == CONN_CANDIDATE);
		return (c->client != NULL && c->state == (p->rest_bytes !=
		    NULL ? CONN_WAITING : CONN_SESSION));
	}
}

static bool
polling_take_conn(void *arg, unsigned i, struct conn *c)
{
	struct poller *p = arg;

	if (!polling_conn_fits(p, i, c))
		return (false);
	c->poller = p;
	return (true);
}

/* Its client, or what it has yet to be told. */
static bool
polling_get_client(struct state_in *in, struct hub_move *hm, struct poller *p)
{
	enum reason why;

	if (p->state != POLLER_POLLING)
		return (hub_move_queue_load(hm, in, &p->outq));
	p->client = client_load(hm, in, &p->outq, &why);
	if (p->client == NULL)
		return (false);
	if (why != REASON__MAX) {
		p->unwanted = true;
		p->reason = (uint8_t)why;
	} else if (p->unwanted)
		p->reason = REASON_rights_lost;
	return (memcmp(p->sid, engine_sid(p->client), EIO_SID_LEN) == 0);
}

/* What depends on this worker's configuration. */
static void
polling_settle(struct poller *p)
{
	struct worker *w = p->all->w;

	if (p->state == POLLER_POLLING && (w->age_unit_us == 0 ||
	    p->deadline.us == UINT64_MAX))
		p->deadline = age_due(w->age_unit_us, age_draw(w->age_unit_us,
		    w->now, arc4random()), w->now);
	if (p->state != POLLER_UPGRADED && p->address_key != 0 &&
	    w->conf->limit_per_address != 0 && !count_enter_key(w->count,
	    COUNT_POLLING, slice_of(&p->address_key, sizeof p->address_key),
	    COUNT_KEY_MAX, &p->address_node))
		p->address_node = 0;
}

/* fds: those that are a connection now are -1 there. */
static struct poller *
polling_load(struct polling *all, struct hub_move *hm, struct state_in *from,
    int fds[], unsigned n)
{
	struct conn **at[POLLER_CONNS_MAX];
	struct state_in in;
	struct poller *p;
	uint16_t version;

	if (!state_section(from, POLLER_TAG, &version, &in) ||
	    (version != POLLER_VERSION && version != POLLER_UNNAMED))
		return (NULL);
	p = poller_new(all);
	if (p == NULL)
		return (NULL);
	p->frozen = true;
	if (polling_get(&in, p) && repeat_load(hm, &in, &p->repeat) &&
	    polling_get_client(&in, hm, p) &&
	    conn_all_load(polling_conns(p, at), all->w, hm, &in, fds, n,
	    polling_take_conn, p) &&
	    (p->state != POLLER_UPGRADED || p->ws != NULL) &&
	    (version == POLLER_UNNAMED || names_load(&all->w->names,
	    p->story.number, &in)) && state_end(&in))
		return (p);
	poller_unload(p);
	return (NULL);
}

struct poller *
poller_load(struct polling *all, struct hub_move *hm, struct state_in *in,
    const int fds[], unsigned n)
{
	int left[POLLER_CONNS_MAX];
	struct poller *p;
	unsigned i;

	CHECK_MAGIC(all, POLLING_MAGIC);
	MUST(n <= POLLER_CONNS_MAX);
	for (i = 0; i < n; i++)
		left[i] = fds[i];
	p = polling_load(all, hm, in, left, n);
	for (i = 0; i < n; i++)
		if (left[i] != -1)
			(void)close(left[i]);
	if (p == NULL)
		return (NULL);
	if (p->state == POLLER_UPGRADED)
		all->nupgraded++;
	polling_settle(p);
	poller_insert(p);
	return (p);
}

void
poller_activate(struct poller *p)
{
	struct conn **at[POLLER_CONNS_MAX];

	poller_check(p);
	MUST(p->frozen);
	conn_all_each(polling_conns(p, at), conn_activate);
	if (p->client != NULL && p->unwanted && !p->parting)
		polling_close(p, (enum reason)p->reason);
	polling_wake(p);
}

void
poller_unload(struct poller *p)
{
	CHECK_MAGIC(p, POLLER_MAGIC);
	polling_forget(p, conn_unload, client_unload);
}
