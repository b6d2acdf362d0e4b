/*
 * Documents as clients see them: rooms that keep the newest of each key, which
 * they change if it is still what they have seen (rooms with documents = true).
 *
 *	doc:change	{"rev","key","value"|"deleted":true,"from","ts","doc"}
 *	doc:snapshot	{"doc","epoch","reset"?,"entries":[the same without
 *			"doc"...]}: what is there, in pages, by rev; with reset
 *			what the client had before is over
 *
 * rev is the place in the room.  enter.c gives the pages; service/document.c has
 * the events of clients.
 */
#ifndef HUB_STORE_DOCUMENT_H
#define HUB_STORE_DOCUMENT_H

#include "base/buf.h"
#include "hub/store/since.h"

struct publication;
struct session;

#define DOCUMENT_KEY_MAX	256u	/* bytes of a key */

/* A change as its publication; raw JSON all. */
struct document_change {
	struct slice	 doc, key;
	struct slice	 value;		/* empty: it is deleted */
	struct slice	 from;		/* user's id; or empty: a back end */
	uint64_t	 ts;		/* unix ms */
};
void	document_put_change(struct buf *, const struct document_change *);
extern const struct slice document_event;	/* its name as raw JSON */

/* doc:snapshot, of one page of the store. */
struct document_page {
	struct buf	 b;
	struct slice	 raw;		/* the document's name */
	bool		 opens;		/* the client opens one: else nothing is
					 * made of it */
	uint64_t	 n;		/* keys that are there, in it */
	bool		 whole, any;	/* it begins anew; has an entry */
};
void	document_page_begin(struct document_page *, bool opens,
	    struct slice raw, struct slice epoch, bool whole);
/* false: it is no change of a key. */
bool	document_page_add(struct document_page *, const struct publication *)
	    MUST_USE;
/* To the session, if something is to be said. */
void	document_page_end(struct document_page *, struct session *);

/* The change without the document's name, which is raw. */
void	document_put_entry(struct buf *, struct slice change, struct slice raw);

/* {"doc","epoch","rev","keys","recovered"} */
void	document_ack(struct buf *, struct slice raw, const struct since *,
	    uint64_t keys, bool recovered);

#endif
