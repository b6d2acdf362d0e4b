/*
 * Where Redis is, as a URL:
 *
 *	redis[s]://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]
 *	valkey[s]://...			the same
 *	unix:/PATH, unix://[USER[:PASSWORD]@]/PATH[?db=DATABASE]
 *
 * with s: over TLS.  Names are not resolved here.
 */
#ifndef CONF_VALUE_REDIS_H
#define CONF_VALUE_REDIS_H

#include "base/buf.h"
#include "conf/value/value.h"

/*
 * NULL and *url, to be freed by conf_redis_url_free(); or what is wrong
 * (static), and *url is empty.
 */
const char *conf_redis_url_parse(const char *text, struct conf_redis_url *url)
	    MUST_USE;
void	conf_redis_url_free(struct conf_redis_url *);

/* Of read/type.c's table. */
void	conf_set_redis_url(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_dump_redis_url(const struct conf_directive *, const void *object,
	    struct buf *);
/* The whole of it, with its password. */
void	conf_hidden_redis_url(const struct conf_directive *, const void *object,
	    struct buf *);
void	conf_free_redis_url(const struct conf_directive *, void *object);

#endif
