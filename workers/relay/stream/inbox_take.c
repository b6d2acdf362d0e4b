/*
 * What waits goes to the worker that has its user; see inbox.h.  Called by
 * stream.c, and by inbox.c as time goes by.
 *
 *	ask ─► asked ─► held ─► asked ─► gone
 *	        │ take    │      done
 *	        │         └ the worker is gone, or says nothing: others may
 *	        └ somebody else has it: it is looked for when that is over
 */
#include "relay/stream/inbox_int.h"

#include "relay/stream/inbox_script.h"

#define INBOX_PAGE_BYTES "262144"
#define INBOX_PAGE_TEXT	"256"		/* INBOX_PAGE */
#define INBOX_HEAD	4u		/* numbers before the frames */

/* --- what is done with ---------------------------------------------------------- */

/* By when it is due: most come last. */
static void
inbox_watch(struct inbox *b, struct inbox_asked *a, uint64_t ms)
{
	struct inbox_asked *before;

	a->due_ms = b->p.exchange->mono_ms + ms;
	TAILQ_FOREACH_REVERSE(before, &b->watched, inbox_list, link)
		if (before->due_ms <= a->due_ms)
			break;
	if (before == NULL)
		TAILQ_INSERT_HEAD(&b->watched, a, link);
	else
		TAILQ_INSERT_AFTER(&b->watched, before, a, link);
	b->n++;
}

/* What has come while nobody else got any is to be looked for. */
static void
inbox_on_done(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b != NULL && (o == NULL || o->type != REPLY_INTEGER)) {
		inbox_watch(b, a, INBOX_LEASE_MS);
		return;
	}
	if (b != NULL && o->integer > 0 && !a->more)
		inbox_tell_all(b, a);
	free(a);
}

/* What is given goes, or (given is false) others may have it.  Takes a, which is
 * in no list. */
static void
inbox_done(struct inbox *b, struct inbox_asked *a, bool given)
{
	char first[24], last[24];
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_done),
		SLICE("1"), SLICE(""), slice_str(a->token), SLICE(""),
		SLICE("") };

	(void)snprintf(first, sizeof first, "%" PRId64, a->first);
	(void)snprintf(last, sizeof last, "%" PRId64, given ? a->last :
	    a->first - 1);
	argv[5] = slice_str(first);
	argv[6] = slice_str(last);
	a->more = a->more && given;
	if (inbox_is_up(b) && inbox_key(b, inbox_asked_nsp(a),
	    inbox_asked_user(a))) {
		argv[3] = buf_unread(&b->key);
		inbox_enter(b, &b->asked, a);
		if (redis_command(b->redis, argv[3], argv, nitems(argv),
		    inbox_on_done, a))
			return;
		inbox_leave(b, &b->asked, a);
	}
	inbox_watch(b, a, INBOX_LEASE_MS);
}

static void
inbox_settle(struct inbox *b, const struct bus_envelope *e)
{
	struct inbox_asked *a;

	TAILQ_FOREACH(a, &b->held, link)
		if (a->asker.ref == e->ref && a->asker.slot == e->from &&
		    a->asker.generation == e->generation) {
			inbox_leave(b, &b->held, a);
			inbox_done(b, a, e->publish.kept == INBOX_TAKEN);
			return;
		}
	/* else it came too late */
}

void
inboxes_worker_gone(struct inbox *b, unsigned slot)
{
	struct inbox_asked *a, *next;

	CHECK_MAGIC(b, INBOX_MAGIC);
	for (a = TAILQ_FIRST(&b->held); a != NULL; a = next) {
		next = TAILQ_NEXT(a, link);
		if (a->asker.slot != slot)
			continue;
		inbox_leave(b, &b->held, a);
		inbox_done(b, a, false);
	}
}

void
inbox_turn(struct inbox *b)
{
	uint64_t now = b->p.exchange->mono_ms;
	struct inbox_asked *a;

	while ((a = TAILQ_FIRST(&b->held)) != NULL && a->due_ms <= now) {
		inbox_leave(b, &b->held, a);
		inbox_done(b, a, false);
	}
	while ((a = TAILQ_FIRST(&b->watched)) != NULL && a->due_ms <= now &&
	    inbox_is_up(b)) {
		inbox_leave(b, &b->watched, a);
		inbox_tell_all(b, a);
		free(a);
	}
}

/* --- answers -------------------------------------------------------------------- */

static bool
inbox_is_page(const struct reply *o)
{
	size_t i;

	if (o == NULL || o->type != REPLY_ARRAY || o->n < INBOX_HEAD)
		return (false);
	for (i = 0; i < o->n; i++)
		if (o->elements[i]->type != (i < INBOX_HEAD ? REPLY_INTEGER :
		    REPLY_STRING))
			return (false);
	return (true);
}

/* Takes a. */
static void
inbox_give(struct inbox *b, struct inbox_asked *a, const struct reply *o)
{
	bool given;
	size_t i;

	counter_add(COUNTER_inbox_expired, (uint64_t)o->elements[0]->integer);
	a->more = o->elements[1]->integer > 0;
	a->first = o->elements[2]->integer;
	a->last = o->elements[3]->integer;
	buf_reset(&b->page);
	for (i = INBOX_HEAD; i < o->n; i++)
		buf_slice(&b->page, o->elements[i]->text);
	if (b->page.oom)
		counter_add(COUNTER_memory_failures, 1);
	given = !b->page.oom && b->p.answer(b->p.arg, &a->asker, BUS_STORE_OK,
	    buf_unread(&b->page), a->more);
	b->page.oom = false;
	if (o->elements[1]->integer < 0)
		inbox_watch(b, a, 1 + (uint64_t)-o->elements[1]->integer);
	else if (o->n == INBOX_HEAD)
		free(a);
	else if (!given)
		inbox_done(b, a, false);
	else {
		a->due_ms = b->p.exchange->mono_ms + INBOX_LEASE_MS;
		inbox_enter(b, &b->held, a);
	}
}

static void
inbox_on_taken(void *arg, const struct reply *o)
{
	struct inbox_asked *a = arg;
	struct inbox *b = inbox_answered(a);

	if (b != NULL && inbox_is_page(o)) {
		inbox_give(b, a, o);
		return;
	}
	if (b != NULL)
		(void)b->p.answer(b->p.arg, &a->asker, BUS_STORE_UNAVAILABLE,
		    slice_of(NULL, 0), false);
	free(a);
}

/* --- questions ------------------------------------------------------------------ */

static bool
inbox_send_take(struct inbox *b, const struct conf_namespace *ns,
    struct inbox_asked *a)
{
	struct slice argv[] = { SLICE("EVAL"), slice_str(inbox_script_take),
		SLICE("1"), SLICE(""), SLICE(INBOX_PAGE_TEXT),
		SLICE(INBOX_PAGE_BYTES), SLICE(""), slice_str(a->token) };
	char ms[24];

	if (!inbox_key(b, inbox_asked_nsp(a), inbox_asked_user(a)))
		return (false);
	(void)snprintf(ms, sizeof ms, "%" PRIu64, ns->offline_keep_ms);
	argv[3] = buf_unread(&b->key);
	argv[6] = slice_str(ms);
	return (redis_command(b->redis, argv[3], argv, nitems(argv),
	    inbox_on_taken, a));
}

static void
inbox_ask(struct inbox *b, const struct bus_envelope *e)
{
	const struct conf_namespace *ns = conf_namespace_find(b->p.conf,
	    e->publish.nsp);
	struct asker asker = { e->from, e->generation, e->ref };
	struct inbox_asked *a = NULL;

	if (ns != NULL && inbox_is_up(b))
		a = inbox_asked_new(b, e);
	if (a != NULL && inbox_send_take(b, ns, a))
		return;
	if (a != NULL) {
		(void)inbox_answered(a);
		free(a);
	}
	(void)b->p.answer(b->p.arg, &asker, BUS_STORE_UNAVAILABLE,
	    slice_of(NULL, 0), false);
}

/* Somewhere else the user may be yet. */
static void
inbox_left(struct inbox *b, const struct bus_envelope *e)
{
	struct inbox_asked *a = inbox_asked_new(b, e);

	if (a == NULL)
		return;
	(void)inbox_answered(a);
	if (!inbox_is_up(b)) {
		inbox_watch(b, a, INBOX_LEASE_MS);
		return;
	}
	inbox_tell_all(b, a);
	free(a);
}

void
inboxes_take(struct inbox *b, const struct bus_envelope *e)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	switch (e->publish.kept) {
	case INBOX_TAKEN:
	case INBOX_BACK:
		inbox_settle(b, e);
		break;
	case INBOX_LEFT:
		inbox_left(b, e);
		break;
	default:
		inbox_ask(b, e);
		break;
	}
}
