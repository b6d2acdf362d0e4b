/*
 * Questions about users' notifications (namespace { inbox }), which the relay
 * answers: what there is, and what is to become of it.  Who asks is
 * service/notices, and back ends.
 */
#ifndef HUB_STREAM_BOX_H
#define HUB_STREAM_BOX_H

#include "hub/model.h"
#include "proto/bus_box.h"
#include "proto/bus.h"

/* reply: OK; NULL: there is none, or whether there is anything nobody knows.
 * Borrowed. */
typedef void box_done(struct hub *, void *arg, enum bus_store,
	    const struct box_reply *reply);

/* body: as this op has it.  false: nobody is asked, and done is not called; else it
 * is, once. */
bool	box_ask(struct hub *, const struct conf_namespace *,
	    struct slice user, enum box_op, struct slice body, box_done *,
	    void *arg) MUST_USE;
/* BUS_BOXED. */
void	box_bus(struct hub *, const struct bus_envelope *);
/* Words for who is told that it could not be done. */
const char *box_why(enum bus_store);

#endif
