/*
 * The rules of namespaces: what titles, receivers, join rules, checks and
 * templates may say.  Setters are called by conf_type.c for one directive,
 * the rest by conf_parse.c for a whole section.
 */
#ifndef CONF_CONF_RULE_H
#define CONF_CONF_RULE_H

#include "base/buf.h"
#include "conf/conf_value.h"

/* In the order of the bits of conf_jwt.algorithms. */
#define CONF_ALGORITHMS \
	"HS256 | HS384 | HS512 | RS256 | RS384 | RS512 | PS256 | PS384 | " \
	"PS512 | ES256 | ES384 | ES512 | EdDSA"
enum { CONF_ALGORITHMS_HS = 0x0007, CONF_ALGORITHMS_PUBLIC = 0x1ff8 };

void	conf_set_eventname(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_eventname(const struct conf_directive *, const void *event,
	    struct buf *);
void	conf_set_join(struct conf_parser *, const struct conf_value *,
	    void *room);
void	conf_dump_join(const struct conf_directive *, const void *room,
	    struct buf *);
void	conf_free_join(const struct conf_directive *, void *room);
void	conf_set_to(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_to(const struct conf_directive *, const void *event,
	    struct buf *);
void	conf_free_to(const struct conf_directive *, void *event);
void	conf_set_checks(struct conf_parser *, const struct conf_value *,
	    void *event);
void	conf_dump_checks(const struct conf_directive *, const void *event,
	    struct buf *);
void	conf_free_checks(const struct conf_directive *, void *event);
void	conf_set_nsnames(struct conf_parser *, const struct conf_value *,
	    void *object);
void	conf_set_nsref(struct conf_parser *, const struct conf_value *,
	    void *route);
void	conf_dump_nsref(const struct conf_directive *, const void *route,
	    struct buf *);
void	conf_set_template(struct conf_parser *, const struct conf_value *,
	    void *route);
void	conf_dump_template(const struct conf_directive *, const void *route,
	    struct buf *);
void	conf_free_template(const struct conf_directive *, void *route);

#endif
