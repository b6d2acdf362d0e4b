/*
 * What the bodies of the HTTP API have in common: a namespace, an audience in
 * it, members that are known.  Between api.c, api_members.c and api_order.c.
 */
#ifndef HUB_BACKEND_API_INT_H
#define HUB_BACKEND_API_INT_H

#include "hub/api.h"
#include "hub/hub_int.h"
#include "proto/bus.h"

/* What is to be done to whom; slices point into the body or the arena. */
struct api_order {
	const struct conf_namespace *ns;
	struct slice	 rooms[BUS_LIST_MAX], users[BUS_LIST_MAX],
			 sids[BUS_LIST_MAX], except[BUS_LIST_MAX];
	struct audience	 to;		/* made of the lists above */
	struct buf	 arena;		/* unescaped names */
	const char	*code;		/* why not; NULL: out of memory */
	const char	*why;
};

/* body: one JSON value.  false: no memory.  The order is zeroed before. */
bool	api_order_init(struct api_order *, struct slice body) MUST_USE;
/* Lets go, and appends the error when !ok.  Returns the HTTP status. */
int	api_order_end(struct api_order *, bool ok, struct buf *out) MUST_USE;

/* Each reads a part; false: code and why are set. */
/* The body is an object and has no other members than these: what is not
 * known is refused, not ignored. */
bool	api_order_known(struct api_order *, struct slice body,
	    const struct slice *members, size_t n) MUST_USE;
bool	api_order_namespace(struct api_order *, struct hub *,
	    struct slice body) MUST_USE;
/* room, rooms, user, users, sid, except: a name or a list of names each */
bool	api_order_audience(struct api_order *, struct slice body) MUST_USE;
/* A member that is a name or a list of names, appended to list. */
bool	api_order_names(struct api_order *, struct slice body,
	    struct slice member, struct slice *list, size_t *n) MUST_USE;
/* The same, and [] is a list. */
bool	api_order_list(struct api_order *, struct slice body,
	    struct slice member, struct slice *list, size_t *n) MUST_USE;
bool	api_order_bad(struct api_order *, const char *code, const char *why);

/*
 * api_kept.c: a publication that is for rooms that keep a history, among
 * others.  later NULL: nobody waits for an answer; else *later hears of it.
 * false: nothing was published.
 */
struct api_kept {
	const struct conf_namespace *ns;
	const struct audience *to;
	const struct publication *p;
	struct slice	 id;
	struct slice	 claimed;	/* by the back end; empty: none */
};
bool	api_keep(struct hub *, const struct api_kept *, void *asker,
	    struct ask **later) MUST_USE;
/* One that asks, into one such room, and for nobody else.  false: as above. */
bool	api_keep_ask(struct hub *, const struct api_kept *, struct ask *,
	    uint64_t timeout_ms) MUST_USE;

/* The code, and the status, of such an answer. */
const char *api_kept_code(enum bus_store);
int	api_kept_status(enum bus_store);

/* A namespace by its name with or without the slash; NULL: there is none, or
 * who asks may not know: *code says which. */
const struct conf_namespace *api_namespace(struct hub *, struct slice name,
	    const char **code, const char **why);
/* The key of who asks is for some namespaces only. */
bool	api_is_limited(const struct hub *);

#endif
