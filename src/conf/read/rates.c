/*
 * Rate limits.
 */
#include "conf/read/rates.h"

#include <assert.h>

#include "conf/heap.h"
#include "conf/rule/rate.h"

/* Handshakes and bad tokens have no user yet: address is their default. */
static void
rates_check(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_rate *rate)
{
	size_t per = (size_t)conf_directive_find(CONF_SEC_RATE, SLICE("per"));
	const char *wrong = conf_rate_bad(rate);

	if (conf_rate_of_addresses(rate->name)) {
		if (conf_tree_given(s, per) == NULL)
			rate->per = CONF_PER_ADDRESS;
		else if (rate->per != CONF_PER_ADDRESS)
			conf_titled_bad(parse, s, "must be per = address");
		if (rate->strikes != 0)
			conf_titled_bad(parse, s, "strikes are for events");
	}
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
}

static void
rates_read(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf *conf = parse->p.conf;
	struct conf_rate *rate = &conf->rates[conf->nrates];

	conf->nrates++;
	rate->name = conf_titled_name(parse, s, &rate->line);
	conf_titled_repeats(parse, &parse->tree, s, conf->rates,
	    sizeof *conf->rates, NULL);
	conf_titled_fill(parse, s, rate);
	rates_check(parse, s, rate);
}

/* The bit of the lowest that is in neither. */
static unsigned
rates_free_index(uint64_t taken, uint64_t avoid)
{
	uint64_t none = taken | avoid;

	if (none == UINT64_MAX)
		none = taken;	/* there are no more than 64 */
	return ((unsigned)__builtin_ctzll(~none));
}

/* Buckets in shared memory are told apart by it: who was there before keeps
 * its own, and nobody new gets one of theirs. */
static void
rates_number(struct conf *conf, const struct conf *before)
{
	const struct conf_rate *old;
	uint64_t taken = 0, avoid = 0;
	size_t i;

	static_assert(CONF_RATES_MAX == 64, "a bit each");
	for (i = 0; before != NULL && i < before->nrates; i++)
		avoid |= UINT64_C(1) << before->rates[i].index;
	for (i = 0; i < conf->nrates; i++) {
		old = before == NULL ? NULL :
		    conf_rate_find(before, conf->rates[i].name);
		conf->rates[i].index = old == NULL ? CONF_RATES_MAX :
		    old->index;
		if (old != NULL)
			taken |= UINT64_C(1) << old->index;
	}
	for (i = 0; i < conf->nrates; i++) {
		if (conf->rates[i].index != CONF_RATES_MAX)
			continue;
		conf->rates[i].index = rates_free_index(taken, avoid);
		taken |= UINT64_C(1) << conf->rates[i].index;
	}
}

void
conf_rates_read(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	size_t n = conf_tree_count(&parse->tree, CONF_SEC_RATE);
	const struct conf_tree *s = NULL;

	conf->rates = conf_calloc(n + 1, sizeof *conf->rates);
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_RATE, s)) != NULL) {
		if (conf->nrates == CONF_RATES_MAX) {
			conf_titled_bad(parse, s, "more than 64 rates");
			break;
		}
		rates_read(parse, s);
	}
	if (conf_rate_find(conf, "messages") == NULL &&
	    conf->nrates < CONF_RATES_MAX)
		conf_rate_environment(&parse->p);
	rates_number(conf, parse->p.src->before);
	conf->rate_messages = conf_rate_find(conf, "messages");
	conf->rate_connects = conf_rate_find(conf, "connects");
	conf->rate_auth_failures = conf_rate_find(conf, "auth_failures");
}
