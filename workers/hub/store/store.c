/*
 * The roof of store/; see store.h.  Called by hub.c and move/.
 */
#include "hub/store/store_int.h"

#include <stdlib.h>

#include "hub/session/client.h"
#include "hub/store/heal.h"
#include "hub/store/waiter.h"

struct store_table *
store_table_new(const struct hub *h)
{
	struct store_table *t = calloc(1, sizeof *t);

	if (t == NULL)
		return (NULL);
	waits_init(&t->keeps, STORE_KEEPS_MAX, h->generation);
	waits_init(&t->asks, STORE_ASKS_MAX, h->generation);
	waiter_table_init(&t->waiters);
	TAILQ_INIT(&t->slow);
	TAILQ_INIT(&t->heals);
	lag_table_init(t);
	t->era = 1;
	return (t);
}

void
store_table_free(struct hub *h)
{
	struct store_table *t = h->store;

	if (t == NULL)
		return;
	keep_lost(h);
	history_lost(h);
	heal_lost(h);
	enter_tick(h);
	MUST(TAILQ_EMPTY(&t->slow) && t->healing == 0);
	waits_fini(&t->keeps);
	waits_fini(&t->asks);
	hashtab_fini(&t->waiters);
	lag_table_fini(t);
	free(t);
	h->store = NULL;
}

void
store_tick(struct hub *h)
{
	keep_tick(h);
	history_tick(h);
	enter_tick(h);
	heal_tick(h);
	lag_tick(h);
}

void
store_gone(struct hub *h, const uint64_t slots[2])
{
	keep_gone(h, slots);
}

void
store_lost(struct hub *h)
{
	h->store->era++;
	keep_lost(h);
	history_lost(h);
	heal_lost(h);
}

bool
store_waits(const struct client *c)
{
	return (waiter_any(c->hub, c->serial) || store_heals_any(c));
}

bool
store_heals(const struct session *s)
{
	return (heal_concerns(s));
}

bool
store_heals_any(const struct client *c)
{
	const struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (heal_concerns(s))
			return (true);
	return (false);
}

bool
store_any(const struct hub *h)
{
	return (h->store->waiters.count != 0 || h->store->healing != 0);
}
