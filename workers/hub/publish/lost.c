/*
 * What did not leave this worker; see lost.h.  Called by post.c.
 */
#include "hub/publish/lost.h"

#include <stdlib.h>

#include "hub/hub_int.h"

struct lost_table *
lost_table_new(struct hub *h)
{
	struct lost_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	gaps_init(&t->out, h->conf);
	buf_init(&t->words);
	return (t);
}

void
lost_table_free(struct hub *h)
{
	if (h->lost == NULL)
		return;
	gaps_fini(&h->lost->out);
	buf_fini(&h->lost->words);
	free(h->lost);
	h->lost = NULL;
}

void
lost_note(struct hub *h, const struct bus_envelope *e)
{
	gaps_note_lost(&h->lost->out, e, h->wall.ms);
}
