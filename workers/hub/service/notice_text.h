/*
 * What clients and back ends say of notifications, as JSON, and what is asked of
 * the relay (proto/bus_box.h).  Pure, but for scratch that the caller has.
 */
#ifndef HUB_SERVICE_NOTICE_TEXT_H
#define HUB_SERVICE_NOTICE_TEXT_H

#include "base/buf.h"
#include "base/bug.h"
#include "proto/bus_box.h"

/* Names, unescaped; what was read points into it. */
struct notice_names {
	uint8_t		 bytes[BOX_IDS_MAX + BOX_MUTED_MAX + 4][BOX_NAME_MAX];
	size_t		 n;
};

/*
 * Each reads members of an object (or no value at all: none), and returns words for
 * who has written it: what is wrong, NULL: nothing.  Members that it does not know
 * it does not look at.
 */
/* {"cursor"?,"limit"?,"unread"?,"category"?} */
const char *notice_look(struct slice object, struct notice_names *,
	    struct box_look *) MUST_USE;
/* {"notificationId"|"id"|"ids"} or, where all may be named, {"all":true,
 * "category"?} */
const char *notice_pick(struct slice object, struct notice_names *,
	    struct box_pick *) MUST_USE;
/* {"category"?}: all, or all of that one */
const char *notice_pick_all(struct slice object, struct notice_names *,
	    struct box_pick *) MUST_USE;
/* {"muted"?,"least_priority"?,"quiet_hours"?}: what is absent is none; written to
 * b, as it is given back. */
const char *notice_prefs(struct slice object, struct notice_names *,
	    struct buf *b, struct box_prefs *) MUST_USE;
/* As long as none were set. */
struct slice notice_prefs_none(void);
/* {"id"?,"title"?,"message"?,"type"?,"category"?,"priority"?,"data"?,
 * "expires"?,"collapse"?}; id: where it has none.  b: as it is kept. */
const char *notice_item(struct slice object, struct notice_names *,
	    struct slice id, uint64_t now_ms, struct buf *b,
	    struct box_item *) MUST_USE;

#endif
