/*
 * What the files of HTTP share: the characters of its tokens.
 * Private to http*.c.
 */
#ifndef PROTO_HTTP_INT_H
#define PROTO_HTTP_INT_H

#include "proto/http.h"

extern const uint8_t http_tchars[256];	/* RFC 9110 section 5.6.2 */

#endif
