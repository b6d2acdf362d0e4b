/*
 * The hub as its host sees it: made once per worker, told the time, turned.
 * See hub.h.  The roof: it makes the parts, and has the tables of who hears of
 * what.
 */
#include "hub/hub.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "hub/api.h"
#include "hub/client.h"
#include "hub/backend/ask.h"
#include "hub/backend/census.h"
#include "hub/hub_int.h"
#include "hub/backend/members.h"
#include "hub/backend/revoke.h"
#include "hub/backend/roll.h"
#include "hub/publish/gap.h"
#include "hub/publish/lost.h"
#include "hub/publish/pending.h"
#include "hub/publish/publish.h"
#include "hub/queue/pack.h"
#include "hub/recover/recover.h"
#include "hub/audience/sids.h"
#include "hub/dialect/socketio_connecting.h"
#include "hub/dialect/engine.h"
#include "hub/dialect/longpoll.h"
#include "hub/dialect/sse.h"
#include "hub/rule/door.h"
#include "hub/service/notices.h"
#include "hub/yjs/yjs.h"
#include "hub/service/presence.h"
#include "hub/session/handshake.h"
#include "hub/session/limit.h"
#include "hub/session/note.h"
#include "hub/session/tokens.h"
#include "hub/store/lag.h"
#include "hub/store/store.h"
#include "hub/stream/box.h"
#include "hub/stream/inbox.h"
#include "hub/stream/stream.h"
#include "proto/bus.h"
#include "shm/interest.h"
#include "shm/presence.h"

static void
hub_kept(struct hub *h, struct room *r, const struct bus_publish *b)
{
	longpoll_kept(h, r, b);
	yjs_kept(h, r, b);
}

/* Each with who hears of it, in this order. */
static const struct hub_events events = {
	.room_entered = { presence_room_enter, recover_room_entered },
	.room_left = { presence_room_leave, recover_room_left,
	    lag_room_left },
	.lags = lag_begin,
	.session_begun = { presence_session_begin, note_joined,
	    inbox_session_begin, notices_session_begin },
	.session_ended = { ask_left, presence_session_end,
	    limit_session_left, notices_session_end },
	.session_freed = { recover_session_freed },
	.session_silent = { presence_session_silent },
	.user_came = { recover_user_came },
	.kept = hub_kept,
	.stream_id = sse_stream_id,
	.hearing = door_hearing,
};

static bool
hub_parts(struct hub *h)
{
	return ((h->marks = calloc(h->conf->nnamespaces + 1,
	    sizeof *h->marks)) != NULL &&
	    (h->rooms = room_table_new()) != NULL &&
	    (h->sids = sid_table_new(h)) != NULL &&
	    (h->limits = limits_new(h->conf)) != NULL &&
	    (h->pending = pending_table_new(h)) != NULL &&
	    (h->tokens = tokens_new(h->segment)) != NULL &&
	    (h->handshakes = handshakes_new()) != NULL &&
	    (h->lost = lost_table_new(h)) != NULL &&
	    (h->recover = recover_table_new(h)) != NULL &&
	    (h->asks = ask_table_new(h)) != NULL &&
	    (h->store = store_table_new(h)) != NULL &&
	    (h->stream = streams_table_new(h)) != NULL &&
	    (h->notices = notices_table_new(h)) != NULL &&
	    (h->longpolls = longpoll_table_new(h)) != NULL &&
	    (h->connectings = connectings_new()) != NULL &&
	    (h->yjs = yjs_table_new()) != NULL &&
	    (h->rolls = roll_table_new()) != NULL &&
	    (h->censuses = census_table_new()) != NULL);
}

struct hub *
hub_new(const struct hub_params *p)
{
	struct hub *h = calloc(1, sizeof *h);

	if (h == NULL)
		return (NULL);
	h->magic = HUB_MAGIC;
	h->events = &events;
	h->conf = p->conf;
	h->keys = p->keys;
	h->interest = p->interest;
	h->presence = p->presence;
	h->segment = p->segment;
	h->count = p->count;
	h->key = p->hash_key;
	h->node_id = p->node_id;
	h->slot = p->slot;
	h->generation = p->generation;
	h->ports = p->ports;
	h->recovers = h->conf->recovery_window_ms != 0;
	MUST(h->conf->nroutes < UINT16_MAX);	/* client.route */
	h->beats[0] = (struct beat){ h->conf->ping_interval_ms,
		h->conf->ping_timeout_ms };
	h->nbeats = 1;
	h->turn = 1;
	/* with the batch that may be open, half of what a client may have */
	h->volatile_bytes = h->conf->send_queue_bytes / 4;
	if (h->volatile_bytes > BATCH_MAX)
		h->volatile_bytes = BATCH_MAX;
	h->kept_bytes = h->conf->slow_kept == CONF_SLOW_CURSOR ?
	    h->conf->send_queue_bytes / 2 : UINT64_MAX / 2;
	/* a share's answers leave a client far from its limit */
	work_init(&h->work, h->conf->send_queue_bytes / 4);
	out_init(&h->out);
	h->out.pack = pack_new(&(struct pack_conf){ h->conf->deflate,
	    h->conf->deflate_level, h->conf->deflate_threshold });
	slab_init(&h->clients[CLIENT_PLAIN], sizeof(struct client), 8);
	slab_init(&h->clients[CLIENT_ENGINE], sizeof(struct engine), 8);
	slab_init(&h->clients[CLIENT_SSE], sizeof(struct sse), 8);
	slab_init(&h->clients[CLIENT_YJS], yjs_client_bytes(), 8);
	slab_init(&h->sessions, sizeof(struct session), 8);
	slab_init(&h->ships, sizeof(struct membership), 8);
	buf_init(&h->meta);
	buf_init(&h->text);
	buf_init(&h->message);
	buf_init(&h->answer);
	buf_init(&h->args);
	buf_init(&h->written);
	offset_origin(&h->origin, p->node_id, p->slot, p->generation);
	if (h->out.pack == NULL || !hub_parts(h))
		hub_free(&h);
	return (h);
}

void
hub_free(struct hub **hp)
{
	struct hub *h = *hp;

	CHECK_MAGIC(h, HUB_MAGIC);
	*hp = NULL;
	longpoll_table_free(h);
	recover_table_free(h);
	roll_table_free(h);
	census_table_free(h);
	ask_table_free(h);
	streams_table_free(h);
	connectings_free(h);
	notices_table_free(h);
	store_table_free(h);
	yjs_table_free(h);
	pending_table_free(h);
	lost_table_free(h);
	limits_free(h);
	sid_table_free(h);
	room_table_free(h);
	tokens_free(h);
	handshakes_free(h);
	free(h->marks);
	pack_free(&h->out.pack);
	out_fini(&h->out);
	slab_fini(&h->clients[CLIENT_PLAIN]);
	slab_fini(&h->clients[CLIENT_ENGINE]);
	slab_fini(&h->clients[CLIENT_SSE]);
	slab_fini(&h->clients[CLIENT_YJS]);
	slab_fini(&h->sessions);
	slab_fini(&h->ships);
	buf_fini(&h->meta);
	buf_fini(&h->text);
	buf_fini(&h->message);
	buf_fini(&h->answer);
	buf_fini(&h->args);
	buf_fini(&h->written);
	h->magic = 0;
	free(h);
}

void
hub_time(struct hub *h, struct mono now, struct wall wall)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	h->now = now;
	h->wall = wall;
	work_turn(&h->work);
}

/* Those who were asked, and will not answer. */
static void
hub_look_who_went(struct hub *h)
{
	uint64_t slots[2];

	if (pending_look(h, slots)) {
		ask_gone(h, slots);
		store_gone(h, slots);
	}
}

void
hub_tick(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	hub_look_who_went(h);
	pending_tick(h);
	store_tick(h);
	streams_tick(h);
	notices_tick(h);
	longpoll_tick(h);
	yjs_tick(h);
	gap_tick(h);
	recover_tick(h);
	ask_tick(h);
	if (h->now.us - h->mono_tick_us < 1000000)
		return;
	h->mono_tick_us = h->now.us;
	tokens_look_if_asked(h);
	interest_retry(h->interest, h->now);
	presence_retry(h->presence, h->now);
}

static void
hub_flush(void *arg, struct outq *q)
{
	struct hub *h = arg;

	if (q->parked)
		recover_queued(h, q);
	else
		h->ports.flush(h->ports.host, q);
}

void
hub_turn_end(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	connectings_turn(h);
	h->turn++;
	roll_turn(h);
	census_turn(h);
	revoke_turn(h);
	out_turn_end(&h->out, hub_flush, h);
	recover_turn_end(h);
}

void
hub_written(struct hub *h, struct mono now)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	latency_written(&h->latency, now);
	streams_written(h);
}

/* --- the bus -------------------------------------------------------------- */

static void
hub_publish(struct hub *h, const struct bus_envelope *e)
{
	bool kept = e->publish.kept != 0 || e->publish.event.n == 0, now;

	yjs_bus(h, e);
	if (e->flags & BUS_NUMBERED)
		store_bus_mark(h, e);
	now = !kept || store_bus_publish(h, e);
	if (e->flags & BUS_WANT_ANSWERS) {
		if (now)
			ask_bus_publish(h, e);
		else
			ask_report(h, e, 0, false);
	} else if (!kept && (e->from != 0 || !store_bus_gap(h, e))) {
		publish_bus(h, e);
		if (e->flags & BUS_ROOMS_OF)
			presence_bus_status(h, e);
		if (e->flags & BUS_COUNTED)
			presence_bus_count(h, e);
	}
}

static void
hub_members(struct hub *h, const struct bus_envelope *e)
{
	if (e->members.what >= BUS_MEMBERS_PAGE_ROOMS)
		census_bus(h, e);
	else if (e->from == 0)
		roll_bus(h, e);
}

static void
hub_count(struct hub *h, const struct bus_envelope *e)
{
	if (e->flags & BUS_NUMBERED)
		store_bus_count(h, e);
	else
		pending_bus(h, e);
}

/* Who takes which. */
static void (*const kinds[])(struct hub *, const struct bus_envelope *) = {
	[BUS_PUBLISH]		= hub_publish,
	[BUS_PUBLISH_BODY]	= api_publish_bus,
	[BUS_MEMBERS]		= hub_members,
	[BUS_DISCONNECT]	= members_bus,
	[BUS_ROOMS]		= members_bus,
	[BUS_REVOKE]		= revoke_bus,
	[BUS_REPLY]		= answers_bus,
	[BUS_COUNT]		= hub_count,
	[BUS_KEPT]		= store_bus_kept,
	[BUS_PAGE]		= store_bus_page,
	[BUS_INBOX]		= inbox_bus,
	[BUS_STREAMED]		= streams_bus,
	[BUS_BOX]		= notices_bus,
	[BUS_BOXED]		= box_bus,
	[BUS_ANSWERS]		= ask_bus_answers,
	[BUS_ANSWERS_END]	= ask_bus_end,
	[BUS_RECOVER_ASK]	= recover_bus_ask,
	[BUS_RECOVER_NONE]	= recover_bus_none,
	[BUS_RECOVER_STATE]	= recover_bus_state,
	[BUS_RECOVER_JOINED]	= recover_bus_joined,
	[BUS_RECOVER_BARRIER]	= recover_bus_barrier,
	[BUS_RECOVER_PASSED]	= recover_bus_passed,
	[BUS_RECOVER_LATE]	= recover_bus_late,
	[BUS_RECOVER_DONE]	= recover_bus_done,
	[BUS_SESSION_TAKEN]	= recover_bus_taken,
	[BUS_SESSION_OVER]	= recover_bus_over,
};

void
hub_bus_frame(struct hub *h, struct slice frame)
{
	struct bus_envelope e;

	CHECK_MAGIC(h, HUB_MAGIC);
	if (bus_whole(frame, &e) &&
	    (unsigned)e.kind < nitems(kinds) && kinds[e.kind] != NULL) {
		if (!inbox_holds(h, &e, frame))
			kinds[e.kind](h, &e);
	} else
		counter_add(COUNTER_bus_bad, 1);
}

void
hub_bus_lost(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	pending_lost(h);
	store_lost(h);
	yjs_lost(h);
	streams_lost(h);
	ask_lost(h);
	roll_lost(h);
	census_lost(h);
	gap_lost(h);
}

void
hub_bus_back(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	gap_back(h);
	notices_back(h);
	recover_lose(h);
	tokens_look(h);
}

bool
hub_busy(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (roll_is_due(h) || census_is_due(h) || tokens_looks(h) ||
	    streams_busy(h));
}

void
hub_leave(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	ask_leave(h);
	longpoll_leave(h);
}

struct out *
hub_out(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (&h->out);
}

struct work *
hub_work(struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (&h->work);
}
