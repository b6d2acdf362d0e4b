/*
 * A plain WebSocket client: one connection, one session, messages as raw.h
 * has them (envelope) or the first argument alone (bare).  Called by the
 * host through client.h.
 */
#include <stdlib.h>

#include "base/utf8.h"
#include "hub/client_int.h"
#include "hub/hub_int.h"
#include "proto/json.h"
#include "proto/raw.h"

/* --- admission ------------------------------------------------------------ */

static bool
refuse(struct refusal *r, int status, const char *code, const char *message)
{
	*r = (struct refusal){ .status = status, .code = code,
		.message = message };
	return (false);
}

/* The room that a route joins, with the path's parameters filled in. */
static bool
fill_room(const struct client_request *q, struct admission *a)
{
	const struct conf_route *r = q->route;
	struct slice part;
	struct buf b;
	size_t i;

	buf_init(&b);
	for (i = 0; i < r->njoin; i++) {
		part = slice_str(r->join[i].text);
		if (r->join[i].param)
			part = q->values[conf_pattern_param(&r->path, part)];
		buf_slice(&b, part);
	}
	a->room = (char *)b.data;
	a->room_len = b.wpos;
	return (!b.oom);
}

/* Rooms that a route names are joined without a join rule: the route is one.
 * The name must still be one that a room can have. */
static bool
admit_room(const struct client_request *q, struct admission *a,
    struct refusal *r)
{
	if (q->route == NULL || q->route->njoin == 0)
		return (true);
	if (!fill_room(q, a))
		return (refuse(r, 503, "internal", "out of memory"));
	if (a->room_len == 0 || a->room_len > ROOM_NAME_MAX)
		return (refuse(r, 400, "bad_request", "room name too long"));
	if (!utf8_name(slice_of(a->room, a->room_len)))
		return (refuse(r, 400, "bad_request", "path is not UTF-8"));
	return (true);
}

/* The words of a refusal that is about who asks, NULL: none; *code with it. */
static const char *
admit_who(struct hub *h, const struct client_request *q, struct admission *a,
    const char **code)
{
	if (q->token.n != 0 && q->ns->auth != CONF_AUTH_NONE)
		a->fail = client_verify(h, q->address, q->token, &a->who);
	*code = a->fail == AUTHFAIL_rate_limited ? "rate_limited" :
	    "unauthorized";
	if (a->fail != AUTH_OK)
		return (authfail_words(a->fail));
	return (client_admits(q->ns, q->route == NULL ? NULL :
	    q->route->roles, q->route == NULL ? 0 : q->route->nroles, a->who,
	    code));
}

static bool
admit(struct hub *h, const struct client_request *q, struct admission *a,
    struct refusal *r)
{
	const char *code, *why = admit_who(h, q, a, &code);
	struct limit_nodes nodes;

	if (a->fail == AUTHFAIL_rate_limited) {
		(void)refuse(r, 429, code, why);
		r->retry_ms = limit_retry_ms(h);
		return (false);
	}
	if (why != NULL) {
		if (strcmp(code, "unauthorized") == 0 &&
		    a->fail == AUTH_OK)
			client_auth_failed(h, AUTHFAIL_missing);
		return (refuse(r, strcmp(code, "forbidden") == 0 ? 403 : 401,
		    code, why));
	}
	if (!admit_room(q, a, r))
		return (false);
	if (!limit_session(h, NULL, q->ns, a->who, &nodes, &why))
		return (refuse(r, 429, "limit", why));
	a->user_node = nodes.user;
	a->ns_node = nodes.ns;
	return (true);
}

bool
plain_admit(struct hub *h, const struct client_request *q,
    struct admission *a, struct refusal *r)
{
	*a = (struct admission){ .ns = q->ns, .route = q->route,
		.address = q->address, .count = h->count };
	if (admit(h, q, a, r))
		return (true);
	counter_add(COUNTER_ns_refusals, 1);
	counter_ns_add(q->ns->index, NS_refusals, 1);
	admission_fini(a);
	return (false);
}

/* --- messages ------------------------------------------------------------- */

static void
bare_text(struct client *c, struct slice data)
{
	struct inbound in = { .event = SLICE("\"message\"") };
	struct slice rest = { NULL, 0 };

	if (json_value(data, &rest) != (ssize_t)data.n) {
		client_close(c, REASON_raw_parse);
		return;
	}
	in.args = in.first = rest;
	rule_event(c->sessions, &in);
}

static void
plain_text(struct client *c, uint8_t *data, size_t n)
{
	struct session *s = c->sessions;
	struct inbound in = { .ack.kind = ACK_NONE };
	struct raw_message m;

	json_mend(data, n);
	if (s->wire == WIRE_BARE) {
		bare_text(c, slice_of(data, n));
		return;
	}
	if (raw_decode(slice_of(data, n), &m) < 0) {
		if (m.id.n != 0)
			in.ack = (struct ack){ .kind = ACK_RAW, .raw = m.id };
		if (!limit_message(s, &in))
			return;
		rule_refuse(s, &in, REFUSED_BAD_REQUEST, "%s", m.why);
		return;
	}
	if (m.is_ack) {
		rule_answer(s, &m.ack, m.data, NULL, 0);
		return;
	}
	in.event = m.event;
	in.args = in.first = m.data;
	if (m.id.n != 0)
		in.ack = (struct ack){ .kind = ACK_RAW, .raw = m.id };
	rule_event(s, &in);
}

static void
plain_binary(struct client *c, uint8_t *data, size_t n)
{
	(void)data;
	(void)n;
	client_close(c, REASON_unsupported_data);
}

static void
plain_tick(struct client *c)
{
	static const uint8_t ping[] = { 0x89, 0x00 };

	(void)client_beat(c, slice_of(ping, sizeof ping));
}

static void
plain_pong(struct client *c)
{
	if (client_beat_answered(c))
		client_schedule(c);
}

static void
plain_expire(struct client *c, struct session *s)
{
	(void)s;
	client_close(c, REASON_auth_expired);
}

static const struct client_kind plain_kind = {
	.slab = CLIENT_PLAIN, .due = client_beat_due,
	.text = plain_text, .binary = plain_binary, .pong = plain_pong,
	.tick = plain_tick, .expire = plain_expire, .kick = client_kick,
};

struct client *
plain_open(struct hub *h, struct admission *a, struct outq *out)
{
	enum wire wire = a->route != NULL &&
	    a->route->format == CONF_FORMAT_BARE ? WIRE_BARE : WIRE_ENVELOPE;
	struct client *c = client_new(h, &plain_kind, wire, out, a);

	if (c == NULL)
		return (NULL);
	if (!client_begin(c, a)) {
		client_gone(&c, REASON_memory);
		return (NULL);
	}
	client_beat_start(c);
	client_schedule(c);
	return (c);
}
