/*
 * Events for users who are away, in Redis: who hears that something waits; see
 * inbox.h.  Called by stream.c.
 */
#include "relay/stream/inbox_int.h"

#include <sys/random.h>

#include "base/clock.h"
#include "base/slotset.h"
#include "shm/interest.h"

#define INBOX_ASKED_MAX	16384u		/* questions on their way, pages */

/* --- lists ----------------------------------------------------------------------- */

void
inbox_enter(struct inbox *b, struct inbox_list *list, struct inbox_asked *a)
{
	TAILQ_INSERT_TAIL(list, a, link);
	b->n++;
}

void
inbox_leave(struct inbox *b, struct inbox_list *list, struct inbox_asked *a)
{
	TAILQ_REMOVE(list, a, link);
	b->n--;
}

static void
inbox_free_all(struct inbox_list *list)
{
	struct inbox_asked *a;

	while ((a = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, a, link);
		free(a);
	}
}

/* Its node, so that a relay that is no more keeps nothing from the next one. */
static void
inbox_token(struct inbox *b, char *token)
{
	(void)snprintf(token, INBOX_TOKEN, "%016" PRIx64 ".%016" PRIx64
	    ".%" PRIu64, b->p.node_id, b->life, ++b->serial);
}

struct inbox_asked *
inbox_asked_new(struct inbox *b, const struct bus_envelope *e)
{
	struct slice nsp = e->publish.nsp, user = e->publish.to.users[0];
	struct inbox_asked *a = b->n >= INBOX_ASKED_MAX ? NULL :
	    calloc(1, sizeof *a + nsp.n + 1 + user.n);

	if (a == NULL)
		return (NULL);
	a->inbox = b;
	a->asker = (struct asker){ e->from, e->generation, e->ref };
	inbox_token(b, a->token);
	a->nsp_len = nsp.n;
	a->user_len = user.n;
	memcpy(a->bytes, nsp.p, nsp.n);
	memcpy(a->bytes + nsp.n + 1, user.p, user.n);
	inbox_enter(b, &b->asked, a);
	return (a);
}

struct inbox *
inbox_answered(struct inbox_asked *a)
{
	struct inbox *b = a->inbox;

	if (a->astray) {
		TAILQ_REMOVE(&b->astray, a, link);
		return (NULL);
	}
	inbox_leave(b, &b->asked, a);
	return (b);
}

/* --- names ----------------------------------------------------------------------- */

bool
inbox_is_up(const struct inbox *b)
{
	return (b->redis != NULL && redis_can_publish(b->redis));
}

bool
inbox_key(struct inbox *b, struct slice nsp, struct slice user)
{
	buf_reset(&b->key);
	buf_slice(&b->key, buf_unread(&b->channel));
	buf_byte(&b->key, ':');
	buf_slice(&b->key, slice_from(nsp, 1));
	buf_byte(&b->key, '#');
	buf_slice(&b->key, user);
	if (!b->key.oom)
		return (true);
	b->key.oom = false;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

void
inbox_tell_all(struct inbox *b, const struct inbox_asked *a)
{
	(void)redis_publish(b->redis, buf_unread(&b->channel),
	    slice_of(a->bytes, a->nsp_len + 1 + a->user_len), NULL, NULL);
}

/* --- what is added elsewhere ----------------------------------------------------*/

static void
inbox_on_message(void *arg, struct slice channel, struct slice payload)
{
	static struct bus_envelope e;	/* large; one at a time */
	const struct conf_namespace *ns;
	char key[INTEREST_KEY_MAX];
	struct inbox *b = arg;
	struct slice user;
	const uint8_t *nul;

	(void)channel;
	nul = payload.n == 0 ? NULL : memchr(payload.p, 0, payload.n);
	if (nul == NULL) {
		counter_add(COUNTER_far_bad, 1);
		return;
	}
	ns = conf_namespace_find(b->p.conf, slice_of(payload.p,
	    (size_t)(nul - payload.p)));
	user = slice_from(payload, (size_t)(nul - payload.p) + 1);
	if (ns == NULL || user.n == 0 || user.n > INTEREST_NAME_MAX)
		return;
	slotset_clear(e.slots);
	interest_who(b->interest, ns->index, interest_key(key, INTEREST_USER,
	    user), e.slots);
	if (slotset_empty(e.slots))
		return;
	bus_inbox(&e)->nsp = slice_of(ns->name, ns->name_len);
	e.publish.to.users[e.publish.to.nusers++] = user;
	e.from = e.generation = 0;
	e.ref = 0;
	buf_reset(&b->frame);
	if (bus_encode(&b->frame, &e))
		(void)exchange_route(b->p.exchange, buf_unread(&b->frame),
		    e.slots, 0);
	b->frame.oom = false;
}

static bool
inbox_is_wanted(const struct inbox *b)
{
	size_t i;

	for (i = 0; i < b->p.conf->nnamespaces; i++)
		if (!b->p.conf->namespaces[i].gone &&
		    b->p.conf->namespaces[i].queues)
			return (true);
	return (false);
}

/* The Redis of before is there yet, and answers to nobody. */
static void
inbox_forget(struct inbox *b)
{
	struct inbox_asked *a;

	if (b->listens)
		redis_unsubscribe(b->redis, buf_unread(&b->channel));
	b->listens = false;
	while ((a = TAILQ_FIRST(&b->asked)) != NULL) {
		inbox_leave(b, &b->asked, a);
		a->astray = true;
		TAILQ_INSERT_TAIL(&b->astray, a, link);
	}
}

static void
inbox_listen(struct inbox *b, const char *prefix)
{
	buf_reset(&b->channel);
	buf_printf(&b->channel, "%sinbox", prefix);
	if (!b->channel.oom && !inbox_is_wanted(b))
		return;
	b->listens = !b->channel.oom && redis_subscribe(b->redis,
	    buf_unread(&b->channel), inbox_on_message, b);
	if (!b->listens)
		counter_add(COUNTER_memory_failures, 1);
	b->channel.oom = false;
}

void
inboxes_redis(struct inbox *b, struct redis *redis, const char *prefix,
    bool changed, bool alone)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	if (changed)
		inbox_forget(b);
	if (alone)
		inbox_free_all(&b->astray);
	b->redis = redis;
	if (redis != NULL && !b->listens)
		inbox_listen(b, prefix);
	inbox_turn(b);
}

bool
inboxes_is_settled(const struct inbox *b)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	return (!inbox_is_up(b) || (TAILQ_EMPTY(&b->asked) &&
	    TAILQ_EMPTY(&b->held)));
}

/* --- birth and death --------------------------------------------------------*/

void
inboxes_conf(struct inbox *b, const struct conf *conf)
{
	CHECK_MAGIC(b, INBOX_MAGIC);
	b->p.conf = conf;
}

struct inbox *
inboxes_new(const struct inboxes_params *p)
{
	struct inbox *b = calloc(1, sizeof *b);

	if (b == NULL)
		return (NULL);
	b->magic = INBOX_MAGIC;
	b->p = *p;
	TAILQ_INIT(&b->asked);
	TAILQ_INIT(&b->astray);
	TAILQ_INIT(&b->held);
	TAILQ_INIT(&b->watched);
	buf_init(&b->channel);
	buf_init(&b->key);
	buf_init(&b->frame);
	buf_init(&b->page);
	if (getrandom(&b->life, sizeof b->life, 0) != (ssize_t)sizeof b->life)
		b->life = mono_now().us;
	b->interest = interest_open(p->segment, 0);
	if (b->interest == NULL)
		inboxes_free(&b);
	return (b);
}

void
inboxes_free(struct inbox **bp)
{
	struct inbox *b = *bp;

	if (b == NULL)
		return;
	*bp = NULL;
	CHECK_MAGIC(b, INBOX_MAGIC);
	if (b->interest != NULL)
		interest_close(&b->interest);
	inbox_free_all(&b->asked);
	inbox_free_all(&b->astray);
	inbox_free_all(&b->held);
	inbox_free_all(&b->watched);
	buf_fini(&b->channel);
	buf_fini(&b->key);
	buf_fini(&b->frame);
	buf_fini(&b->page);
	b->magic = 0;
	free(b);
}
