/*
 * The way of what clients send; see inbound.h.  Called by whoever speaks a
 * client's protocol.
 */
#include "hub/dialect/inbound.h"

#include <stdio.h>

#include "conf/name.h"
#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/rule/rule.h"
#include "hub/service/presence.h"
#include "hub/service/service.h"
#include "hub/session/client.h"
#include "hub/session/limit.h"
#include "hub/stream/consult.h"
#include "proto/json.h"

/*
 * The event's name as rules have it, whatever its spelling.  A number is
 * named as in JavaScript, when it is an integer: 5.0 is "5".  Empty: nothing
 * that could be named.
 */
static struct slice
inbound_name(struct slice raw, uint8_t tmp[CONF_EVENT_MAX])
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

static void
inbound_pass(struct session *s, const struct inbound *in, struct slice name)
{
	if (!service_event(s, in, name))
		rule_event(s, in, name);
}

/* It has waited for one before it. */
static void
inbound_again(struct session *s, const struct inbound *in, struct slice name)
{
	if (!client_expired(s))
		inbound_pass(s, in, name);
}

/* Meanwhile the token that a later one replaces may be over. */
static bool
inbound_may_overtake(struct slice name)
{
	return (slice_eq(name, SLICE("auth:refresh")));
}

void
inbound_event(struct session *s, const struct inbound *in)
{
	uint8_t tmp[CONF_EVENT_MAX];
	struct slice name = inbound_name(in->event, tmp);

	CHECK_MAGIC(s, SESSION_MAGIC);
	if (client_expired(s))
		return;
	counter_ns_add(s->ns->index, NS_events_in, 1);
	counter_ns_add(s->ns->index, NS_bytes_in, inbound_bytes(in));
	if (!limit_message(s, in))
		return;
	presence_active(s);
	if (unlikely(s->ns->asks) && !inbound_may_overtake(name) &&
	    consult_holds(s, in, name, inbound_again))
		return;
	inbound_pass(s, in, name);
}

void
inbound_answer(struct session *s, const uint64_t *id, struct slice args,
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
