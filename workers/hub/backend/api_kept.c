/*
 * Publications of back ends into rooms that keep a history: one for each such
 * room, and one for whoever else it is for; the answer says where it was kept.
 * Called by api_publish.c.
 */
#include "hub/backend/api_int.h"

#include <stdlib.h>

#include "hub/backend/ask.h"
#include "hub/publish/publish.h"
#include "hub/store/keep.h"
#include "hub/store/place.h"
#include "proto/error.h"
#include "proto/json.h"
#include "shm/once.h"

struct kept_item {		/* one room */
	struct kept_order *order;
	enum bus_store	 result;
	uint64_t	 kept, version;	/* CONFLICT: of the key */
	uint16_t	 name_len;
	uint8_t		 epoch_len;
	char		 epoch[EPOCH_MAX];
	char		 name[ROOM_NAME_MAX];
};

struct kept_order {
	uint32_t	 ref;		/* of the ask */
	uint32_t	 open;		/* rooms that have not answered, and one
					 * while they are asked */
	uint32_t	 n;
	uint16_t	 ns;
	bool		 claimed;
	uint8_t		 id_len;
	char		 id[ASK_ID_BYTES];
	struct kept_item v[];
};

/* --- the answer ------------------------------------------------------------- */

const char *
api_kept_code(enum bus_store result)
{
	switch (result) {
	case BUS_STORE_TOO_LARGE:
		return ("too_large");
	case BUS_STORE_FINISHED:
		return ("finished");
	case BUS_STORE_CONFLICT:
		return ("conflict");
	case BUS_STORE_FULL:
		return ("limit");
	case BUS_STORE_OK:
	case BUS_STORE_GAP:
	case BUS_STORE_EPOCH:
	case BUS_STORE_UNAVAILABLE:
		break;
	}
	return ("unavailable");
}

int
api_kept_status(enum bus_store result)
{
	return (result == BUS_STORE_TOO_LARGE ? 413 :
	    result == BUS_STORE_FINISHED || result == BUS_STORE_CONFLICT ||
	    result == BUS_STORE_FULL ? 409 : 503);
}

static void
kept_put_place(struct buf *b, const struct kept_item *i)
{
	if (i->kept == 0 || i->result != BUS_STORE_OK)
		return;		/* the relay has heard that it is not kept */
	buf_printf(b, ",\"epoch\":\"%.*s\",\"offset\":%llu", i->epoch_len,
	    i->epoch, (unsigned long long)i->kept);
}

/* Who has brought an older one hears which is there. */
static void
kept_put_version(struct buf *b, const struct kept_item *i)
{
	if (i->result == BUS_STORE_CONFLICT)
		buf_printf(b, ",\"version\":%llu,\"offset\":%llu",
		    (unsigned long long)i->version,
		    (unsigned long long)i->kept);
}

static void
kept_put_error(struct buf *b, const struct kept_item *i)
{
	buf_printf(b, ",\"error\":{\"code\":\"%s\",\"message\":\"%s\"",
	    api_kept_code(i->result), keep_why(i->result));
	kept_put_version(b, i);
	buf_byte(b, '}');
}

/* One of several: {"room","epoch","offset"} or {"room","error"}. */
static void
kept_put_item(struct buf *b, const struct kept_item *i)
{
	buf_str(b, "{\"room\":");
	json_escape(b, slice_of(i->name, i->name_len));
	if (i->result == BUS_STORE_OK)
		kept_put_place(b, i);
	else
		kept_put_error(b, i);
	buf_byte(b, '}');
}

static int
kept_render(const struct kept_order *o, struct buf *b)
{
	uint32_t i, ok = 0;

	for (i = 0; i < o->n; i++)
		ok += o->v[i].result == BUS_STORE_OK;
	if (ok == 0) {
		error_begin(b, api_kept_code(o->v[0].result),
		    keep_why(o->v[0].result));
		kept_put_version(b, &o->v[0]);
		error_end(b);
		return (api_kept_status(o->v[0].result));
	}
	buf_printf(b, "{\"id\":\"%.*s\"", o->id_len, o->id);
	if (o->n == 1) {
		kept_put_place(b, &o->v[0]);
	} else {
		buf_str(b, ",\"kept\":[");
		for (i = 0; i < o->n; i++) {
			if (i != 0)
				buf_byte(b, ',');
			kept_put_item(b, &o->v[i]);
		}
		buf_byte(b, ']');
	}
	buf_byte(b, '}');
	return (200);
}

/* All have answered. */
static void
kept_done(struct hub *h, struct kept_order *o)
{
	struct buf b;
	int status;

	if (--o->open != 0)
		return;
	buf_init(&b);
	status = kept_render(o, &b);
	/* it is not there, as far as is known: it may be brought again */
	if (status != 200 && o->claimed)
		once_forget_id(h->segment, o->ns, slice_of(o->id, o->id_len));
	ask_stored(h, o->ref, status, &b);
	buf_fini(&b);
	free(o);
}

static void
kept_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct kept_item *i = arg;

	i->result = t->result;
	i->kept = t->kept;
	i->version = t->version;
	i->epoch_len = (uint8_t)t->epoch.n;
	if (t->epoch.n != 0)
		memcpy(i->epoch, t->epoch.p, t->epoch.n);
	kept_done(h, i->order);
}

/* --- publishing ------------------------------------------------------------- */

static struct audience
kept_one(const struct api_kept *k, const struct slice *room)
{
	return ((struct audience){ .rooms = room, .nrooms = 1,
	    .except = k->to->except, .nexcept = k->to->nexcept });
}

/* What is for this room, or for whoever else: meta tells which room.  false: no
 * memory. */
static bool
kept_for(struct hub *h, const struct api_kept *k, struct slice room,
    struct publication *p)
{
	struct slice id = k->id;

	*p = *k->p;
	if (p->meta.n != 0)
		p->meta = publish_meta_api(h, room, &id);
	return (id.n != 0);
}

/* Whoever else it is for.  false: it could not be sent. */
static bool
kept_publish_rest(struct hub *h, const struct api_kept *k,
    const struct slice *rooms, size_t nrooms)
{
	struct audience rest = *k->to;
	struct publication p;
	struct keep one = { .ns = k->ns, .to = &rest, .p = &p };

	rest.rooms = rooms;
	rest.nrooms = nrooms;
	/* without any it would be for all of the namespace */
	if (nrooms + rest.nusers + rest.nsids == 0 &&
	    k->to->nrooms + k->to->nusers + k->to->nsids != 0)
		return (true);
	if (!kept_for(h, k, nrooms == 1 && rest.nusers + rest.nsids == 0 ?
	    rooms[0] : slice_of(NULL, 0), &p))
		return (false);
	if (k->ns->journals)
		return (keep_send(h, &one));
	(void)publish_audience(h, k->ns, &rest, &p, NULL);
	return (true);
}

static bool
kept_send_all(struct hub *h, const struct api_kept *k, const struct slice *v,
    size_t n)
{
	struct audience to;
	struct publication p;
	struct keep one = { .ns = k->ns, .to = &to, .p = &p };
	size_t i, sent = 0;

	for (i = 0; i < n; i++) {
		to = kept_one(k, &v[i]);
		sent += kept_for(h, k, v[i], &p) && keep_send(h, &one);
	}
	return (sent == n);
}

static struct kept_order *
kept_order_new(const struct api_kept *k, struct ask *a, size_t n)
{
	struct kept_order *o = calloc(1, sizeof *o + n * sizeof o->v[0]);

	if (o == NULL)
		return (NULL);
	o->ref = ask_ref(a);
	o->ns = k->ns->index;
	o->claimed = k->claimed.n != 0;
	o->id_len = (uint8_t)k->id.n;
	memcpy(o->id, k->id.p, k->id.n);
	o->open = 1;
	return (o);
}

/* false: none was sent. */
static bool
kept_ask_all(struct hub *h, const struct api_kept *k, struct kept_order *o,
    const struct slice *v, size_t n)
{
	struct kept_item *item;
	struct audience to;
	struct publication p;
	struct keep one = { .ns = k->ns, .to = &to, .p = &p };
	uint32_t sent = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		item = &o->v[o->n++];
		item->order = o;
		item->name_len = (uint16_t)v[i].n;
		memcpy(item->name, v[i].p, v[i].n);
		item->result = BUS_STORE_UNAVAILABLE;
		to = kept_one(k, &v[i]);
		o->open++;
		if (kept_for(h, k, v[i], &p) &&
		    keep_ask(h, &one, kept_told, item))
			sent++;
		else
			o->open--;
	}
	return (sent != 0);
}

/* --- with a question -------------------------------------------------------- */

struct kept_question {
	uint32_t	 ref;		/* of the ask */
	uint16_t	 ns;
	uint8_t		 claimed_len;
	char		 claimed[ASK_ID_BYTES];
};

static void
kept_question_told(struct hub *h, void *arg, const struct keep_told *t)
{
	struct kept_question *q = arg;
	struct buf b;

	if (t->result == BUS_STORE_OK) {
		ask_kept(h, q->ref, t, conf_redis_on(&h->conf->redis));
		free(q);
		return;
	}
	buf_init(&b);
	error_encode(&b, api_kept_code(t->result), keep_why(t->result));
	if (q->claimed_len != 0)
		once_forget_id(h->segment, q->ns, slice_of(q->claimed,
		    q->claimed_len));
	ask_unkept(h, q->ref, api_kept_status(t->result), &b);
	buf_fini(&b);
	free(q);
}

bool
api_keep_ask(struct hub *h, const struct api_kept *k, struct ask *a,
    uint64_t timeout_ms)
{
	struct kept_question *q = calloc(1, sizeof *q);
	struct audience to = kept_one(k, &k->to->rooms[0]);
	struct keep one = { .ns = k->ns, .to = &to, .p = k->p };

	if (q == NULL)
		return (false);
	one.timeout_ms = (uint32_t)timeout_ms;
	q->ref = ask_ref(a);
	q->ns = k->ns->index;
	q->claimed_len = (uint8_t)k->claimed.n;
	if (k->claimed.n != 0)
		memcpy(q->claimed, k->claimed.p, k->claimed.n);
	ask_waits_for_place(a);
	if (keep_ask(h, &one, kept_question_told, q))
		return (true);
	free(q);
	return (false);
}

bool
api_keep(struct hub *h, const struct api_kept *k, void *asker,
    struct ask **later)
{
	struct slice kept[BUS_LIST_MAX], others[BUS_LIST_MAX];
	struct kept_order *o = NULL;
	struct ask *a = NULL;
	size_t i, nkept = 0, nothers = 0;
	bool ok;

	for (i = 0; i < k->to->nrooms; i++)
		if (conf_room_keeps(k->ns, k->to->rooms[i]))
			kept[nkept++] = k->to->rooms[i];
		else
			others[nothers++] = k->to->rooms[i];
	if (nkept == 0)		/* of a namespace that has a journal */
		return (kept_publish_rest(h, k, others, nothers));
	if (later != NULL && ((a = ask_store(h, asker)) == NULL ||
	    (o = kept_order_new(k, a, nkept)) == NULL)) {
		ask_forget(&a);
		return (false);
	}
	ok = o == NULL ? kept_send_all(h, k, kept, nkept) :
	    kept_ask_all(h, k, o, kept, nkept);
	if (!ok) {
		free(o);
		ask_forget(&a);
		return (false);
	}
	(void)kept_publish_rest(h, k, others, nothers);
	if (o != NULL) {
		*later = a;
		kept_done(h, o);
	}
	return (true);
}
