/*
 * What a configuration was read from, for another process that reads it again:
 * the relay, which goes on when the master has read a new one.  The text is
 * known to be valid; so that both have the same, it comes with the options that
 * override it and the places that the namespaces have.  The environment is the
 * reader's own.
 */
#ifndef CONF_READ_PACKET_H
#define CONF_READ_PACKET_H

#include "base/buf.h"
#include "conf/errors.h"
#include "conf/model.h"

/* conf was parsed from source.  No memory is seen by the buffer's oom. */
void	conf_pack(struct buf *, const struct conf_source *,
	    const struct conf *);
/* The text in it, as it was read; points there.  Of what is no packet: empty. */
struct slice conf_packed_text(struct slice);
/* NULL: see errors; env as in struct conf_source. */
struct conf *conf_unpack(struct slice, const char *(*env)(const char *),
	    struct conf_errors *) MUST_USE;

#endif
