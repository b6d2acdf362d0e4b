/*
 * Questions about notifications; see box.h.
 */
#include "hub/stream/box.h"

#include <stdlib.h>

#include "hub/stream/stream_int.h"

struct box_wait {
	struct question	 wait;
	box_done	*done;
	void		*arg;
};

static void
box_over(struct hub *h, struct question *q, const struct bus_envelope *e)
{
	struct box_wait *w = container_of(q, struct box_wait, wait);
	enum bus_store result = BUS_STORE_UNAVAILABLE;
	struct box_reply r;
	bool good = false;

	if (e == NULL)
		counter_add(COUNTER_notices_unheard, 1);
	else if (e->kind != BUS_BOXED)
		counter_add(COUNTER_bus_bad, 1);
	else if (e->box.what != BUS_STORE_OK)
		result = (enum bus_store)e->box.what;
	else if (box_get_reply(e->box.body, &r))
		good = true;
	else
		counter_add(COUNTER_bus_bad, 1);
	w->done(h, w->arg, good ? BUS_STORE_OK : result, good ? &r : NULL);
	free(w);
}

bool
box_ask(struct hub *h, const struct conf_namespace *ns, struct slice user,
    enum box_op op, struct slice body, box_done *done, void *arg)
{
	struct box_wait *w = calloc(1, sizeof *w);
	struct bus_envelope e;
	struct bus_box *b = bus_box(&e, op);

	if (w == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	w->wait.over = box_over;
	w->done = done;
	w->arg = arg;
	b->nsp = slice_of(ns->name, ns->name_len);
	b->user = user;
	b->body = body;
	if (question_ask(h, &e, &w->wait))
		return (true);
	free(w);
	return (false);
}

void
box_bus(struct hub *h, const struct bus_envelope *e)
{
	if (!question_answered(h, e))
		counter_add(COUNTER_notices_unheard, 1);	/* too late */
}

const char *
box_why(enum bus_store result)
{
	return (result == BUS_STORE_TOO_LARGE ?
	    "larger than a notification may be" :
	    "notifications cannot be asked for now, or whether it was done "
	    "is not known");
}
