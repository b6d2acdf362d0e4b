/*
 * One namespace's entries on their way; see courier.h.  Called by hooks.c.
 */
#include "relay/hooks/courier.h"

#include <sys/random.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "relay/hooks/body.h"
#include "relay/redis/backoff.h"
#include "shm/counters.h"
#include "sys/log.h"

#define COURIER_ANSWER_MAX	(64u << 10)	/* bytes; not looked at */
#define COURIER_REFUSALS	3u

static void	courier_on_done(struct post *, const struct post_result *);

bool
courier_init(struct courier *c, const char *nsp,
    const struct courier_calls *calls)
{
	*c = (struct courier){ .calls = calls, .nsp = strdup(nsp) };
	c->post.done = courier_on_done;
	hook_queue_init(&c->queue);
	buf_init(&c->body);
	return (c->nsp != NULL);
}

void
courier_fini(struct courier *c)
{
	post_stop(&c->post);
	hook_queue_fini(&c->queue);
	buf_fini(&c->body);
	free(c->nsp);
	free(c->hook);
	c->nsp = c->hook = NULL;
}

bool
courier_name(struct courier *c, const char *hook)
{
	char *name;

	if (c->hook != NULL && strcmp(c->hook, hook) == 0)
		return (true);
	name = strdup(hook);
	if (name == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (false);
	}
	free(c->hook);
	c->hook = name;
	return (true);
}

void
courier_add(struct courier *c, struct entry *e, uint64_t now_ms)
{
	hook_queue_add(&c->queue, e, now_ms);
}

bool
courier_is_well(const struct courier *c)
{
	/* the next one shows it, where nothing waits to be sent again */
	return (c->failures == 0 || c->queue.n == 0);
}

/* --- what becomes of entries ------------------------------------------------*/

/* The first n; why NULL: they were taken. */
static void
courier_let_go(struct courier *c, unsigned n, const char *why)
{
	struct entry *e;

	for (; n > 0 && (e = hook_queue_take(&c->queue)) != NULL; n--) {
		if (e->asker.ref != 0)
			c->calls->done(c->calls->arg, &e->asker, why == NULL);
		if (c->alone > 0)
			c->alone--;
		if (why == NULL)
			free(e);
		else
			c->calls->dead(c->calls->arg, c, e, why);
	}
	c->sealed = 0;
	c->refusals = 0;
}

static void
courier_bury(struct courier *c, unsigned n, const char *why)
{
	uint64_t first = c->queue.n > 0 ?
	    STAILQ_FIRST(&c->queue.list)->number : 0;

	counter_add(COUNTER_hook_dead, n);
	log_warnx("hook_dead_letters hook=\"%s\" namespace=\"%s\" first=%"
	    PRIu64 " number=%u why=\"%s\"", c->hook == NULL ? "" : c->hook,
	    c->nsp, first, n, why);
	courier_let_go(c, n, why);
}

/* All that are too old to be sent again. */
static void
courier_bury_old(struct courier *c, const char *why)
{
	const struct entry *e;
	unsigned n = 0;

	STAILQ_FOREACH(e, &c->queue.list, next) {
		if (c->now_ms - e->since_ms < c->retry_ms)
			break;
		n++;
	}
	if (n > 0)
		courier_bury(c, n, why);
}

void
courier_drop(struct courier *c)
{
	post_stop(&c->post);
	if (c->queue.n > 0)
		courier_bury(c, c->queue.n, "there is no hook any more");
	c->failures = 0;
	c->again_ms = 0;
	c->told = false;
}

/* --- answers ----------------------------------------------------------------*/

static void
courier_taken(struct courier *c)
{
	counter_add(COUNTER_hook_entries, c->sealed);
	courier_let_go(c, c->sealed, NULL);
	c->good_ms = wall_now().ms;
	c->failures = 0;
	c->again_ms = 0;
	if (c->told)
		log_info("hook_works hook=\"%s\" namespace=\"%s\"", c->hook,
		    c->nsp);
	c->told = false;
}

static void
courier_wait(struct courier *c, uint64_t at_least_ms)
{
	uint64_t ms = backoff_ms(c->failures, 0);
	uint32_t some;

	if (getrandom(&some, sizeof some, 0) == (ssize_t)sizeof some)
		ms = backoff_ms(c->failures, some);
	c->again_ms = c->now_ms + (ms < at_least_ms ? at_least_ms : ms);
}

static void
courier_failed(struct courier *c, const char *why, uint64_t at_least_ms)
{
	counter_add(COUNTER_hook_failures, 1);
	c->failures++;
	c->bad_ms = wall_now().ms;
	(void)snprintf(c->why, sizeof c->why, "%s", why);
	if (!c->told)
		log_warnx("hook_fails hook=\"%s\" namespace=\"%s\" why=\"%s\" "
		    "hint=\"it is tried again\"", c->hook, c->nsp, why);
	c->told = true;
	courier_wait(c, at_least_ms);
}

/* It understands us, and wants none of it. */
static void
courier_refused(struct courier *c, const char *why, bool for_good)
{
	courier_failed(c, why, 0);
	if (for_good) {
		courier_bury(c, c->sealed, why);
		return;
	}
	if (++c->refusals < COURIER_REFUSALS) {
		courier_bury_old(c, why);
		return;
	}
	if (c->sealed == 1) {
		courier_bury(c, 1, why);
		return;
	}
	c->alone = c->sealed;
	c->sealed = 0;
	c->refusals = 0;
}

static bool
courier_is_refusal(unsigned status)
{
	return (status >= 300 && status < 500 && status != 408 &&
	    status != 425 && status != 429);
}

static void
courier_on_done(struct post *p, const struct post_result *r)
{
	struct courier *c = container_of(p, struct courier, post);
	char why[COURIER_WHY];

	if (r->why != NULL && !r->large)
		(void)snprintf(why, sizeof why, "%s", r->why);
	else
		(void)snprintf(why, sizeof why, "status %u", r->status);
	if (r->why != NULL && !r->large) {
		courier_failed(c, why, 0);
		courier_bury_old(c, why);
	} else if (r->status >= 200 && r->status < 300)
		courier_taken(c);
	else if (courier_is_refusal(r->status))
		courier_refused(c, why, r->status == 410);
	else {
		courier_failed(c, why, r->retry_after_ms);
		courier_bury_old(c, why);
	}
}

/* --- sending ----------------------------------------------------------------*/

static bool
courier_is_full(const struct courier *c, const struct conf_hook *hook)
{
	return (c->alone > 0 || c->queue.n >= hook->batch ||
	    c->queue.bytes >= hook->batch_bytes);
}

uint64_t
courier_due(const struct courier *c, const struct conf_hook *hook)
{
	if (c->queue.n == 0 || c->post.target != NULL)
		return (UINT64_MAX);
	if (c->again_ms != 0)
		return (c->again_ms);
	if (c->sealed > 0 || courier_is_full(c, hook))
		return (0);
	return (STAILQ_FIRST(&c->queue.list)->since_ms + hook->batch_delay_ms);
}

/* The same as before, or another body; false: no memory now. */
static bool
courier_seal(struct courier *c, const struct courier_way *w)
{
	struct hook_bounds most = { c->alone > 0 ? 1 : w->hook->batch,
		w->hook->batch_bytes };
	char epoch[ENTRY_EPOCH];
	struct body_source source = { w->source, epoch, slice_str(c->nsp) };

	if (c->sealed > 0)
		return (true);
	entry_epoch(epoch, STAILQ_FIRST(&c->queue.list)->epoch);
	buf_reset(&c->body);
	c->sealed = hook_queue_share(&c->queue, &most);
	body_put(&c->body, &source, STAILQ_FIRST(&c->queue.list), c->sealed);
	if (!c->body.oom)
		return (true);
	c->body.oom = false;
	c->sealed = 0;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

static bool
courier_send(struct courier *c, const struct courier_way *w)
{
	char sign[BODY_SIGNATURE], line[BODY_SIGNATURE + 32], name[128];
	const char *headers[] = { line, name };
	struct post_request q = { .headers = headers,
		.nheaders = nitems(headers), .body = buf_unread(&c->body),
		.timeout_ms = w->hook->timeout_ms,
		.answer_max = COURIER_ANSWER_MAX };

	body_sign(sign, slice_str(w->hook->secret), w->wall_ms / 1000, q.body);
	(void)snprintf(line, sizeof line, "X-Roost-Signature: %s", sign);
	(void)snprintf(name, sizeof name, "X-Roost-Question: entries");
	return (post_start(&c->post, w->target, &q));
}

void
courier_stop(struct courier *c)
{
	post_stop(&c->post);
}

void
courier_turn(struct courier *c, const struct courier_way *w)
{
	c->now_ms = w->now_ms;
	c->retry_ms = w->hook->retry_ms;
	if (courier_due(c, w->hook) > w->now_ms)
		return;
	if (!courier_name(c, w->hook->name) || !courier_seal(c, w) ||
	    !courier_send(c, w)) {
		c->failures++;
		courier_wait(c, 0);
	}
}
