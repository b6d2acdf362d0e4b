/*
 * POST answers: what a back end acknowledges an event with, for which its sender
 * waits (stream/await.h); see api.h.  Whichever host is asked, the one that the
 * reference names has the sender, on one of its workers.
 *
 *	{"namespace", "ref", "ack":[...]}
 *	{"namespace", "ref", "allow":false, "message"}
 */
#include "hub/backend/api_int.h"

#include <stdio.h>

#include "hub/backend/ask.h"
#include "hub/publish/post.h"
#include "hub/publish/publish.h"
#include "hub/stream/await.h"
#include "proto/json.h"
#include "proto/offset.h"

#define MESSAGE_MAX	200u	/* bytes, unescaped */

struct answer_order {
	struct api_order to;
	uint8_t		 text[OFFSET_REF_MAX];
	struct offset_ref	 ref;
	struct slice	 args;		/* elements */
	bool		 refuses;
	struct slice	 message;	/* raw JSON string, or empty */
};

/* --- reading --------------------------------------------------------------- */

static bool
answer_read_ref(struct answer_order *o, struct slice body)
{
	struct slice raw;
	ssize_t n = json_text(body, SLICE("ref"), o->text, sizeof o->text,
	    &raw);

	if (raw.n == 0 || json_type(raw) != JSON_STRING)
		return (api_order_bad(&o->to, "bad_request",
		    "ref is the string that the entry has"));
	if (n <= 0 || !offset_ref_read(slice_of(o->text, (size_t)n), &o->ref))
		return (api_order_bad(&o->to, "not_found",
		    "this is no reference of an event"));
	return (true);
}

static bool
answer_read_verdict(struct answer_order *o, struct slice body)
{
	struct slice v;

	if (json_get(body, SLICE("allow"), &v)) {
		o->refuses = json_type(v) == JSON_FALSE;
		if (!o->refuses && json_type(v) != JSON_TRUE)
			return (api_order_bad(&o->to, "bad_request",
			    "allow is true or false"));
	}
	if (json_get(body, SLICE("message"), &o->message) &&
	    (json_type(o->message) != JSON_STRING || !o->refuses ||
	    json_plain_size(o->message, 0) > MESSAGE_MAX))
		return (api_order_bad(&o->to, "bad_request", "message is a "
		    "string of at most 200 bytes, where allow is false"));
	if (!json_get(body, SLICE("ack"), &v))
		return (true);
	if (json_type(v) != JSON_ARRAY || o->refuses)
		return (api_order_bad(&o->to, "bad_request",
		    "ack is an array, unless allow is false"));
	o->args = json_trim(slice_of(v.p + 1, v.n - 2));
	return (true);
}

static bool
answer_read(struct answer_order *o, struct hub *h, struct slice text)
{
	static const struct slice members[] = { SLICE("namespace"),
		SLICE("ref"), SLICE("ack"), SLICE("allow"),
		SLICE("message") };
	struct slice body;

	memset(o, 0, sizeof *o);
	if (!api_order_init(&o->to, text))
		return (false);
	if (text.n == 0 || json_value(text, &body) != (ssize_t)text.n)
		return (api_order_bad(&o->to, "bad_request",
		    "the body is not valid JSON"));
	return (api_order_known(&o->to, body, members, nitems(members)) &&
	    api_order_namespace(&o->to, h, body) &&
	    answer_read_ref(o, body) && answer_read_verdict(o, body));
}

/* --- doing ----------------------------------------------------------------- */

static void
answer_fill(const struct answer_order *o, struct bus_envelope *e)
{
	struct bus_publish *p = bus_reply(e);

	p->nsp = slice_of(o->to.ns->name, o->to.ns->name_len);
	p->once = o->ref.id;
	p->to.sids[p->to.nsids++] = o->ref.sid;
	p->args = o->args;
	p->kept = o->refuses ? 1 : 0;
	p->meta = o->message;
}

static bool
answer_is_ours(const struct hub *h, const struct answer_order *o)
{
	char host[OFFSET_REF_HOST + 1];

	(void)snprintf(host, sizeof host, "%016llx",
	    (unsigned long long)h->node_id);
	return (slice_eq(o->ref.host, slice_str(host)));
}

static bool
answer_late(struct answer_order *o)
{
	counter_add(COUNTER_awaited_late, 1);
	return (api_order_bad(&o->to, "gone",
	    "nobody waits for this answer, or not any more"));
}

/* The other workers that may have the sender; or another host. */
static bool
answer_ask(struct hub *h, struct answer_order *o, bool ours,
    struct bus_envelope *e, void *asker, struct buf *out, struct ask **later)
{
	struct audience a = { .sids = &o->ref.sid, .nsids = 1 };
	uint64_t slots[2] = { 0, 0 };
	struct ask *q;

	if (ours)
		publish_workers(h, o->to.ns, &a, slots);
	if (ours ? slotset_empty(slots) : !conf_redis_on(&h->conf->redis))
		return (answer_late(o));
	q = ask_one(h, asker);
	if (q == NULL)
		return (api_order_bad(&o->to, "unavailable",
		    "too many are being asked"));
	e->flags = BUS_WANT_COUNT | (ours ? 0 : BUS_FAR);
	if (!post_send(h, slots, ask_ref(q), e)) {
		ask_forget(&q);
		return (api_order_bad(&o->to, "unavailable",
		    "the others cannot be asked now"));
	}
	if (!ours)
		ask_far(q);
	ask_put(&q, slots, out);
	*later = q;
	return (true);
}

static bool
answer_do(struct hub *h, struct answer_order *o, void *asker,
    struct buf *out, struct ask **later)
{
	bool ours = answer_is_ours(h, o);
	struct bus_envelope e;

	answer_fill(o, &e);
	if (!ours || await_reply(h, &e.publish) == 0)
		return (answer_ask(h, o, ours, &e, asker, out, later));
	(void)ask_render_one(out, 1, true);
	return (true);
}

int
api_answers(struct hub *h, struct slice body, void *asker, struct buf *out,
    struct ask **later)
{
	static struct answer_order o;	/* lists of names; one at a time */
	int status;
	bool ok;

	*later = NULL;
	ok = answer_read(&o, h, body) && answer_do(h, &o, asker, out, later);
	status = api_order_end(&o.to, ok, out);
	return (*later != NULL ? 0 : status);
}

/* --- as told --------------------------------------------------------------- */

void
answers_bus(struct hub *h, const struct bus_envelope *e)
{
	uint32_t n = await_reply(h, &e->publish);

	if (e->flags & BUS_WANT_COUNT)
		ask_report(h, e, n, false);
}
