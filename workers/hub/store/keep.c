/*
 * Publications that wait for their place; see keep.h.  Called by rule.c and
 * what back ends ask.
 */
#include "hub/store/keep.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/audience/fanout.h"
#include "hub/publish/pending.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/store/place.h"
#include "hub/store/store_int.h"
#include "hub/store/waiter.h"

struct keeping {
	struct wait	 wait;		/* slots: whose count is still to come */
	void		(*told)(struct hub *, void *, const struct keep_told *);
	void		*arg;
	/* a client's: told is NULL */
	struct waiter	 waiter;
	bool		 counted;
	bool		 placed;	/* it has its place */
	uint64_t	 ts, kept, version, count;
	uint8_t		 epoch_len, id_len;
	char		 epoch[EPOCH_MAX];
	char		 id[64];
	uint8_t		 bytes[];
};

static struct keeping *
keep_of(struct wait *w)
{
	return (w == NULL ? NULL : container_of(w, struct keeping, wait));
}

/* --- out ------------------------------------------------------------------- */

bool
keep_is_too_large(const struct hub *h, const struct conf_namespace *ns,
    const struct publication *p, bool room)
{
	size_t n = args_bytes(p->args, p->attachments, p->nattach) +
	    p->event.n + p->meta.n;

	return ((room && n > h->conf->store_room_bytes) ||
	    (ns->journals && n > h->conf->recovery_journal_bytes));
}

/* What is no message of its protocol has nothing to do in a document. */
static bool
keep_is_strange(const struct keep *k)
{
	struct slice values[CONF_PARAMS_MAX];
	const struct conf_room *r;

	if (likely(!k->ns->documents) || k->to->nrooms != 1 ||
	    slice_eq(k->p->event, SLICE(WIRE_YJS_EVENT)))
		return (false);
	r = conf_room_find(k->ns, k->to->rooms[0], values);
	return (r != NULL && r->document);
}

static bool
keep_post(struct hub *h, const struct keep *k, uint32_t ref, bool counted)
{
	struct publication with;
	const struct publication *p = fanout_offset(h, k->ns, k->p, &with);
	struct bus_envelope e;
	struct bus_publish *b = k->ns->journals ? bus_journal(&e) :
	    bus_keep(&e);

	if (unlikely(keep_is_strange(k))) {
		counter_add(COUNTER_keeps_refused, 1);
		return (false);
	}
	publish_fill(&e, b, p);
	post_audience(&b->to, k->to);
	if (counted)
		e.flags |= BUS_WANT_COUNT;
	if (k->timeout_ms != 0) {
		e.flags |= BUS_WANT_ANSWERS;
		b->timeout_ms = k->timeout_ms;
	}
	if (publish_is_far(h, p))
		e.flags |= BUS_FAR;
	if (unlikely(k->instead.n != 0)) {
		e.flags |= BUS_EDIT;
		b->instead = k->instead;
	}
	if (!post_to(h, 0, ref, &e)) {
		counter_add(COUNTER_keeps_refused, 1);
		return (false);
	}
	counter_add(COUNTER_publications, 1);
	counter_add(COUNTER_keeps, 1);
	return (true);
}

bool
keep_send(struct hub *h, const struct keep *k)
{
	return (keep_post(h, k, 0, false));
}

/* --- those that wait ------------------------------------------------------- */

static void
keep_free(struct hub *h, struct keeping *k)
{
	if (k->wait.ref != 0)
		waits_remove(&h->store->keeps, &k->wait);
	if (k->told == NULL)
		waiter_end(h, &k->waiter);
	free(k);
}

/* It goes out, and its answer is waited for.  false: freed. */
static bool
keep_begin(struct hub *h, struct keeping *k, const struct keep *what)
{
	uint32_t ref = waits_ref(&h->store->keeps);

	if (ref == 0)
		counter_add(COUNTER_keeps_refused, 1);
	if (ref == 0 || !keep_post(h, what, ref, k->counted)) {
		keep_free(h, k);
		return (false);
	}
	waits_add(&h->store->keeps, &k->wait, ref,
	    h->now.us + STORE_TIMEOUT_MS * UINT64_C(1000));
	return (true);
}

bool
keep_ask(struct hub *h, const struct keep *what,
    void (*told)(struct hub *, void *, const struct keep_told *), void *arg)
{
	struct keeping *k = calloc(1, sizeof *k);

	if (k == NULL)
		return (false);
	k->told = told;
	k->arg = arg;
	return (keep_begin(h, k, what));
}

bool
keep_for(struct session *s, const struct ack *ack, const struct keep *what,
    struct slice id, bool counted)
{
	struct keeping *k = id.n > sizeof k->id ? NULL :
	    calloc(1, sizeof *k + ack->raw.n);

	if (k == NULL)
		return (false);
	waiter_begin(&k->waiter, WAITER_KEEP, s, ack, k->bytes);
	k->counted = counted;
	k->ts = s->hub->wall.ms;
	k->id_len = (uint8_t)id.n;
	memcpy(k->id, id.p, id.n);
	return (keep_begin(s->hub, k, what));
}

/* --- answers --------------------------------------------------------------- */

const char *
keep_why(enum bus_store result)
{
	switch (result) {
	case BUS_STORE_TOO_LARGE:
		return ("larger than what is kept of one room");
	case BUS_STORE_FINISHED:
		return ("this room has been finished");
	case BUS_STORE_CONFLICT:
		return ("the key has changed meanwhile, or has a newer "
		    "version");
	case BUS_STORE_FULL:
		return ("the room has as many keys, or bytes of them, as it "
		    "may have");
	case BUS_STORE_OK:
	case BUS_STORE_GAP:
	case BUS_STORE_EPOCH:
	case BUS_STORE_UNAVAILABLE:
		break;
	}
	return ("it could not be kept, or whether it was is not known");
}

enum refused
keep_refused(enum bus_store result)
{
	return (result == BUS_STORE_TOO_LARGE ? REFUSED_TOO_LARGE :
	    result == BUS_STORE_FINISHED ? REFUSED_FINISHED :
	    result == BUS_STORE_CONFLICT ? REFUSED_CONFLICT :
	    result == BUS_STORE_FULL ? REFUSED_LIMIT :
	    REFUSED_UNAVAILABLE);
}

static void
keep_acknowledge(struct session *s, const struct keeping *k)
{
	char text[320], count[40] = "", place[96] = "";
	int n;

	if (k->counted)
		(void)snprintf(count, sizeof count, ",\"delivered\":%llu",
		    (unsigned long long)k->count);
	if (k->kept != 0)	/* 0: the relay has heard that it is not kept */
		(void)snprintf(place, sizeof place,
		    ",\"epoch\":\"%.*s\",\"offset\":%llu", k->epoch_len,
		    k->epoch, (unsigned long long)k->kept);
	n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu%s%s}",
	    k->id_len, k->id, (unsigned long long)k->ts, count, place);
	MUST((size_t)n < sizeof text);
	session_ack(s, &k->waiter.ack, slice_of(text, (size_t)n));
}

static void
keep_settle(struct hub *h, struct keeping *k, enum bus_store result)
{
	struct keep_told t = { result, slice_of(k->epoch, k->epoch_len),
		k->kept, k->version, k->wait.ref, k->wait.slots };
	struct inbound in = { .ack = k->waiter.ack };
	struct session *s;

	if (result != BUS_STORE_OK && result != BUS_STORE_FINISHED &&
	    result != BUS_STORE_CONFLICT)
		counter_add(COUNTER_keeps_failed, 1);
	if (k->told != NULL)
		k->told(h, k->arg, &t);
	else if ((s = waiter_session(h, &k->waiter)) == NULL)
		;		/* nobody is there to be told */
	else if (k->placed)
		keep_acknowledge(s, k);
	else
		refuse(s, &in, keep_refused(result), "%s", keep_why(result));
	keep_free(h, k);
}

void
store_bus_kept(struct hub *h, const struct bus_envelope *e)
{
	const struct bus_kept *b = &e->kept;
	struct keeping *k = keep_of(waits_find(&h->store->keeps, e->ref));
	uint64_t reseated[2];

	if (k == NULL || k->placed)
		return;		/* too late, or not ours */
	if (b->result == BUS_STORE_CONFLICT) {
		k->kept = b->kept;
		k->version = b->version;
	}
	if (b->result != BUS_STORE_OK || b->epoch.n > sizeof k->epoch) {
		keep_settle(h, k, b->result == BUS_STORE_OK ?
		    BUS_STORE_UNAVAILABLE : (enum bus_store)b->result);
		return;
	}
	k->placed = true;
	k->kept = b->kept;
	k->epoch_len = (uint8_t)b->epoch.n;
	if (b->epoch.n != 0)
		memcpy(k->epoch, b->epoch.p, b->epoch.n);
	pending_asked(h, b->slots, reseated);
	waits_for(&k->wait, b->slots, reseated);
	if (!k->counted || slotset_empty(b->slots))
		keep_settle(h, k, BUS_STORE_OK);
}

/* How many members of a worker have got it; this one among them. */
void
store_bus_count(struct hub *h, const struct bus_envelope *e)
{
	struct keeping *k;
	uint64_t reseated[2];

	pending_asked(h, e->had, reseated);
	k = keep_of(waits_heard(&h->store->keeps, e->ref, e->from, e->had,
	    reseated));
	if (k == NULL)
		return;
	slotset_drop(k->wait.slots, e->from);
	k->count += e->count.receivers;
	if (slotset_empty(k->wait.slots))
		keep_settle(h, k, BUS_STORE_OK);
}

/* It has its place, but not all counts; or nobody knows. */
static void
keep_give_up(struct hub *h, struct keeping *k)
{
	keep_settle(h, k, k->placed ? BUS_STORE_OK :
	    BUS_STORE_UNAVAILABLE);
}

void
keep_tick(struct hub *h)
{
	struct keeping *k;

	while ((k = keep_of(waits_over(&h->store->keeps,
	    h->now.us))) != NULL) {
		counter_add(COUNTER_acks_timed_out, 1);
		keep_give_up(h, k);
	}
}

void
keep_gone(struct hub *h, const uint64_t slots[2])
{
	struct keeping *k;

	while ((k = keep_of(waits_gone(&h->store->keeps, slots))) != NULL)
		if (slotset_empty(k->wait.slots))
			keep_settle(h, k, BUS_STORE_OK);
}

void
keep_lost(struct hub *h)
{
	struct keeping *k;

	while ((k = keep_of(waits_first(&h->store->keeps))) != NULL)
		keep_give_up(h, k);
}
