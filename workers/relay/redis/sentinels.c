/*
 * Which of the Sentinels' answers counts; see sentinels.h.
 */
#include "relay/redis/sentinels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "relay/redis/sentinel.h"
#include "shm/counters.h"
#include "sys/log.h"

#define SENTINELS_FRESH_MS	15000	/* an answer counts for so long */
#define SENTINELS_STAY_MS	1000	/* at least, with a master */
#define SENTINELS_REFUTED_MS	10000	/* who was a replica is not asked again */
#define SENTINELS_REFUTED	8	/* of those are remembered */
#define SENTINELS_QUEUE		(16u << 10)	/* bytes of a greeting */

struct sentinels {
	unsigned	 magic;
#define SENTINELS_MAGIC	0x5e4714e1
	struct sentinels_params p;
	struct sentinel_answer master;	/* found last */
	struct mono	 adopted, confirmed;	/* first, and last, time that it
					 * was named */
	struct link	*probe;		/* NULL: none; asks the candidate */
	struct sentinel_answer candidate;
	bool		 probed;	/* and what came of it has been done */
	struct sentinel_answer refuted[SENTINELS_REFUTED];
	size_t		 nrefuted;	/* so many were ever written */
	bool		 lost;		/* nobody names one; the log says so */
	struct mono	 lost_at;
	char		 said[SENTINEL_WORDS]; /* by the last that failed */
	size_t		 n;
	struct sentinel	 one[];
};

/* --- the choice -----------------------------------------------------------*/

static bool
sentinels_same(const struct sentinel_answer *a, const struct sentinel_answer *b)
{
	return (a->port == b->port && strcmp(a->host, b->host) == 0);
}

static bool
sentinels_counts(const struct sentinels *all, const struct sentinel *s)
{
	return (s->answer.known && loop_now(all->p.loop).us -
	    s->answer.at.us <= SENTINELS_FRESH_MS * 1000);
}

static unsigned
sentinels_votes(const struct sentinels *all, const struct sentinel_answer *a)
{
	unsigned votes = 0;
	size_t i;

	for (i = 0; i < all->n; i++)
		votes += sentinels_counts(all, &all->one[i]) &&
		    all->one[i].answer.epoch == a->epoch &&
		    sentinels_same(&all->one[i].answer, a);
	return (votes);
}

/*
 * It said itself that it is none, a moment ago.  It may be one since: then two
 * Sentinels at least say so, with another epoch.
 */
static bool
sentinels_is_refuted(const struct sentinels *all,
    const struct sentinel_answer *a)
{
	const struct sentinel_answer *r;
	size_t i;

	for (i = 0; i < nitems(all->refuted); i++) {
		r = &all->refuted[i];
		if (r->known && sentinels_same(r, a) &&
		    (r->epoch == a->epoch || sentinels_votes(all, a) < 2) &&
		    loop_now(all->p.loop).us - r->at.us <=
		    SENTINELS_REFUTED_MS * 1000)
			return (true);
	}
	return (false);
}

static void
sentinels_refute(struct sentinels *all, const struct sentinel_answer *a)
{
	struct sentinel_answer *r = NULL;
	size_t i;

	for (i = 0; r == NULL && i < nitems(all->refuted); i++)
		if (all->refuted[i].known &&
		    sentinels_same(&all->refuted[i], a))
			r = &all->refuted[i];
	if (r == NULL) {
		r = &all->refuted[all->nrefuted++ % nitems(all->refuted)];
		log_warnx("redis_no_master name=%s host=%s port=%u "
		    "said=\"its ROLE is another one\"", all->p.conf->master,
		    a->host, a->port);
	}
	counter_add(COUNTER_redis_masters_refuted, 1);
	*r = *a;
	r->known = true;
	r->at = loop_now(all->p.loop);
}

/*
 * A switch has an epoch of its own, higher than that of those before, and a
 * Sentinel that was away knows an older one.  Of one epoch most of them are
 * right; and if that does not help, what there is stays.
 */
static bool
sentinels_better(const struct sentinels *all, const struct sentinel_answer *a,
    const struct sentinel_answer *b)
{
	unsigned va, vb;

	if (a->epoch != b->epoch)
		return (a->epoch > b->epoch);
	va = sentinels_votes(all, a);
	vb = sentinels_votes(all, b);
	return (va != vb ? va > vb : sentinels_same(a, &all->master) &&
	    !sentinels_same(b, &all->master));
}

/* refuted: those that were no masters count as well. */
static const struct sentinel_answer *
sentinels_best(const struct sentinels *all, bool refuted)
{
	const struct sentinel_answer *best = NULL;
	const struct sentinel *s;
	size_t i;

	for (i = 0; i < all->n; i++) {
		s = &all->one[i];
		if (sentinels_counts(all, s) &&
		    (refuted || !sentinels_is_refuted(all, &s->answer)) &&
		    (best == NULL ||
		    sentinels_better(all, &s->answer, best)))
			best = &s->answer;
	}
	return (best);
}

/* --- those that answer ----------------------------------------------------*/

static void
sentinels_count(struct sentinels *all)
{
	unsigned answer = 0;
	size_t i;

	for (i = 0; i < all->n; i++)
		answer += sentinels_counts(all, &all->one[i]);
	counter_set(COUNTER_redis_sentinels, answer);
}

static void
sentinels_on_none(struct sentinels *all)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (!all->one[i].troubled)
			return;		/* at the start: it may answer yet */
	if (!all->lost) {
		all->lost = true;
		all->lost_at = loop_now(all->p.loop);
		counter_add(COUNTER_redis_sentinels_lost, 1);
		log_warnx("sentinels_lost master=%s said=\"%s\"",
		    all->p.conf->master, all->said);
	}
	all->p.lost(all->p.arg, all->said);
}

static void
sentinels_on_some(struct sentinels *all)
{
	if (all->lost)
		log_info("sentinels_back master=%s after_ms=%" PRIu64,
		    all->p.conf->master,
		    (loop_now(all->p.loop).us - all->lost_at.us) / 1000);
	all->lost = false;
}

/* --- another master -------------------------------------------------------*/

static void
sentinels_adopt(struct sentinels *all, const struct sentinel_answer *a)
{
	struct mono since = all->confirmed;

	if (all->master.known)
		counter_add(COUNTER_redis_switches, 1);
	else
		since = loop_now(all->p.loop);
	log_info("redis_master name=%s host=%s port=%u epoch=%" PRIu64,
	    all->p.conf->master, a->host, a->port, a->epoch);
	all->master = *a;
	all->confirmed = all->adopted = loop_now(all->p.loop);
	all->p.found(all->p.arg, all->master.host, all->master.port, since);
}

static void
sentinels_on_probe(void *arg)
{
	struct sentinels *all = arg;

	all->probed = true;
	sentinels_adopt(all, &all->candidate);
}

/* Nobody speaks on it. */
static void
sentinels_on_probe_reply(void *arg, const struct reply *o)
{
	(void)arg;
	(void)o;
}

/* What cannot be reached may be the master all the same. */
static void
sentinels_on_probe_down(void *arg, bool was_up, enum redis_state why,
    const char *words)
{
	struct sentinels *all = arg;

	(void)words;
	if (was_up || all->probed)
		return;
	all->probed = true;
	if (why == REDIS_READONLY)
		sentinels_refute(all, &all->candidate);
	else
		sentinels_adopt(all, &all->candidate);
}

/*
 * Before what works is left for another, that is asked by a connection of its
 * own: a Sentinel that names a replica does no harm.
 */
static bool
sentinels_probe(struct sentinels *all, const struct sentinel_answer *a)
{
	struct link_params p = { .conf = all->p.conf, .loop = all->p.loop,
		.aimed = true, .name = "probe", .limits = { 4, 64, 4096 },
		.queue_bytes = SENTINELS_QUEUE,
		.calls = { all, sentinels_on_probe, sentinels_on_probe_reply,
		    sentinels_on_probe_down } };

	if (all->probe != NULL && sentinels_same(&all->candidate, a))
		return (true);
	link_free(&all->probe);
	all->candidate = *a;
	all->probed = false;
	all->probe = link_new(&p);
	if (all->probe == NULL)
		return (false);
	link_aim(all->probe, a->host, a->port);
	return (true);
}

static void
sentinels_choose(struct sentinels *all)
{
	const struct sentinel_answer *best = sentinels_best(all, false);

	sentinels_count(all);
	if (best == NULL)
		best = sentinels_best(all, true);
	if (best == NULL) {
		sentinels_on_none(all);
		return;
	}
	sentinels_on_some(all);
	if (all->master.known && sentinels_same(best, &all->master)) {
		all->confirmed = loop_now(all->p.loop);
		link_free(&all->probe);
	} else if (all->master.known && loop_now(all->p.loop).us -
	    all->adopted.us < SENTINELS_STAY_MS * 1000) {
		return;		/* the next beat looks again */
	} else if (!all->master.known || !all->p.works(all->p.arg) ||
	    !sentinels_probe(all, best)) {
		link_free(&all->probe);
		sentinels_adopt(all, best);
	}
}

/* --- what each of them tells ----------------------------------------------*/

static void
sentinels_on_changed(void *arg, struct sentinel *s)
{
	struct sentinels *all = arg;

	if (s->troubled)
		log_info("sentinel_answers url=%s", s->conf.url.shown);
	s->troubled = false;
	sentinels_choose(all);
}

static void
sentinels_on_failed(void *arg, struct sentinel *s, const char *words)
{
	struct sentinels *all = arg;

	if (!s->troubled)
		log_warnx("sentinel_trouble url=%s said=\"%s\"",
		    s->conf.url.shown, words);
	s->troubled = true;
	(void)snprintf(all->said, sizeof all->said, "%s", words);
	sentinels_choose(all);
}

/* --- for the owner --------------------------------------------------------*/

void
sentinels_look(struct sentinels *all)
{
	size_t i;

	CHECK_MAGIC(all, SENTINELS_MAGIC);
	for (i = 0; i < all->n; i++)
		sentinel_ask(&all->one[i]);
}

void
sentinels_refuted(struct sentinels *all)
{
	CHECK_MAGIC(all, SENTINELS_MAGIC);
	if (!all->master.known)
		return;
	sentinels_refute(all, &all->master);
	sentinels_choose(all);
}

void
sentinels_renew(struct sentinels *all)
{
	size_t i;

	CHECK_MAGIC(all, SENTINELS_MAGIC);
	for (i = 0; i < all->n; i++) {
		commands_renew(all->one[i].commands);
		link_renew(all->one[i].watch);
	}
}

void
sentinels_beat(struct sentinels *all)
{
	size_t i;

	CHECK_MAGIC(all, SENTINELS_MAGIC);
	for (i = 0; i < all->n; i++)
		sentinel_beat(&all->one[i]);
	sentinels_choose(all);	/* an answer may be old now */
}

void
sentinels_flush(struct sentinels *all)
{
	size_t i;

	CHECK_MAGIC(all, SENTINELS_MAGIC);
	for (i = 0; i < all->n; i++) {
		commands_flush(all->one[i].commands);
		link_flush(all->one[i].watch);
	}
	if (all->probe == NULL)
		return;
	if (all->probed)	/* it could not go in its own call */
		link_free(&all->probe);
	else
		link_flush(all->probe);
}

struct sentinels *
sentinels_new(const struct sentinels_params *p)
{
	size_t i, n = p->conf->nsentinels;
	struct sentinels *all = calloc(1, sizeof *all + n * sizeof *all->one);
	struct sentinel_calls calls = { all, sentinels_on_changed,
		sentinels_on_failed };

	if (all == NULL)
		return (NULL);
	all->magic = SENTINELS_MAGIC;
	all->p = *p;
	all->n = n;
	for (i = 0; i < n; i++) {
		if (!sentinel_open(&all->one[i], p->conf, i, p->loop,
		    &calls)) {
			sentinels_free(&all);
			return (NULL);
		}
	}
	return (all);
}

void
sentinels_free(struct sentinels **allp)
{
	struct sentinels *all = *allp;
	size_t i;

	if (all == NULL)
		return;
	*allp = NULL;
	CHECK_MAGIC(all, SENTINELS_MAGIC);
	for (i = 0; i < all->n; i++)
		sentinel_close(&all->one[i]);
	link_free(&all->probe);
	all->magic = 0;
	free(all);
}
