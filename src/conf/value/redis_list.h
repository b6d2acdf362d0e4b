/*
 * Values that are lists of URLs of Redis.  Called by read/type.c, whose header
 * says what set, dump and free do.
 */
#ifndef CONF_VALUE_REDIS_LIST_H
#define CONF_VALUE_REDIS_LIST_H

#include "base/buf.h"
#include "conf/value/value.h"

void	conf_set_redis_urls(struct conf_parser *, const struct conf_value *,
	    void *object);
/* Sentinels: HOST[:PORT] means redis://HOST[:PORT], and the port is 26379. */
void	conf_set_sentinels(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_redis_urls(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_hidden_redis_urls(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_redis_urls(const struct conf_directive *, void *object);

#endif
