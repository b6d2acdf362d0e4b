/*
 * A provider to another worker; see yjs_int.h.  What it has of its document is
 * what the worker has that it leaves, and the next one stands where that one
 * does; one that has not all of it reads from the start.
 */
#include "hub/yjs/yjs_int.h"

#include <stdlib.h>

#include "base/state.h"
#include "hub/session/principal.h"

/* Each field is saved here, or made anew. */
STATE_FIELDS(yjs, 400);

#define YJS_TAG		0x534a		/* "JS" */
#define YJS_VERSION	1

/* --- save -------------------------------------------------------------------- */

static void
save_log(struct buf *b, const struct ylog *l)
{
	state_put_u64(b, l->entries);
	state_put_u64(b, l->bytes);
	state_put_u64(b, l->snapshot_bytes);
	state_put_u64(b, l->since);
	state_put_u64(b, l->since_bytes);
}

void
yjs_save(const struct client *c, struct book *k, struct buf *b)
{
	const struct yjs *y = yjs_of(c);
	const struct ydoc *d = y->doc;
	size_t at = state_open(b, YJS_TAG, YJS_VERSION);
	struct buf states;

	(void)k;
	buf_init(&states);
	(void)yaware_own(y, &states);
	state_put_slice(b, ydoc_name(d));
	state_put_bool(b, y->live && d->known);
	state_put_slice(b, ydoc_epoch(d));
	state_put_u64(b, d->last);
	save_log(b, &d->log);
	state_put_slice(b, buf_unread(&d->low));
	state_put_bool(b, y->stepped);
	state_put_bool(b, y->was_asked);
	state_put_u32(b, y->asked);
	state_put_slice(b, slice_of(y->epoch, y->epoch_n));
	state_put_slice(b, slice_of(y->vector, y->vector_n));
	state_put_slice(b, buf_unread(&states));
	b->oom |= states.oom;
	buf_fini(&states);
	state_close(b, at);
}

/* --- load -------------------------------------------------------------------- */

struct loaded {
	struct slice	 name, epoch, low, ask_epoch, vector, states;
	bool		 live;
	uint64_t	 last;
	struct ylog	 log;
};

static void
save_load_log(struct state_in *in, struct ylog *l)
{
	l->entries = state_get_u64(in);
	l->bytes = state_get_u64(in);
	l->snapshot_bytes = state_get_u64(in);
	l->since = state_get_u64(in);
	l->since_bytes = state_get_u64(in);
}

static bool
save_load_is_vector(struct slice s)
{
	return (s.n <= YJS_VECTOR_MAX && (s.n == 0 || yjs_vector_is_good(s)));
}

static bool
save_load_fields(struct yjs *y, struct state_in *in, struct loaded *l)
{
	l->name = state_get_slice(in);
	l->live = state_get_bool(in);
	l->epoch = state_get_slice(in);
	l->last = state_get_u64(in);
	save_load_log(in, &l->log);
	l->low = state_get_slice(in);
	y->stepped = state_get_bool(in);
	y->was_asked = state_get_bool(in);
	y->asked = (enum yjs_asked)state_get_below(in, YJS_ASKED_ALL + 1);
	l->ask_epoch = state_get_slice(in);
	l->vector = state_get_slice(in);
	l->states = state_get_slice(in);
	return (state_end(in) && l->name.n != 0 &&
	    l->name.n <= ROOM_NAME_MAX && l->epoch.n <= EPOCH_MAX &&
	    l->ask_epoch.n <= EPOCH_MAX && save_load_is_vector(l->low) &&
	    save_load_is_vector(l->vector));
}

static bool
save_load_vector(struct yjs *y, const struct loaded *l)
{
	if (l->ask_epoch.n != 0)
		memcpy(y->epoch, l->ask_epoch.p, l->ask_epoch.n);
	y->epoch_n = (uint8_t)l->ask_epoch.n;
	if (l->vector.n == 0)
		return (true);
	if ((y->vector = malloc(l->vector.n)) == NULL)
		return (false);
	memcpy(y->vector, l->vector.p, l->vector.n);
	y->vector_n = (uint32_t)l->vector.n;
	return (true);
}

/* What the worker before has known is known here, too. */
static void
save_load_doc(struct yjs *y, const struct loaded *l)
{
	struct ydoc *d = y->doc;

	y->live = l->live;
	if (!l->live)
		return;
	if (!d->known) {
		ydoc_begin(d, l->epoch);
		d->known = true;
		d->last = l->last;
		d->log = l->log;
		buf_reset(&d->low);
		buf_slice(&d->low, l->low);
		if (d->low.oom)
			buf_reset(&d->low);
		d->low.oom = false;
	} else if (!slice_eq(l->epoch, ydoc_epoch(d)) || l->last != d->last)
		y->lost = true;		/* it is closed with the next tick */
}

static const struct conf_route *
save_load_route(const struct client *c)
{
	const struct conf_route *r = c->route == 0 ? NULL :
	    &c->hub->conf->routes[c->route - 1];

	return (r != NULL && r->format == CONF_FORMAT_YJS ? r : NULL);
}

static void
save_load_undo(struct yjs *y)
{
	free(y->vector);
	y->vector = NULL;
}

bool
yjs_load(struct client *c, struct book *k, struct state_in *in)
{
	const struct conf_route *r = save_load_route(c);
	struct yjs *y = yjs_of(c);
	struct state_in body;
	uint16_t version;
	struct loaded l;

	(void)k;
	if (c->wire != WIRE_YJS || r == NULL ||
	    !state_section(in, YJS_TAG, &version, &body) ||
	    version != YJS_VERSION || !save_load_fields(y, &body, &l) ||
	    !save_load_vector(y, &l))
		return (false);
	y->doc = ydoc_open(c->hub, r->ns, l.name);
	if (y->doc == NULL) {
		save_load_undo(y);
		return (false);
	}
	y->doc->compact = r->compact;
	y->writer = principal_has_role(c->who, r->writers, r->nwriters);
	TAILQ_INSERT_TAIL(&y->doc->clients, y, link);
	save_load_doc(y, &l);
	yaware_load(y, l.states);
	counter_add(COUNTER_yjs_open, 1);
	if (!y->live || y->lost)
		yjs_open_later(y);
	return (true);
}
