/*
 * What all kinds of clients have, from one worker to another; see client.h in
 * session/.  Sessions, queue and what a kind has are saved by who knows them.
 */
#include <string.h>

#include "hub/hub_int.h"
#include "hub/session/client.h"
#include "hub/session/handshake.h"
#include "hub/session/principal_save.h"
#include "proto/json.h"

/* Each field is saved here, or made by client_make(), client_link() and
 * client_schedule(); asked is empty. */
STATE_FIELDS(client, 96);

#define CLIENT_TAG	0x4c43		/* "CL" */
#define CLIENT_VERSION	2	/* 1: nothing is kept of its handshake */

/* --- save ----------------------------------------------------------------- */

static struct slice
client_route(const struct client *c)
{
	return (c->route == 0 ? slice_of(NULL, 0) :
	    slice_str(c->hub->conf->routes[c->route - 1].path.text));
}

void
client_put(const struct client *c, const struct principals *all,
    struct buf *b)
{
	size_t at = state_open(b, CLIENT_TAG, c->kept ? CLIENT_VERSION : 1);
	const struct beat *beat = &c->hub->beats[c->beat];

	state_put_u8(b, c->wire);
	state_put_u32(b, principals_number(all, c->who));
	state_put_u64(b, c->address);
	state_put_u32(b, c->ping);
	state_put_u32(b, c->pong);
	state_put_u32(b, c->ping_us);
	state_put_bool(b, c->extended);
	state_put_u64(b, beat->interval_ms);
	state_put_u64(b, beat->timeout_ms);
	state_put_u32(b, c->strikes);
	state_put_u32(b, c->struck);
	state_put_u8(b, c->fail);
	state_put_slice(b, client_route(c));
	if (c->kept)
		state_put_slice(b, handshake_of_client(c));
	state_close(b, at);
}

/* --- load ----------------------------------------------------------------- */

/* 0: there is none. */
static uint16_t
client_route_named(const struct hub *h, struct slice path)
{
	size_t i;

	for (i = 0; i < h->conf->nroutes; i++)
		if (slice_eq(slice_str(h->conf->routes[i].path.text), path))
			return ((uint16_t)(i + 1));
	return (0);
}

/* A client of Engine.IO counts with what it was told when it came.  With too
 * many to tell apart: one that pings no later. */
static uint8_t
client_beat_told(struct hub *h, const struct beat *told)
{
	uint32_t i, best = 0;

	for (i = 0; i < h->nbeats; i++) {
		if (h->beats[i].interval_ms == told->interval_ms &&
		    h->beats[i].timeout_ms == told->timeout_ms)
			return ((uint8_t)i);
		if (h->beats[i].interval_ms <= told->interval_ms)
			best = i;
	}
	if (h->nbeats == BEATS_MAX)
		return ((uint8_t)best);
	h->beats[h->nbeats] = *told;
	return ((uint8_t)h->nbeats++);
}

static bool
client_load_beat(struct client *c, struct state_in *in)
{
	struct beat told;

	told.interval_ms = state_get_u64(in);
	told.timeout_ms = state_get_u64(in);
	if (in->bad || told.interval_ms == 0 || told.timeout_ms == 0 ||
	    told.interval_ms > UINT32_MAX || told.timeout_ms > UINT32_MAX)
		return (false);
	if (c->kind->slab == CLIENT_ENGINE)
		c->beat = (uint8_t)(client_beat_told(c->hub, &told) & 127);
	return (true);
}

/* Without memory it has none. */
static void
client_load_handshake(struct client *c, struct state_in *in)
{
	struct slice json = state_get_slice(in);
	struct handshake *k;

	if (json.n == 0 || json.n > HANDSHAKE_MAX || !json_valid(json) ||
	    json_type(json) != JSON_OBJECT)
		state_bad(in);
	if (in->bad)
		return;
	k = handshake_new(json);
	handshake_give(c, &k);
}

static bool
client_load_fields(struct client *c, const struct principals *all,
    struct state_in *in, uint16_t version, bool *gone)
{
	struct principal *who;
	struct slice route;

	c->wire = state_get_u8(in);
	if (!principals_get(all, in, &who) || !wire_is_one(c->wire))
		return (false);
	c->who = who == NULL ? NULL : principal_ref(who);
	c->address = state_get_u64(in);
	c->ping = state_get_u32(in);
	c->pong = state_get_u32(in);
	c->ping_us = state_get_u32(in);
	c->extended = state_get_bool(in);
	if (!client_load_beat(c, in))
		return (false);
	c->strikes = state_get_u32(in);
	c->struck = state_get_u32(in);
	c->fail = state_get_u8(in);
	route = state_get_slice(in);
	if (version > 1)
		client_load_handshake(c, in);
	if (!state_end(in) || c->fail >= AUTHFAIL__MAX || c->ping == 0)
		return (false);
	if (route.n != 0)
		c->route = client_route_named(c->hub, route);
	*gone = route.n != 0 && c->route == 0;
	return (true);
}

struct client *
client_make(struct hub *h, const struct client_kind *kind, struct outq *out,
    const struct principals *all, struct state_in *in, bool *gone)
{
	struct client *c;
	struct state_in body;
	uint16_t version;

	if (!state_section(in, CLIENT_TAG, &version, &body) ||
	    version == 0 || version > CLIENT_VERSION)
		return (NULL);
	c = slab_get(&h->clients[kind->slab]);
	if (c == NULL)
		return (NULL);
	c->magic = CLIENT_MAGIC;
	c->kind = kind;
	c->hub = h;
	c->out = out;
	c->serial = (uint32_t)++h->nclients;
	if (!client_load_fields(c, all, &body, version, gone))
		client_drop(&c);
	return (c);
}

void
client_drop(struct client **cp)
{
	struct client *c = *cp;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	MUST(c->sessions == NULL && c->asked == NULL);
	*cp = NULL;
	handshake_drop(c);
	principal_unref(&c->who);
	c->magic = 0;
	slab_put(&c->hub->clients[c->kind->slab], c);
}
