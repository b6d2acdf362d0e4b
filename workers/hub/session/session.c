/*
 * One client in one namespace; see session.h.  Made by socketio.c and single.c
 * after admission, parked and resumed by recover/; answered by whoever looks at
 * its events.
 */
#include "hub/session/session.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/audience/fanout.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/queue/send.h"
#include "hub/session/client.h"
#include "hub/session/principal.h"
#include "hub/session/tokens.h"
#include "proto/json.h"
#include "proto/raw.h"
#include "proto/sio.h"
#include "shm/why.h"

/* --- life ----------------------------------------------------------------- */

static bool
session_enter_channels(struct session *s)
{
	struct hub *h = s->hub;

	if (!room_join(h, s, ROOM_NAMESPACE, slice_of(NULL, 0)))
		return (false);
	if (s->who == NULL)
		return (true);
	if (!room_join(h, s, ROOM_USER, principal_user(s->who)))
		return (false);
	return (true);
}

static void
session_leave_channels(struct session *s)
{
	while (s->memberships != NULL)
		room_leave(s->hub, s, s->memberships);
}

static void
session_give_channels(struct session *s)
{
	while (s->memberships != NULL)
		room_give(s->hub, s, s->memberships);
}

/* In its channels, but not counted yet. */
static struct session *
session_make(struct hub *h, struct outq *out, enum wire wire,
    const struct conf_namespace *ns, struct principal *who, struct slice sid)
{
	struct session *s = slab_get(&h->sessions);

	if (s == NULL)
		return (NULL);
	s->magic = SESSION_MAGIC;
	s->hub = h;
	s->out = out;
	s->wire = (uint8_t)session_wire(ns, wire);
	s->ns = ns;
	s->who = who == NULL ? NULL : principal_ref(who);
	tokens_add(h, s->who);
	if (sid.n != 0)
		memcpy(s->sid, sid.p, sid.n);
	sid_add(h, s);
	if (!session_enter_channels(s)) {
		session_leave_channels(s);
		sid_remove(h, s);
		principal_unref(&s->who);
		slab_put(&h->sessions, s);
		return (NULL);
	}
	return (s);
}

/* It has a client: it counts and is present. */
static void
session_begin(struct session *s)
{
	event_session(s->hub->events->session_begun, s);
	counter_add(COUNTER_ns_connects, 1);
	counter_add(COUNTER_sessions, 1);
	counter_ns_add(s->ns->index, NS_connects, 1);
	counter_ns_add(s->ns->index, NS_sockets, 1);
}

static void
session_end(struct session *s)
{
	event_session(s->hub->events->session_ended, s);
	counter_sub(COUNTER_sessions, 1);
	counter_ns_add(s->ns->index, NS_disconnects, 1);
	counter_ns_sub(s->ns->index, NS_sockets, 1);
}

struct session *
session_new(struct hub *h, struct client *c, struct outq *out, enum wire wire,
    const struct conf_namespace *ns, struct principal *who, struct slice sid)
{
	struct session *s = session_make(h, out, wire, ns, who, sid);

	if (s == NULL)
		return (NULL);
	s->client = c;
	work_come(&h->work, WORK_COMER);
	session_begin(s);
	return (s);
}

/* It is in no room. */
static inline void
session_drop(struct session *s)
{
	struct hub *h = s->hub;

	event_session(h->events->session_freed, s);
	sid_remove(h, s);
	principal_unref(&s->who);
	s->magic = 0;
	slab_put(&h->sessions, s);
}

void
session_over(struct session **sp, enum reason reason)
{
	struct session *s = *sp;
	struct hub *h = s->hub;

	CHECK_MAGIC(s, SESSION_MAGIC);
	*sp = NULL;
	h->ending = why_of(reason);
	session_leave_channels(s);
	if (s->client != NULL)
		session_end(s);
	h->ending = 0;
	session_drop(s);
}

void
session_free(struct session **sp)
{
	struct session *s = *sp;

	CHECK_MAGIC(s, SESSION_MAGIC);
	MUST(s->client == NULL);
	*sp = NULL;
	session_leave_channels(s);
	session_drop(s);
}

/* --- recovery ------------------------------------------------------------- */

struct session *
session_made(struct hub *h, struct outq *out, enum wire wire,
    const struct conf_namespace *ns, struct principal *who, struct slice sid)
{
	MUST(sid.n == SESSION_SID_LEN);
	return (sid_find(h, sid) != NULL ? NULL :
	    session_make(h, out, wire, ns, who, sid));
}

void
session_park(struct session *s, enum reason reason)
{
	s->hub->ending = why_of(reason);
	session_end(s);
	s->hub->ending = 0;
	s->client = NULL;
}

void
session_resume(struct session *s, struct client *c)
{
	s->client = c;
	s->warned = s->idle = false;
	session_begin(s);
}

/* --- from one worker to another ------------------------------------------- */

void
session_take(struct session *s, struct client *c)
{
	s->client = c;
	counter_add(COUNTER_sessions, 1);
	counter_ns_add(s->ns->index, NS_sockets, 1);
}

void
session_give(struct session **sp)
{
	struct session *s = *sp;

	CHECK_MAGIC(s, SESSION_MAGIC);
	*sp = NULL;
	session_give_channels(s);
	if (s->client != NULL) {
		counter_sub(COUNTER_sessions, 1);
		counter_ns_sub(s->ns->index, NS_sockets, 1);
	}
	session_drop(s);
}

uint64_t
session_silent_due(const struct session *s)
{
	if (s->who == NULL || s->idle || s->ns->idle_after_ms == 0 ||
	    s->ns->presence == CONF_PRESENCE_OFF)
		return (0);
	return (when_us(s->seen, s->hub->now) + s->ns->idle_after_ms * 1000);
}

/* --- answers -------------------------------------------------------------- */

void
session_send(struct session *s, const struct buf *b)
{
	send_text(&s->hub->out, s->out, s->wire, b);
}

static void
session_ack_with(struct session *s, const struct ack *ack, struct slice args,
    struct slice first, const struct slice *attachments, unsigned n)
{
	struct buf *b = &s->hub->text;
	unsigned i;

	if (ack->kind == ACK_NONE)
		return;
	buf_reset(b);
	if (ack->kind == ACK_SIO)
		sio_encode_ack(b, slice_str(s->ns->name), ack->id, args, n);
	else
		raw_encode_ack(b, ack->raw, args, first);
	session_send(s, b);
	for (i = 0; i < n; i++)
		send_binary(&s->hub->out, s->out, s->wire, attachments[i]);
	counter_add(COUNTER_acks_out, 1);
}

void
session_ack_binary(struct session *s, const struct ack *ack,
    struct slice args, const struct slice *attachments, unsigned n)
{
	struct slice first = args;

	if (ack->kind == ACK_RAW && args.n != 0)
		MUST(json_value(args, &first) > 0);
	session_ack_with(s, ack, args, first, attachments, n);
}

void
session_ack(struct session *s, const struct ack *ack, struct slice args)
{
	session_ack_with(s, ack, args, args, NULL, 0);
}

void
session_ack_buf(struct session *s, const struct ack *ack, const struct buf *b)
{
	if (likely(!b->oom))
		session_ack(s, ack, buf_unread(b));
	else if (ack->kind != ACK_NONE)
		send_lost(&s->hub->out, s->out);
	else
		counter_add(COUNTER_memory_failures, 1);
}

/* {"code":CODE,"message":MESSAGE[,"data":DATA][,"event":EVENT][MORE]} */
static void
session_error_object(struct buf *b, const struct session_error *e,
    struct slice event)
{
	buf_str(b, "{\"code\":");
	json_escape(b, slice_str(e->code));
	buf_str(b, ",\"message\":");
	json_escape(b, e->message);
	if (e->data.n != 0) {
		buf_str(b, ",\"data\":");
		buf_slice(b, e->data);
	}
	if (event.n != 0) {
		buf_str(b, ",\"event\":");
		buf_slice(b, event);
	}
	buf_slice(b, e->more);
	buf_byte(b, '}');
}

void
session_error(struct session *s, const struct ack *ack,
    const struct session_error *e, struct slice event)
{
	struct hub *h = s->hub;
	struct buf obj;

	if (ack->kind == ACK_RAW) {
		buf_reset(&h->text);
		raw_encode_ack_error(&h->text, ack->raw, e->code, e->message,
		    e->data, e->more);
		session_send(s, &h->text);
		counter_add(COUNTER_acks_out, 1);
		return;
	}
	buf_init(&obj);
	if (ack->kind == ACK_SIO) {
		buf_str(&obj, "{\"error\":");
		session_error_object(&obj, e, slice_of(NULL, 0));
		buf_byte(&obj, '}');
		session_ack_buf(s, ack, &obj);
	} else {
		session_error_object(&obj, e, event);
		/* an event source has errors of its own by that name */
		session_emit_buf(s, s->wire == WIRE_SSE ?
		    SLICE("\"roost:error\"") : SLICE("\"error\""), &obj);
	}
	buf_fini(&obj);
}

void
session_emit(struct session *s, struct slice event, struct slice args)
{
	(void)fanout_session(s->hub, s, &(struct publication){
	    .nsp = slice_of(s->ns->name, s->ns->name_len), .event = event,
	    .args = args, .first = args });
}

void
session_emit_buf(struct session *s, struct slice event, const struct buf *b)
{
	if (likely(!b->oom))
		session_emit(s, event, buf_unread(b));
	else
		counter_add(COUNTER_dropped_memory, 1);
}

void
session_farewell(struct session *s, struct slice reason)
{
	struct buf b;

	if (reason.n == 0 || !wire_has_names(s->wire))
		return;
	buf_init(&b);
	buf_str(&b, "{\"reason\":");
	buf_slice(&b, reason);
	buf_byte(&b, '}');
	session_emit_buf(s, SLICE("\"roost:disconnect\""), &b);
	buf_fini(&b);
}
