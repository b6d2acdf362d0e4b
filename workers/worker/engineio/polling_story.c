/*
 * What is told of a session over polling; see net/story.h.
 */
#include "worker/engineio/polling_int.h"
#include "worker/worker.h"

static struct story_of
poller_story_of(const struct poller *p)
{
	return ((struct story_of){ .w = p->all->w, .client = p->client,
	    .kind = RECORD_POLLING, .queue = &p->outq,
	    .reason = (enum reason)p->reason });
}

void
poller_story_begin(struct poller *p, const struct from *from)
{
	const struct story_of of = poller_story_of(p);

	story_begin(&p->story, &of, from->address, from->port);
}

void
polling_note(struct poller *p, const struct client_noted *n)
{
	const struct story_of of = poller_story_of(p);

	story_note(&p->story, &of, n);
}

void
poller_story_end(const struct poller *p)
{
	const struct story_of of = poller_story_of(p);

	story_end(&p->story, &of);
}
