/*
 * Awareness: what users show of themselves, kept while they are there; see
 * yjs_int.h.  Each state has a clock, and the later one counts; who has not
 * renewed his for some time is gone, wherever he was.
 */
#include "hub/yjs/yjs_int.h"

#include <stdlib.h>

#include "hub/publish/publish.h"

#define AWARE_STATES	4096u		/* of one document, */
#define AWARE_BYTES	(1u << 20)	/* and their bytes; */
#define AWARE_OWN	64u		/* of one client */
#define AWARE_LIST	1024u		/* states in one message */
#define AWARE_JSON	(64u << 10)	/* bytes of one */
/* Providers renew theirs every 15 seconds, and forget others' after 30. */
#define AWARE_US	UINT64_C(35000000)

/* --- states ------------------------------------------------------------------ */

static struct ystate *
aware_find(const struct ydoc *d, uint64_t id)
{
	struct ystate *s;

	TAILQ_FOREACH(s, &d->states, link)
		if (s->id == id)
			return (s);
	return (NULL);
}

static void
aware_drop(struct ydoc *d, struct ystate *s)
{
	TAILQ_REMOVE(&d->states, s, link);
	d->nstates--;
	d->state_bytes -= s->n;
	free(s);
}

void
yaware_free(struct ydoc *d)
{
	while (!TAILQ_EMPTY(&d->states))
		aware_drop(d, TAILQ_FIRST(&d->states));
}

static unsigned
aware_count_own(const struct ydoc *d, const struct yjs *y)
{
	const struct ystate *s;
	unsigned n = 0;

	TAILQ_FOREACH(s, &d->states, link)
		n += s->owner == y;
	return (n);
}

static bool
aware_fits(const struct ydoc *d, const struct yjs *y,
    const struct ystate *before, size_t n)
{
	uint64_t bytes = d->state_bytes + n - (before == NULL ? 0 : before->n);

	return (n <= AWARE_JSON && bytes <= AWARE_BYTES &&
	    (before != NULL || d->nstates < AWARE_STATES) && (y == NULL ||
	    (before != NULL && before->owner == y) ||
	    aware_count_own(d, y) < AWARE_OWN));
}

/* An echo of what is known is no news; one who was gone is back with the clock
 * that he had. */
static bool
aware_is_news(const struct ystate *known, const struct yjs_state *is)
{
	if (known == NULL || is->clock > known->clock)
		return (true);
	return (is->clock == known->clock &&
	    known->gone != yjs_state_is_gone(is));
}

static bool
aware_set(struct ydoc *d, struct yjs *y, const struct yjs_state *is)
{
	struct ystate *before = aware_find(d, is->client), *s;

	if (!aware_is_news(before, is))
		return (false);
	if (!aware_fits(d, y, before, is->json.n) ||
	    (s = malloc(sizeof *s + is->json.n)) == NULL) {
		counter_add(COUNTER_yjs_awareness_refused, 1);
		return (false);
	}
	*s = (struct ystate){ .id = is->client, .clock = is->clock,
		.owner = y, .heard_us = d->hub->now.us,
		.n = (uint32_t)is->json.n, .gone = yjs_state_is_gone(is) };
	if (is->json.n != 0)
		memcpy(s->json, is->json.p, is->json.n);
	if (before != NULL)
		aware_drop(d, before);
	TAILQ_INSERT_TAIL(&d->states, s, link);
	d->nstates++;
	d->state_bytes += s->n;
	return (true);
}

bool
yaware_take(struct ydoc *d, struct yjs *y, struct slice list)
{
	struct yjs_state s;
	bool news = false;
	uint64_t n;

	if (!yjs_states(&list, &n) || n > AWARE_LIST) {
		counter_add(COUNTER_yjs_ignored, 1);
		return (false);
	}
	while (n-- > 0 && yjs_state_next(&list, &s))
		news |= aware_set(d, y, &s);
	return (news);
}

/* --- out --------------------------------------------------------------------- */

/* To all who are there, the sender too: it is a sign of life for him. */
static void
aware_publish(struct ydoc *d, struct slice event, struct slice message)
{
	struct slice name = ydoc_name(d);
	struct audience to = { .rooms = &name, .nrooms = 1 };
	struct publication p = yjs_publication(d, event, &message,
	    message.n != 0 ? 1 : 0);

	if (message.n == 0)
		p.args = p.first = SLICE("null");
	p.is_volatile = true;
	(void)publish_audience(d->hub, d->ns, &to, &p, NULL);
}

static void
aware_send(struct ydoc *d, struct slice list)
{
	struct buf b;

	buf_init(&b);
	yjs_put(&b, YJS_AWARENESS, list);
	if (b.oom)
		counter_add(COUNTER_memory_failures, 1);
	else
		aware_publish(d, YJS_EVENT, buf_unread(&b));
	buf_fini(&b);
}

void
yaware_say(struct yjs *y, struct slice list)
{
	struct ydoc *d = y->doc;

	if (!yaware_take(d, y, list))
		return;
	counter_add(COUNTER_yjs_awareness, 1);
	aware_send(d, list);
}

static void
aware_put(struct buf *b, const struct ystate *s, bool gone)
{
	yjs_state_put(b, &(struct yjs_state){ s->id, s->clock,
	    gone ? SLICE("null") : slice_of(s->json, s->n) });
}

/* Those that are there: of this client (NULL: all), or ours. */
static unsigned
aware_list(const struct ydoc *d, const struct yjs *y, bool ours, struct buf *b)
{
	const struct ystate *s;
	struct buf states;
	unsigned n = 0;

	buf_init(&states);
	TAILQ_FOREACH(s, &d->states, link) {
		if (s->gone || (y != NULL && s->owner != y) ||
		    (ours && s->owner == NULL))
			continue;
		aware_put(&states, s, false);
		n++;
	}
	yjs_number_put(b, n);
	buf_slice(b, buf_unread(&states));
	b->oom |= states.oom;
	buf_fini(&states);
	return (n);
}

unsigned
yaware_own(const struct yjs *y, struct buf *b)
{
	return (aware_list(y->doc, y, false, b));
}

void
yaware_load(struct yjs *y, struct slice list)
{
	struct yjs_state is;
	struct ystate *s;
	uint64_t n;

	if (!yjs_states(&list, &n))
		return;
	while (n-- > 0 && yjs_state_next(&list, &is)) {
		(void)aware_set(y->doc, y, &is);
		s = aware_find(y->doc, is.client);
		if (s != NULL && s->clock == is.clock)
			s->owner = y;
	}
}

void
yaware_give(struct yjs *y)
{
	struct buf b;

	buf_init(&b);
	if (aware_list(y->doc, NULL, false, &b) > 0 && !b.oom)
		yjs_say(y, YJS_AWARENESS, buf_unread(&b));
	buf_fini(&b);
}

/* --- who goes ------------------------------------------------------------------ */

/* These are gone from now on, and all hear of it. */
static void
aware_bury(struct ydoc *d, bool (*is)(const struct ystate *, const void *),
    const void *arg)
{
	struct ystate *s;
	struct buf b, states;
	unsigned n = 0;

	buf_init(&states);
	TAILQ_FOREACH(s, &d->states, link) {
		if (s->gone || !is(s, arg))
			continue;
		aware_put(&states, s, true);
		s->gone = true;
		d->state_bytes -= s->n;
		s->n = 0;
		n++;
	}
	if (n > 0) {
		buf_init(&b);
		yjs_number_put(&b, n);
		buf_slice(&b, buf_unread(&states));
		aware_send(d, buf_unread(&b));
		buf_fini(&b);
	}
	buf_fini(&states);
}

static bool
aware_is_own(const struct ystate *s, const void *y)
{
	return (s->owner == y);
}

void
yaware_leave(struct yjs *y)
{
	aware_bury(y->doc, aware_is_own, y);
}

void
yaware_forget(struct yjs *y)
{
	struct ystate *s;

	TAILQ_FOREACH(s, &y->doc->states, link)
		if (s->owner == y)
			s->owner = NULL;
}

static bool
aware_is_old(const struct ystate *s, const void *now_us)
{
	return (*(const uint64_t *)now_us - s->heard_us > AWARE_US);
}

void
yaware_sweep(struct ydoc *d)
{
	struct ystate *s, *next;

	for (s = TAILQ_FIRST(&d->states); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!aware_is_old(s, &d->hub->now.us))
			continue;
		if (s->gone)
			aware_drop(d, s);
		else
			counter_add(COUNTER_yjs_expired, 1);
	}
	aware_bury(d, aware_is_old, &d->hub->now.us);
}

/* --- other workers --------------------------------------------------------------- */

void
yaware_tell(struct ydoc *d)
{
	struct buf b;

	if (!d->tells)
		return;
	d->tells = false;
	buf_init(&b);
	if (aware_list(d, NULL, true, &b) > 0 && !b.oom)
		aware_send(d, buf_unread(&b));
	buf_fini(&b);
}

/* Once for each document that is opened here. */
void
yaware_query(struct ydoc *d)
{
	if (d->holds == 1 && d->nstates == 0)
		aware_publish(d, YJS_QUERY_EVENT, slice_of(NULL, 0));
}
