/*
 * An event for a user who is away joins what waits; see inbox.h.  Called by
 * stream.c.
 */
#include "relay/stream/inbox_int.h"

#include "base/slotset.h"
#include "relay/stream/inbox_script.h"

/* A reply may have 1 MiB. */
#define INBOX_EVENT_MAX	(512u << 10)

static void
inbox_refuse(struct inbox *b, const struct asker *to, enum bus_store result)
{
	counter_add(COUNTER_inbox_refused, 1);
	(void)b->p.answer(b->p.arg, to, result, slice_of(NULL, 0), false);
}

static void
inbox_on_added(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b == NULL)
		;		/* who has asked has waited long enough */
	else if (o == NULL || o->type != REPLY_INTEGER)
		inbox_refuse(b, &a->asker, BUS_STORE_UNAVAILABLE);
	else {
		counter_add(COUNTER_inbox_queued, 1);
		counter_add(COUNTER_inbox_displaced, (uint64_t)o->integer);
		(void)b->p.answer(b->p.arg, &a->asker, BUS_STORE_OK,
		    slice_of(NULL, 0), false);
		inbox_tell_all(b, a);
	}
	free(a);
}

static bool
inbox_send_add(struct inbox *b, const struct conf_namespace *ns,
    struct inbox_asked *a, struct slice frame)
{
	char most[16], bytes[24], ms[24];
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_add),
		SLICE("1"), SLICE(""), frame, SLICE(""), SLICE(""),
		SLICE("") };

	if (!inbox_key(b, inbox_asked_nsp(a), inbox_asked_user(a)))
		return (false);
	(void)snprintf(most, sizeof most, "%u", ns->offline_events);
	(void)snprintf(bytes, sizeof bytes, "%" PRIu64, ns->offline_bytes);
	(void)snprintf(ms, sizeof ms, "%" PRIu64, ns->offline_keep_ms);
	argv[3] = buf_unread(&b->key);
	argv[5] = slice_str(most);
	argv[6] = slice_str(bytes);
	argv[7] = slice_str(ms);
	return (redis_command(b->redis, argv[3], argv, nitems(argv),
	    inbox_on_added, a));
}

/* As a worker is to have it later. */
static bool
inbox_encode(struct inbox *b, struct bus_envelope *e)
{
	e->kind = BUS_PUBLISH;
	e->flags = 0;
	slotset_clear(e->slots);
	e->from = e->generation = 0;
	e->ref = 0;
	e->publish.kept = e->publish.sent_us = 0;
	buf_reset(&b->frame);
	if (bus_encode(&b->frame, e))
		return (true);
	b->frame.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
inboxes_queue(struct inbox *b, struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(b->p.conf,
	    e->publish.nsp);
	struct asker asker = { e->from, e->generation, e->ref };
	struct inbox_asked *a;

	CHECK_MAGIC(b, INBOX_MAGIC);
	if (ns == NULL || !inbox_is_up(b) ||
	    (a = inbox_asked_new(b, e)) == NULL) {
		inbox_refuse(b, &asker, BUS_STORE_UNAVAILABLE);
		return;
	}
	if (inbox_encode(b, e) && b->frame.wpos <= INBOX_EVENT_MAX &&
	    b->frame.wpos <= ns->offline_bytes &&
	    inbox_send_add(b, ns, a, buf_unread(&b->frame)))
		return;
	inbox_refuse(b, &asker, b->frame.wpos > INBOX_EVENT_MAX ||
	    b->frame.wpos > ns->offline_bytes ? BUS_STORE_TOO_LARGE :
	    BUS_STORE_UNAVAILABLE);
	(void)inbox_answered(a);
	free(a);
}
