/*
 * Values that go into HTTP as they are: names that must be tokens, attributes
 * of cookies.  Setters are called by read/type.c.
 */
#ifndef CONF_VALUE_HTTP_H
#define CONF_VALUE_HTTP_H

#include "conf/value/value.h"

/* RFC 9110, 5.6.2; "" is none. */
bool	conf_http_is_token(const char *);

/* "", or a token: also the name of a cookie (RFC 6265, 4.1.1). */
void	conf_set_token(struct conf_parser *, const struct conf_value *,
	    void *object);
/* path-value of RFC 6265, 4.1.1; starts with a slash. */
void	conf_set_cookie_path(struct conf_parser *, const struct conf_value *,
	    void *object);

#endif
