/*
 * Channels by name and how each stands; see subscriptions_int.h.
 */
#include "relay/redis/subscriptions_int.h"

#include <stdlib.h>

#include "shm/counters.h"

bool
subscriptions_table_open(struct subscriptions *t)
{
	TAILQ_INIT(&t->asked);
	t->cap = 64;
	t->buckets = calloc(t->cap, sizeof(struct subscription *));
	return (t->buckets != NULL);
}

void
subscriptions_table_close(struct subscriptions *t)
{
	struct subscription *s;
	size_t i;

	counter_sub(COUNTER_redis_channels, t->non);
	for (i = 0; t->buckets != NULL && i < t->cap; i++)
		while ((s = t->buckets[i]) != NULL) {
			t->buckets[i] = s->next;
			free(s);
		}
	free(t->buckets);
	t->buckets = NULL;
}

static struct subscription **
subscriptions_at(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel, uint64_t hash)
{
	struct subscription **at = &t->buckets[hash & (t->cap - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->kind != kind ||
	    !slice_eq(sub_channel(*at), channel)))
		at = &(*at)->next;
	return (at);
}

struct subscription **
subscriptions_place(struct subscriptions *t, enum subscription_kind kind,
    struct slice channel)
{
	return (subscriptions_at(t, kind, channel,
	    hash_bytes(&t->p.hash_key, channel)));
}

/* As many buckets as channels: the old ones stay when there is no memory. */
static void
subscriptions_grow(struct subscriptions *t)
{
	struct subscription **old = t->buckets, *s, *next;
	size_t cap = t->cap, i;

	if (t->n < t->cap)
		return;
	t->buckets = calloc(2 * cap, sizeof *t->buckets);
	if (t->buckets == NULL) {
		t->buckets = old;
		return;
	}
	t->cap = 2 * cap;
	for (i = 0; i < cap; i++)
		for (s = old[i]; s != NULL; s = next) {
			next = s->next;
			s->next = t->buckets[s->hash & (t->cap - 1)];
			t->buckets[s->hash & (t->cap - 1)] = s;
		}
	free(old);
}

struct subscription *
subscriptions_insert(struct subscriptions *t, struct subscription **at,
    enum subscription_kind kind, struct slice channel)
{
	struct subscription *s = calloc(1, sizeof *s + channel.n);

	if (s == NULL)
		return (NULL);
	*at = s;
	s->kind = kind;
	s->hash = hash_bytes(&t->p.hash_key, channel);
	s->n = channel.n;
	if (channel.n > 0)
		memcpy(s->channel, channel.p, channel.n);
	s->wanted = true;
	t->n++;
	subscriptions_grow(t);
	return (s);
}

void
subscription_enter(struct subscriptions *t, struct subscription *s,
    enum subscription_state state)
{
	bool was_on = s->state == SUB_ON;

	t->non -= was_on;
	t->ndenied -= s->state == SUB_DENIED;
	if (s->state == SUB_ASKED)
		TAILQ_REMOVE(&t->asked, s, asked);
	s->state = (uint8_t)state;
	if (s->kind == SUB_ALL_OURS)
		t->all = state == SUB_ON;
	t->non += state == SUB_ON;
	t->ndenied += state == SUB_DENIED;
	if (state == SUB_ASKED)
		TAILQ_INSERT_TAIL(&t->asked, s, asked);
	if (was_on && state != SUB_ON)
		counter_sub(COUNTER_redis_channels, 1);
	if (!was_on && state == SUB_ON)
		counter_add(COUNTER_redis_channels, 1);
}

void
subscription_drop(struct subscriptions *t, struct subscription *s)
{
	struct subscription **at = subscriptions_at(t, s->kind,
	    sub_channel(s), s->hash);

	MUST(*at == s);
	*at = s->next;
	subscription_enter(t, s, SUB_OFF);
	t->nstale -= s->stale > 0;
	t->n--;
	free(s);
}

void
subscriptions_each(struct subscriptions *t, void (*call)(
    struct subscriptions *, struct subscription *, void *), void *arg)
{
	struct subscription *s, *next;
	size_t i;

	for (i = 0; i < t->cap; i++)
		for (s = t->buckets[i]; s != NULL; s = next) {
			next = s->next;
			call(t, s, arg);
		}
}
