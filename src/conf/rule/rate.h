/*
 * Rates: what a `rate` section may say, and who may refer to it.  Setters are
 * in the table of read/type.c, the rest is for read/rates.c.  What buckets can
 * hold is known here by its numbers only; see shm/bucket.h.
 */
#ifndef CONF_RULE_RATE_H
#define CONF_RULE_RATE_H

#include "base/buf.h"
#include "conf/value/value.h"

/* allow = 200/1m; a burst of 0 becomes allow in conf_rate_bad(). */
void	conf_set_rate(struct conf_parser *, const struct conf_value *,
	    void *rate);
void	conf_dump_rate(const struct conf_directive *, const void *rate,
	    struct buf *);
void	conf_set_rateref(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_rateref(const struct conf_directive *, const void *event,
	    struct buf *);

/* A whole section: fill in what it left open; what is wrong, or NULL. */
const char *conf_rate_bad(struct conf_rate *);
/* The rates that count addresses, whatever they say. */
bool	conf_rate_of_addresses(const char *name);
const struct conf_rate *conf_rate_find(const struct conf *, const char *name);
/* Add "messages" from RATE_LIMIT_MESSAGES_PER_MINUTE, if that is set; conf
 * has room for one more. */
void	conf_rate_environment(struct conf_parser *);

#endif
