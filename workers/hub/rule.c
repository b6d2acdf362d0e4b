/*
 * Event rules and join rules; see rule.h.  Called by engine.c and plain.c
 * with each event; what a rule lets through goes to publish.c.
 */
#include "hub/rule.h"

#include <stdarg.h>
#include <stdio.h>
#include "conf/name.h"
#include "hub/args.h"
#include "hub/client_int.h"
#include "hub/hub_int.h"
#include "hub/publish.h"
#include "hub/service.h"
#include "hub/svc_presence.h"
#include "proto/json.h"

/* --- refusals ------------------------------------------------------------- */

static const struct {
	const char	*code;
	enum counter	 counter;
	int		 ns_counter;	/* -1: none of its own */
} refusals[] = {
	[REFUSED_NONE]		= { "", COUNTER_rejected_other, -1 },
	[REFUSED_UNKNOWN_EVENT]	= { "unknown_event",
	    COUNTER_rejected_unknown_event, NS_error_unknown_event },
	[REFUSED_INVALID]	= { "invalid", COUNTER_rejected_invalid,
	    NS_error_invalid },
	[REFUSED_FORBIDDEN]	= { "forbidden", COUNTER_rejected_forbidden,
	    NS_error_forbidden },
	[REFUSED_TOO_LARGE]	= { "too_large", COUNTER_rejected_too_large,
	    NS_error_too_large },
	[REFUSED_NOT_MEMBER]	= { "not_member", COUNTER_rejected_not_member,
	    NS_error_not_member },
	[REFUSED_BAD_REQUEST]	= { "bad_request", COUNTER_rejected_invalid,
	    NS_error_invalid },
	[REFUSED_LIMIT]		= { "limit", COUNTER_rejected_other, -1 },
	[REFUSED_UNAUTHORIZED]	= { "unauthorized", COUNTER_rejected_other,
	    -1 },
	[REFUSED_INTERNAL]	= { "internal", COUNTER_rejected_other, -1 },
	[REFUSED_RATE]		= { "rate_limited", COUNTER_rejected_rate,
	    NS_rate_limited },
};

const char *
refused_code(enum refused r)
{
	MUST((unsigned)r < nitems(refusals));
	return (refusals[r].code);
}

static void
count_refusal(const struct session *s, enum refused r)
{
	counter_add(refusals[r].counter, 1);
	if (refusals[r].ns_counter >= 0)
		counter_ns_add(s->ns->index,
		    (enum ns_counter)refusals[r].ns_counter, 1);
}

void
rule_refuse_rate(struct session *s, const struct inbound *in,
    uint64_t retry_ms)
{
	count_refusal(s, REFUSED_RATE);
	session_error_retry(s, &in->ack, refusals[REFUSED_RATE].code,
	    SLICE("too many, too fast"), in->event, retry_ms);
}

void
rule_refuse(struct session *s, const struct inbound *in, enum refused r,
    const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	count_refusal(s, r);
	session_error(s, &in->ack, refusals[r].code, slice_str(text),
	    in->event);
}

void
rule_ack(struct session *s, const struct inbound *in, const struct buf *b)
{
	if (!b->oom) {
		session_ack(s, &in->ack, buf_unread(b));
		return;
	}
	counter_add(COUNTER_memory_failures, 1);
	rule_refuse(s, in, REFUSED_INTERNAL, "out of memory");
}

/* --- checks of the first argument ----------------------------------------- */

static bool
has_type(enum conf_check_type want, struct slice v)
{
	enum json_type t = json_type(v);
	int64_t i;

	switch (want) {
	case CONF_CHECK_ANY:
		return (true);
	case CONF_CHECK_STRING:
		return (t == JSON_STRING);
	case CONF_CHECK_NUMBER:
		return (t == JSON_NUMBER);
	case CONF_CHECK_INTEGER:
		return (t == JSON_NUMBER && json_int(v, &i));
	case CONF_CHECK_BOOLEAN:
		return (t == JSON_TRUE || t == JSON_FALSE);
	case CONF_CHECK_OBJECT:
		return (t == JSON_OBJECT);
	case CONF_CHECK_ARRAY:
		return (t == JSON_ARRAY);
	}
	return (false);
}

/* What min and max speak of: length, number of elements, or value. */
static double
magnitude(struct slice v)
{
	struct slice key, element;
	struct json_iter it;
	double d = 0;

	switch (json_type(v)) {
	case JSON_STRING:
		return ((double)json_string_chars(v));
	case JSON_NUMBER:
		return (json_double(v, &d) ? d : 0);
	case JSON_ARRAY:
		if (json_enter(v, &it))
			while (json_next(&it, &key, &element))
				d++;
		return (d);
	case JSON_NONE:
	case JSON_OBJECT:
	case JSON_TRUE:
	case JSON_FALSE:
	case JSON_NULL:
		break;
	}
	return (0);
}

static bool
check_one(const struct conf_check *c, struct slice first)
{
	struct slice v;
	double m;

	if (!json_get(first, slice_str(c->field), &v))
		return (c->optional);
	/* null is a value: what may be missing need not be null */
	if (json_type(v) == JSON_NULL)
		return (c->null || c->type == CONF_CHECK_ANY);
	if (!has_type(c->type, v))
		return (false);
	if (!c->has_min && !c->has_max)
		return (true);
	m = magnitude(v);
	return ((!c->has_min || m >= c->min) && (!c->has_max || m <= c->max));
}

static const struct conf_check *
failed_check(const struct conf_event *r, struct slice first)
{
	size_t i;

	for (i = 0; i < r->nchecks; i++)
		if (!check_one(&r->checks[i], first))
			return (&r->checks[i]);
	return (NULL);
}

/* --- where to ------------------------------------------------------------- */

/* A rule's way through one event. */
struct passage {
	struct session	*s;
	const struct inbound *in;
	const struct conf_event *rule;
	unsigned	 nargs;		/* counted where they have a limit */
	struct slice	 first;		/* empty until needed */
	struct slice	 raw;		/* the target's name as raw JSON */
	struct slice	 name;		/* unescaped */
	uint8_t		 name_bytes[ROOM_NAME_MAX];
	struct publication p;
	struct slice	 id;		/* of the publication */
};

/* The member of the first argument that names the target. */
static bool
find_target(struct passage *w)
{
	ssize_t n;

	n = json_text(w->first, slice_str(w->rule->field), w->name_bytes,
	    sizeof w->name_bytes, &w->raw);
	if (json_type(w->raw) != JSON_STRING) {
		rule_refuse(w->s, w->in, REFUSED_INVALID,
		    "\"%s\" must be a string that names the %s",
		    w->rule->field,
		    w->rule->to == CONF_TO_ROOM ? "room" : "user");
		return (false);
	}
	if (n <= 0) {
		rule_refuse(w->s, w->in, REFUSED_INVALID, "\"%s\" is no name",
		    w->rule->field);
		return (false);
	}
	w->name = slice_of(w->name_bytes, (size_t)n);
	return (true);
}

/* No more arguments than the rule says: what follows them is the server's. */
static bool
takes_args(struct passage *w)
{
	unsigned max = conf_event_args(w->rule);
	struct slice first;

	if (max == 0)
		return (true);
	w->nargs = args_count(w->in->args, max, &first);
	if (w->first.n == 0)
		w->first = first;
	if (w->nargs <= max)
		return (true);
	rule_refuse(w->s, w->in, REFUSED_INVALID, "more than %u argument%s",
	    max, max == 1 ? "" : "s");
	return (false);
}

static size_t
in_bytes(const struct inbound *in)
{
	return (args_bytes(in->args, in->attachments, in->nattach));
}

static bool
may_pass(struct passage *w)
{
	const struct conf_event *r = w->rule;
	const struct conf_check *c;

	if (!principal_has_role(w->s->who, r->roles, r->nroles)) {
		rule_refuse(w->s, w->in, REFUSED_FORBIDDEN,
		    "your role may not send this event");
		return (false);
	}
	if (r->rate != NULL && !limit_event(w->s, w->in, r->rate))
		return (false);
	if (r->max_bytes != 0 && in_bytes(w->in) > r->max_bytes) {
		rule_refuse(w->s, w->in, REFUSED_TOO_LARGE,
		    "more than %llu bytes", (unsigned long long)r->max_bytes);
		return (false);
	}
	if (r->to == CONF_TO_NOWHERE && r->error != NULL &&
	    r->error[0] != '\0') {
		rule_refuse(w->s, w->in, REFUSED_UNKNOWN_EVENT, "%s",
		    r->error);
		return (false);
	}
	if (!takes_args(w))
		return (false);
	if ((r->nchecks != 0 || r->field != NULL) && w->first.n == 0 &&
	    w->in->args.n != 0)
		MUST(json_value(w->in->args, &w->first) > 0);
	c = failed_check(r, w->first);
	if (c != NULL) {
		rule_refuse(w->s, w->in, REFUSED_INVALID,
		    "\"%s\" is missing, or not what it must be", c->field);
		return (false);
	}
	if (r->to != CONF_TO_ROOM && r->to != CONF_TO_USER)
		return (true);
	if (!find_target(w))
		return (false);
	if (r->to == CONF_TO_ROOM && r->member &&
	    room_membership(w->s, ROOM_NAMED, w->name) == NULL) {
		rule_refuse(w->s, w->in, REFUSED_NOT_MEMBER,
		    "you are not in this room");
		return (false);
	}
	return (true);
}

/* --- sending -------------------------------------------------------------- */

/* An ack that names the publication. */
static bool
ack_wants_id(const struct passage *w)
{
	return (w->in->ack.kind != ACK_NONE &&
	    (w->rule->ack == CONF_ACK_ACCEPTED ||
	    w->rule->ack == CONF_ACK_DELIVERED));
}

/* Behind as many arguments as the rule has, whatever came. */
static bool
add_meta(struct passage *w, struct slice meta)
{
	unsigned want = conf_event_args(w->rule);

	if (w->nargs < want) {
		w->p.first = slice_of(NULL, 0);
		if (!args_fill(&w->s->hub->args, &w->p.args, w->nargs, want)) {
			counter_add(COUNTER_memory_failures, 1);
			return (false);
		}
	}
	w->p.meta = meta;
	return (true);
}

/* false: no memory.  What is not vouched for as its rule says goes nowhere. */
static bool
make_publication(struct passage *w)
{
	struct session *s = w->s;
	struct slice from = { NULL, 0 }, meta = { NULL, 0 };

	if (s->who != NULL)
		from = principal_user_json(s->who);
	if (w->rule->meta || ack_wants_id(w)) {
		meta = publish_meta(s->hub, from, w->rule->to == CONF_TO_ROOM ?
		    w->raw : slice_of(NULL, 0), &w->id);
		if (meta.n == 0)
			return (false);
	}
	w->p = (struct publication){
		.nsp = slice_of(s->ns->name, s->ns->name_len),
		.event = w->rule->as_json == NULL ? w->in->event :
		    slice_str(w->rule->as_json),
		.args = w->in->args, .first = w->first,
		.attachments = w->in->attachments,
		.nattach = w->in->nattach,
		.is_volatile = w->rule->is_volatile,
		.sent_us = s->hub->now.us,
	};
	return (!w->rule->meta || add_meta(w, meta));
}

/* Receivers on this worker; ask says who else was asked. */
static uint32_t
send_out(struct passage *w, struct publish_question *ask)
{
	static const enum room_kind kinds[] = {
		[CONF_TO_ROOM] = ROOM_NAMED, [CONF_TO_USER] = ROOM_USER,
		[CONF_TO_NAMESPACE] = ROOM_NAMESPACE,
	};
	struct session *s = w->s;

	switch (w->rule->to) {
	case CONF_TO_NOWHERE:
		return (0);
	case CONF_TO_SENDER:
		if (!fanout_session(s->hub, s, &w->p))
			return (0);
		latency_queued(&s->hub->latency, s->hub->now);
		return (1);
	case CONF_TO_ROOM:
	case CONF_TO_USER:
	case CONF_TO_NAMESPACE:
		return (publish_room(s->hub, s->ns, kinds[w->rule->to],
		    w->name, &w->p, w->rule->self ? NULL : s, ask));
	}
	return (0);
}

static void
confirm(struct passage *w)
{
	struct publication p = w->p;

	if (w->rule->confirm_json == NULL)
		return;
	p.event = slice_str(w->rule->confirm_json);
	p.is_volatile = false;
	(void)fanout_session(w->s->hub, w->s, &p);
}

static void
acknowledge(struct passage *w, uint32_t got,
    const struct publish_question *ask)
{
	struct session *s = w->s;
	char text[128];
	int n;

	switch (w->rule->ack) {
	case CONF_ACK_NONE:
		break;
	case CONF_ACK_ACCEPTED:
		n = snprintf(text, sizeof text, "{\"id\":\"%.*s\",\"ts\":%llu}",
		    (int)w->id.n, (const char *)w->id.p,
		    (unsigned long long)s->hub->wall.ms);
		session_ack(s, &w->in->ack, slice_of(text, (size_t)n));
		break;
	case CONF_ACK_DELIVERED:
		pending_wait(s->hub, ask->ref, s, &w->in->ack, w->id, got,
		    ask->bits);
		break;
	case CONF_ACK_ECHO:
		session_ack_binary(s, &w->in->ack, w->in->args,
		    w->in->attachments, w->in->nattach);
		break;
	}
}

static void
pass(struct passage *w)
{
	struct publish_question ask = { .ref = 0 };
	uint32_t got;

	if (!make_publication(w)) {
		rule_refuse(w->s, w->in, REFUSED_INTERNAL, "out of memory");
		return;
	}
	counter_add(COUNTER_events_accepted, 1);
	if (w->rule->ack == CONF_ACK_DELIVERED &&
	    w->in->ack.kind != ACK_NONE)
		ask.ref = pending_ref(w->s->hub);
	got = send_out(w, &ask);
	confirm(w);
	if (w->in->ack.kind != ACK_NONE)
		acknowledge(w, got, &ask);
}

/*
 * The event's name as rules have it, whatever its spelling.  A number is
 * named as in JavaScript, when it is an integer: 5.0 is "5".  Empty: nothing
 * that could be named.
 */
static struct slice
plain_name(struct slice raw, uint8_t tmp[CONF_EVENT_MAX])
{
	int64_t number;
	ssize_t n;

	if (json_int(raw, &number)) {
		n = snprintf((char *)tmp, CONF_EVENT_MAX, "%lld",
		    (long long)number);
		return (slice_of(tmp, (size_t)n));
	}
	n = json_name(raw, tmp, CONF_EVENT_MAX);
	return (slice_of(tmp, n < 0 ? 0 : (size_t)n));
}

void
rule_event(struct session *s, const struct inbound *in)
{
	struct passage w;
	uint8_t tmp[CONF_EVENT_MAX];
	struct slice name = plain_name(in->event, tmp);

	CHECK_MAGIC(s, SESSION_MAGIC);
	if (client_expired(s))
		return;
	counter_ns_add(s->ns->index, NS_events_in, 1);
	counter_ns_add(s->ns->index, NS_bytes_in, in_bytes(in));
	if (!limit_message(s, in))
		return;
	presence_active(s);
	if (service_event(s, in, name))
		return;
	w.rule = name.n == 0 ? NULL : conf_event_find(s->ns, name);
	if (w.rule == NULL) {
		rule_refuse(s, in, REFUSED_UNKNOWN_EVENT, "unknown event");
		return;
	}
	w.s = s;
	w.in = in;
	w.nargs = 0;
	w.first = in->first;
	w.raw = w.name = w.id = slice_of(NULL, 0);
	if (may_pass(&w))
		pass(&w);
}

void
rule_connect(struct session *s, struct slice auth)
{
	struct inbound in = { .event = SLICE("\"connect\""),
		.args = auth.n != 0 ? auth : SLICE("{}") };
	struct passage w = { .s = s, .in = &in, .rule = s->ns->on_connect,
		.nargs = 1 };

	if (w.rule == NULL || w.rule->to != CONF_TO_SENDER)
		return;
	if (make_publication(&w))
		(void)fanout_session(s->hub, s, &w.p);
}

void
rule_answer(struct session *s, const uint64_t *id, struct slice args,
    const struct slice *attachments, unsigned n)
{
	struct inbound in = { .event = SLICE("\"ack\"") };

	if (client_expired(s))
		return;
	counter_add(COUNTER_acks_in, 1);
	if (id != NULL && ask_answer(s, *id, args, attachments, n))
		return;
	counter_add(COUNTER_acks_unknown, 1);
	if (!limit_message(s, &in))
		return;		/* it has been told */
}

/* --- joining -------------------------------------------------------------- */

/* The claim is this string, or an array that has it. */
static bool
claim_has(struct slice claim, struct slice value)
{
	struct slice key, element;
	struct json_iter it;

	if (json_type(claim) == JSON_STRING)
		return (json_string_eq(claim, value));
	if (json_type(claim) == JSON_NUMBER)
		return (slice_eq(claim, value));
	if (json_type(claim) != JSON_ARRAY || !json_enter(claim, &it))
		return (false);
	while (json_next(&it, &key, &element)) {
		if (json_type(element) == JSON_STRING ?
		    json_string_eq(element, value) :
		    json_type(element) == JSON_NUMBER &&
		    slice_eq(element, value))
			return (true);
	}
	return (false);
}

static bool
is_self(const struct session *s, const struct conf_room *r,
    const struct slice *values)
{
	size_t i;

	for (i = 0; s->who != NULL && i < r->pattern.nparams; i++)
		if ((r->self >> i & 1) != 0 &&
		    slice_eq(values[i], principal_user(s->who)))
			return (true);
	return (false);
}

enum refused
rule_join(const struct session *s, struct slice room)
{
	struct slice values[CONF_PARAMS_MAX], claim;
	const struct conf_room *r;
	bool ok = false;

	if (room.n == 0 || room.n > ROOM_NAME_MAX)
		return (REFUSED_INVALID);
	r = conf_room_find(s->ns, room, values);
	if (r == NULL)
		return (REFUSED_FORBIDDEN);
	switch (r->join) {
	case CONF_JOIN_OPEN:
		ok = true;
		break;
	case CONF_JOIN_CLAIM:
		ok = principal_claim(s->who, r->claim, &claim) &&
		    claim_has(claim, r->pattern.nparams == 1 ? values[0] :
		    room);
		break;
	case CONF_JOIN_SELF:
		ok = is_self(s, r, values);
		break;
	case CONF_JOIN_SERVER:
		break;
	}
	return (ok ? REFUSED_NONE : REFUSED_FORBIDDEN);
}
