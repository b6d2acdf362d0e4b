/*
 * What every client does: input to its kind, expiry, deadlines, heartbeat,
 * end.  Called by the host through client.h in hub/, and by its kinds, which
 * are dialect/'s.
 */
#include "hub/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/queue/send.h"
#include "hub/session/client.h"
#include "hub/session/handshake.h"
#include "hub/session/principal.h"
#include "shm/bucket_storm.h"

#define DAY	(UINT64_C(86400) * 1000000)
/* A ping that is so late was due to the host's coarse timers: interval and
 * timeout are still what they are together. */
#define LATE_US	UINT64_C(20000)

void
client_send(struct client *c, const struct buf *b)
{
	send_text(&c->hub->out, c->out, (enum wire)c->wire, b);
}

void
client_send_binary(struct client *c, struct slice s)
{
	send_binary(&c->hub->out, c->out, (enum wire)c->wire, s);
}

void
client_close(struct client *c, enum reason reason)
{
	if (c->closing)
		return;
	c->closing = true;
	c->hub->ports.close(c->hub->ports.host, c, reason);
}

/* --- deadlines ------------------------------------------------------------ */

static uint64_t
client_earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return (a + b);
	return (a < b ? a : b);
}

/* When a session's identity needs attention, as time of the loop; 0: never. */
static uint64_t
client_auth_due(const struct session *s)
{
	const struct hub *h = s->hub;
	uint64_t at_ms, lead;

	if (s->who == NULL || s->who->exp == 0)
		return (0);
	at_ms = (uint64_t)s->who->exp * 1000 + h->conf->jwt.leeway_ms;
	lead = s->warned ? 0 :
	    h->conf->auth_warning_ms + h->conf->jwt.leeway_ms;
	at_ms = at_ms > lead ? at_ms - lead : 0;
	if (at_ms <= h->wall.ms)
		return (h->now.us + 1);
	/* far enough: keep the sum from wrapping */
	if (at_ms - h->wall.ms > 2 * DAY / 1000)
		return (h->now.us + DAY);
	return (h->now.us + (at_ms - h->wall.ms) * 1000);
}

void
client_schedule(struct client *c)
{
	const struct hub *h = c->hub;
	uint64_t due = c->kind->due(c), before = when_us(c->due, h->now);
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next) {
		due = client_earlier(due, client_auth_due(s));
		due = client_earlier(due, session_silent_due(s));
	}
	/* a tick too many does no harm, a moment too far would wrap */
	if (due == 0 || due > h->now.us + DAY)
		due = h->now.us + DAY;
	c->due = when_of(due);
	if (before == 0 || due < before)
		h->ports.rearm(h->ports.host, c);
}

struct mono
client_due(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return ((struct mono){ c->due == 0 ? UINT64_MAX :
	    when_us(c->due, c->hub->now) });
}

void
client_warn(struct session *s)
{
	char text[48];
	int64_t left = s->who->exp - (int64_t)(s->hub->wall.ms / 1000);
	int n;

	s->warned = true;
	n = snprintf(text, sizeof text, "{\"in\":%" PRId64 "}",
	    left < 0 ? 0 : left);
	session_emit(s, SLICE("\"auth:expiring\""), slice_of(text, (size_t)n));
}

bool
client_expired(struct session *s)
{
	if (likely(!principal_is_over(s->who, s->hub->conf->jwt.leeway_ms,
	    s->hub->wall)))
		return (false);
	s->client->kind->expire(s->client, s,
	    REASON_auth_expired);
	return (true);
}

static void
client_check_expiry(struct client *c)
{
	struct session *s, *next;

	for (s = c->sessions; s != NULL && !c->closing; s = next) {
		next = s->next;
		if (s->who == NULL || s->who->exp == 0)
			continue;
		if (!client_expired(s) && !s->warned &&
		    (uint64_t)s->who->exp * 1000 <=
		    s->hub->wall.ms + s->hub->conf->auth_warning_ms)
			client_warn(s);
	}
}

static void
client_check_silence(struct client *c)
{
	struct session *s;
	uint64_t due;

	for (s = c->sessions; s != NULL; s = s->next) {
		due = session_silent_due(s);
		if (due != 0 && due <= c->hub->now.us)
			event_session(c->hub->events->session_silent, s);
	}
}

void
client_tick(struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->closing)
		return;
	client_check_expiry(c);
	if (c->closing)
		return;
	client_check_silence(c);
	c->kind->tick(c);
	if (!c->closing)
		client_schedule(c);
}

/* --- heartbeat ------------------------------------------------------------ */

void
client_beat_start(struct client *c)
{
	c->pong = 0;
	c->ping = when_of(c->hub->now.us +
	    c->hub->beats[c->beat].interval_ms * 1000);
}

uint64_t
client_beat_due(const struct client *c)
{
	return (when_us(c->pong != 0 ? c->pong : c->ping, c->hub->now));
}

bool
client_beat(struct client *c, struct slice ping)
{
	const struct hub *h = c->hub;
	uint64_t now = h->now.us, late;

	if (when_past(c->pong, h->now)) {
		counter_add(COUNTER_heartbeats_missed, 1);
		client_close(c, REASON_ping_timeout);
		return (false);
	}
	if (c->pong != 0 || !when_past(c->ping, h->now))
		return (false);
	if (out_bytes(&c->hub->out, c->out, ping))
		counter_add(COUNTER_ws_frames_out,
		    wire_is_framed((enum wire)c->wire));
	late = now - when_us(c->ping, h->now);
	c->ping_us = (uint32_t)now;
	c->pong = when_of(now + h->beats[c->beat].timeout_ms * 1000 -
	    (late < LATE_US ? late : LATE_US));
	c->extended = false;
	return (true);
}

void
client_beat_extend(struct client *c)
{
	if (c->pong == 0 || c->extended)
		return;
	c->extended = true;
	c->pong = when_of(c->hub->now.us +
	    c->hub->beats[c->beat].timeout_ms * 1000);
	client_schedule(c);
}

bool
client_beat_answered(struct client *c)
{
	if (c->pong == 0)
		return (false);		/* unsolicited: harmless */
	histogram_add(HISTOGRAM_rtt_us,
	    (uint32_t)c->hub->now.us - c->ping_us);
	client_beat_start(c);
	return (true);
}

/* --- life ----------------------------------------------------------------- */

struct client *
client_new(struct hub *h, const struct client_kind *kind, enum wire wire,
    struct outq *out, struct admission *a)
{
	struct client *c = slab_get(&h->clients[kind->slab]);

	if (c == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	c->magic = CLIENT_MAGIC;
	c->kind = kind;
	c->hub = h;
	c->wire = (uint8_t)wire_packed(wire, a->window);
	c->out = out;
	c->who = a->who;
	a->who = NULL;
	c->fail = (uint8_t)a->fail;
	c->address = a->address;
	if (a->route != NULL)
		c->route = (uint16_t)(a->route - h->conf->routes + 1);
	c->serial = (uint32_t)++h->nclients;
	handshake_give(c, &a->handshake);
	work_come(&h->work, WORK_COMER);
	counter_add(COUNTER_clients_opened, 1);
	return (c);
}

bool
client_is_engine(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (wire_is_socketio((enum wire)c->wire) ||
	    wire_is_engineio((enum wire)c->wire));
}

bool
client_has_documents(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (c->kind->documents);
}

struct outq *
client_out(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	return (c->out);
}

struct slice
client_user(const struct client *c)
{
	const struct session *s;
	struct slice user;
	const char *ns;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->who != NULL)
		return (principal_user(c->who));
	for (s = c->sessions; s != NULL; s = s->next)
		if (s->who != NULL)
			return (principal_user(s->who));
	return (c->sessions == NULL && c->kind->was != NULL &&
	    c->kind->was(c, &ns, &user) ? user : slice_of(NULL, 0));
}

struct slice
client_sid(const struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->kind->sid != NULL)
		return (c->kind->sid(c));
	return (c->sessions == NULL ? slice_of(NULL, 0) :
	    session_sid(c->sessions));
}

struct slice
admission_user(const struct admission *a)
{
	return (a->who == NULL ? slice_of(NULL, 0) : principal_user(a->who));
}

const char *
client_namespace(const struct client *c, unsigned i)
{
	const struct session *s;
	struct slice user;
	const char *ns;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->sessions == NULL && c->kind->was != NULL)
		return (i == 0 && c->kind->was(c, &ns, &user) ? ns : NULL);
	for (s = c->sessions; s != NULL && i > 0; s = s->next)
		i--;
	return (s == NULL ? NULL : s->ns->name);
}

void
client_link(struct client *c, struct session *s)
{
	struct session **pp = &c->sessions;

	while (*pp != NULL)
		pp = &(*pp)->next;
	*pp = s;
	c->nsessions++;
}

void
client_unlink(struct client *c, struct session *s)
{
	struct session **pp = &c->sessions;

	while (*pp != s)
		pp = &(*pp)->next;
	*pp = s->next;
	s->next = NULL;
	c->nsessions--;
}

void
client_text(struct client *c, uint8_t *data, size_t n)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->closing)
		return;
	counter_add(COUNTER_messages_in, 1);
	c->kind->text(c, data, n);
}

void
client_binary(struct client *c, uint8_t *data, size_t n)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->closing)
		return;
	counter_add(COUNTER_messages_in, 1);
	c->kind->binary(c, data, n);
}

void
client_pong(struct client *c)
{
	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (!c->closing && c->kind->pong != NULL)
		c->kind->pong(c);
}

/* It was in a namespace and ends, which it did not want and did not earn: it
 * comes back before others may. */
static void
client_note_lost(const struct client *c, enum reason r)
{
	const struct hub *h = c->hub;

	if (c->sessions != NULL && c->address != 0 && h->segment != NULL &&
	    h->conf->limit_handshakes != 0 && (r == REASON_client_gone ||
	    r == REASON_client_reset ||
	    r == REASON_shutdown || r == REASON_restart ||
	    r == REASON_ping_timeout || r == REASON_slow_consumer ||
	    r == REASON_memory || r == REASON_reconnect))
		storm_note(h->segment, c->address, h->now);
}

void
client_farewell(struct client *c, enum reason reason)
{
	const struct reason_row *row = reason_row(reason);

	CHECK_MAGIC(c, CLIENT_MAGIC);
	if (c->kind->farewell != NULL && row->code != 0)
		c->kind->farewell(c, row->code, row->words);
}

void
client_gone(struct client **cp, enum reason reason)
{
	struct client *c = *cp;
	struct session *s;

	CHECK_MAGIC(c, CLIENT_MAGIC);
	*cp = NULL;
	counter_client(reason);
	client_note_lost(c, reason);
	if (c->kind->parting != NULL)
		c->kind->parting(c, reason);
	while ((s = c->sessions) != NULL) {
		if (reason == REASON_ping_timeout)
			counter_ns_add(s->ns->index, NS_error_timeout, 1);
		client_unlink(c, s);
		session_over(&s, reason);
	}
	if (c->kind->gone != NULL)
		c->kind->gone(c);
	handshake_drop(c);
	principal_unref(&c->who);
	c->magic = 0;
	slab_put(&c->hub->clients[c->kind->slab], c);
}
