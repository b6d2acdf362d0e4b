/*
 * Rates, from their text and back.
 */
#include "conf/rule/rate.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "conf/heap.h"
#include "conf/value/string.h"
#include "conf/value/unit.h"

/* Buckets count in ticks: what one costs is a whole number of them, and all
 * that a burst costs has to fit into half of 42 bits. */
#define TICK_US		4
#define LIMIT_TICKS	(UINT64_C(1) << 41)
#define PERIOD_MAX_MS	(UINT64_C(30) * 86400 * 1000)

#define ENVIRONMENT	"RATE_LIMIT_MESSAGES_PER_MINUTE"

/* Names that mean something by themselves. */
static const char *const built_in[] = { "messages", "connects",
	"auth_failures" };

bool
conf_rate_of_addresses(const char *name)
{
	return (strcmp(name, "connects") == 0 ||
	    strcmp(name, "auth_failures") == 0);
}

const struct conf_rate *
conf_rate_find(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->nrates; i++)
		if (strcmp(conf->rates[i].name, name) == 0)
			return (&conf->rates[i]);
	return (NULL);
}

void
conf_set_rate(struct conf_parser *p, const struct conf_value *v, void *object)
{
	struct conf_rate *rate = object;
	struct slice count = slice_str(v->tokens[0].text), period;
	const uint8_t *slash = count.n == 0 ? NULL :
	    memchr(count.p, '/', count.n);
	uint64_t n, ms;

	if (slash != NULL) {
		period = slice_from(count, (size_t)(slash - count.p) + 1);
		count.n = (size_t)(slash - count.p);
	}
	if (slash == NULL || !conf_unit_parse(CONF_UNIT_COUNT, count, &n) ||
	    !conf_unit_parse(CONF_UNIT_DURATION, period, &ms))
		conf_value_bad(p, v, &v->tokens[0],
		    "must be COUNT/DURATION, like 200/1m");
	else if (n == 0 || n > UINT_MAX || ms == 0 || ms > PERIOD_MAX_MS)
		conf_value_bad(p, v, &v->tokens[0],
		    "needs a count of 1 or more, and a time of up to 30d");
	else {
		rate->allow = (unsigned)n;
		rate->period_ms = ms;
	}
}

void
conf_dump_rate(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_rate *rate = object;

	(void)row;
	conf_unit_print(CONF_UNIT_COUNT, rate->allow, out);
	buf_byte(out, '/');
	conf_unit_print(CONF_UNIT_DURATION, rate->period_ms, out);
}

const char *
conf_rate_bad(struct conf_rate *rate)
{
	uint64_t us = rate->period_ms * 1000, ticks;

	if (rate->burst == 0)
		rate->burst = rate->allow;
	if (rate->allow == 0)
		return (NULL);		/* reported already */
	if (us / TICK_US < rate->allow)
		return ("more than one in 4 microseconds");
	ticks = (us + (uint64_t)TICK_US * rate->allow - 1) /
	    ((uint64_t)TICK_US * rate->allow);
	if (ticks >= LIMIT_TICKS / rate->burst)
		return ("the burst takes more than 101 days to earn");
	return (NULL);
}

void
conf_rate_environment(struct conf_parser *p)
{
	const char *text = p->src->env == NULL ? NULL :
	    p->src->env(ENVIRONMENT);
	struct conf_rate *rate = &p->conf->rates[p->conf->nrates];
	struct conf_place at = { ENVIRONMENT, 0 };
	uint64_t n;

	if (text == NULL || *text == '\0')
		return;
	if (!conf_unit_parse(CONF_UNIT_COUNT, slice_str(text), &n) ||
	    n > 1000000) {
		conf_diag(&p->diags, at, "%.60s: must be a count of up to 1M",
		    text);
		return;
	}
	if (n == 0)
		return;		/* as many as they like */
	*rate = (struct conf_rate){
		.name = conf_strdup("messages"), .per = CONF_PER_USER,
		.allow = (unsigned)n, .period_ms = 60000,
		.burst = n < 5 ? 1 : (unsigned)n / 5,
	};
	p->conf->nrates++;
}

/* --- references ----------------------------------------------------------- */

void
conf_set_rateref(struct conf_parser *p, const struct conf_value *v,
    void *object)
{
	struct conf_event *event = object;
	const char *name = v->tokens[0].text;
	size_t i;

	event->rate = NULL;
	if (*name == '\0')
		return;
	for (i = 0; i < nitems(built_in); i++)
		if (strcmp(name, built_in[i]) == 0) {
			conf_value_bad(p, v, &v->tokens[0],
			    "this rate applies by itself");
			return;
		}
	event->rate = conf_rate_find(p->conf, name);
	if (event->rate == NULL)
		conf_value_bad(p, v, &v->tokens[0], "there is no such rate");
}

void
conf_dump_rateref(const struct conf_directive *row, const void *object,
    struct buf *out)
{
	const struct conf_event *event = object;

	(void)row;
	conf_string_print(event->rate == NULL ? "" : event->rate->name, out);
}
