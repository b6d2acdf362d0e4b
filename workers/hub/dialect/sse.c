/*
 * Event streams; see sse.h.  Called by the host through client.h, and for ids
 * by fanout.c.
 */
#include "hub/dialect/sse.h"

#include <stdlib.h>

#include "base/state.h"
#include "base/utf8.h"
#include "hub/audience/room.h"
#include "hub/dialect/kind.h"
#include "hub/dialect/single.h"
#include "hub/hub_int.h"
#include "hub/queue/wire_sse.h"
#include "hub/rule/join.h"
#include "hub/store/enter.h"
#include "proto/json.h"

#define SSE_TAG		0x4553		/* "SE" */
#define SSE_VERSION	1

static struct sse *
sse_of(struct client *c)
{
	return (container_of(c, struct sse, client));
}

/* --- ids ------------------------------------------------------------------- */

/* The place of that room among those that were named; n: it was not. */
static unsigned
sse_room_index(const struct sse_rooms *r, struct slice name)
{
	const char *p = r->names;
	unsigned i;

	for (i = 0; i < r->n; p += r->len[i++])
		if (slice_eq(slice_of(p, r->len[i]), name))
			break;
	return (i);
}

struct slice
sse_stream_id(struct session *s, const struct publication *p)
{
	static char id[CURSOR_MAX];
	struct sse_rooms *r;
	unsigned i;

	if (s->client == NULL || s->client->kind != &sse_kind ||
	    (r = sse_of(s->client)->rooms) == NULL ||
	    (i = sse_room_index(r, p->room)) == r->n)
		return (slice_of(NULL, 0));
	since_set(&r->seen[i], p->epoch, p->kept);
	return (slice_of(id, cursor_put(id, r->seen, r->n)));
}

/* --- life ------------------------------------------------------------------ */

/* What it sends is for nobody. */
static void
sse_hears(struct client *c, uint8_t *data, size_t n)
{
	(void)c;
	(void)data;
	(void)n;
}

/* Nobody answers: the network tells when it does not take them any more. */
static void
sse_tick(struct client *c)
{
	struct hub *h = c->hub;

	if (!when_past(c->ping, h->now))
		return;
	if (out_bytes(&h->out, c->out, SLICE(WIRE_SSE_COMMENT)))
		counter_add(COUNTER_sse_comments, 1);
	client_beat_start(c);
}

static void
sse_gone(struct client *c)
{
	free(sse_of(c)->rooms);
	sse_of(c)->rooms = NULL;
	counter_sub(COUNTER_sse_open, 1);
}

/* --- to another worker ----------------------------------------------------- */

static void
sse_save(const struct client *c, struct book *k, struct buf *b)
{
	const struct sse_rooms *r = sse_of((struct client *)(uintptr_t)c)->rooms;
	size_t at = state_open(b, SSE_TAG, SSE_VERSION);
	const char *p = r == NULL ? NULL : r->names;
	unsigned i, n = r == NULL ? 0 : r->n;

	(void)k;
	state_put_u8(b, (uint8_t)n);
	for (i = 0; i < n; p += r->len[i++]) {
		state_put_slice(b, slice_of(p, r->len[i]));
		state_put_bool(b, r->seen[i].given);
		state_put_slice(b, since_epoch(&r->seen[i]));
		state_put_u64(b, r->seen[i].offset);
	}
	state_close(b, at);
}

static struct sse_rooms *
sse_rooms_new(const struct slice *names, unsigned n)
{
	struct sse_rooms *r;
	size_t bytes = 0;
	unsigned i;

	for (i = 0; i < n; i++)
		bytes += names[i].n;
	r = calloc(1, sizeof *r + n * (sizeof *r->seen + sizeof *r->len) +
	    bytes);
	if (r == NULL)
		return (NULL);
	r->n = n;
	r->len = (uint16_t *)(void *)(r->seen + n);
	r->names = (char *)(r->len + n);
	for (i = 0, bytes = 0; i < n; i++) {
		memcpy(r->names + bytes, names[i].p, names[i].n);
		r->len[i] = (uint16_t)names[i].n;
		bytes += names[i].n;
	}
	return (r);
}

static bool
sse_load_room(struct state_in *in, struct slice *name, struct since *seen)
{
	struct slice epoch;
	bool given;

	*name = state_get_slice(in);
	given = state_get_bool(in);
	epoch = state_get_slice(in);
	since_set(seen, epoch, state_get_u64(in));
	seen->given = given;
	return (!in->bad && name->n != 0 && name->n <= ROOM_NAME_MAX &&
	    utf8_name(*name) && seen->epoch_len == epoch.n &&
	    since_is_good(seen));
}

static bool
sse_load(struct client *c, struct book *k, struct state_in *in)
{
	struct slice names[SSE_ROOMS_MAX];
	struct since seen[SSE_ROOMS_MAX];
	struct state_in body;
	uint16_t version;
	unsigned i, n;

	(void)k;
	if (c->wire != WIRE_SSE || !state_section(in, SSE_TAG, &version, &body)
	    || version != SSE_VERSION)
		return (false);
	n = state_get_u8(&body);
	if (n > SSE_ROOMS_MAX)
		return (false);
	for (i = 0; i < n; i++)
		if (!sse_load_room(&body, &names[i], &seen[i]))
			return (false);
	if (!state_end(&body))
		return (false);
	if (n > 0) {
		if ((sse_of(c)->rooms = sse_rooms_new(names, n)) == NULL)
			return (false);
		memcpy(sse_of(c)->rooms->seen, seen, n * sizeof *seen);
	}
	counter_add(COUNTER_sse_open, 1);
	return (true);
}

const struct client_kind sse_kind = {
	.slab = CLIENT_SSE, .number = CLIENT_IS_SSE, .due = client_beat_due,
	.text = sse_hears, .binary = sse_hears, .tick = sse_tick,
	.gone = sse_gone, .expire = single_expire, .kick = single_kick,
	.save = sse_save, .load = sse_load,
};

/* --- rooms ----------------------------------------------------------------- */

static void
sse_joined(struct session *s, struct slice raw)
{
	struct buf b;

	buf_init(&b);
	buf_str(&b, "{\"room\":");
	buf_slice(&b, raw);
	buf_byte(&b, '}');
	session_emit_buf(s, SLICE("\"roost:joined\""), &b);
	buf_fini(&b);
}

/* One that it may be in.  false: it is not, and will not be, of which it has
 * heard. */
static bool
sse_join(struct session *s, struct slice name, const struct since *seen,
    bool lost)
{
	struct inbound in = { .ack.kind = ACK_NONE };
	struct enter_ask ask = { .name = name, .since = *seen, .lost = lost,
		.may = join_may_heard };
	struct buf raw;
	bool ok = false;

	buf_init(&raw);
	json_escape(&raw, name);
	ask.raw = buf_unread(&raw);
	if (raw.oom) {
		refuse_memory(s, &in);
	} else if (conf_room_keeps(s->ns, name)) {
		ok = enter_room(s, &in, &ask);
	} else if (room_join(s->hub, s, ROOM_NAMED, name)) {
		room_membership(s, ROOM_NAMED, name)->asked = true;
		sse_joined(s, ask.raw);
		ok = true;
	} else
		refuse_memory(s, &in);
	buf_fini(&raw);
	return (ok);
}

/* A place that cannot be read is one that is lost. */
static void
sse_join_all(struct client *c, const struct sse_ask *ask)
{
	struct sse_rooms *r = sse_of(c)->rooms;
	struct since seen[SSE_ROOMS_MAX];
	struct session *s = c->sessions;
	bool lost = false;
	unsigned i;

	memset(seen, 0, sizeof seen);
	if (ask->last.n != 0 && r != NULL &&
	    !cursor_parse(seen, r->n, ask->last)) {
		lost = true;
		memset(seen, 0, sizeof seen);
	}
	if (r != NULL)
		memcpy(r->seen, seen, r->n * sizeof *seen);
	for (i = 0; i < ask->nrooms && !c->closing; i++)
		if (!sse_join(s, ask->rooms[i], &seen[i], lost))
			client_close(c, REASON_memory);
}

struct client *
sse_open(struct hub *h, struct admission *a, const struct sse_ask *ask,
    struct outq *out)
{
	struct client *c = client_new(h, &sse_kind, WIRE_SSE, out, a);

	if (c == NULL)
		return (NULL);
	counter_add(COUNTER_sse_opened, 1);
	counter_add(COUNTER_sse_open, 1);
	if ((ask->nrooms != 0 && (sse_of(c)->rooms = sse_rooms_new(ask->rooms,
	    ask->nrooms)) == NULL) || !single_begin(c, a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	sse_join_all(c, ask);
	client_beat_start(c);
	client_schedule(c);
	return (c);
}
