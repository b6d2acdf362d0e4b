/*
 * Questions of others; see inquire.h.  Called by hub/backend.
 */
#include "hub/stream/inquire.h"

#include <stdlib.h>

#include "hub/stream/stream_int.h"

struct inquiry {
	struct question	 wait;
	uint32_t	 ref;
	inquire_said	*said;
};

static void
inquire_over(struct hub *h, struct question *w, const struct bus_envelope *e)
{
	struct inquiry *q = container_of(w, struct inquiry, wait);

	q->said(h, q->ref, e);
	free(q);
}

bool
inquire(struct hub *h, struct bus_envelope *e, uint32_t ref,
    inquire_said *said)
{
	struct inquiry *q = calloc(1, sizeof *q);

	if (q == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	q->wait.over = inquire_over;
	q->ref = ref;
	q->said = said;
	if (question_ask(h, e, &q->wait))
		return (true);
	free(q);
	return (false);
}
