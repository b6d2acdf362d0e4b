/*
 * The inside of documents.h: documents.c (what clients ask for, and whether they
 * may), documents_write.c (a change, until it is acknowledged).
 */
#ifndef HUB_SERVICE_DOCUMENTS_INT_H
#define HUB_SERVICE_DOCUMENTS_INT_H

#include "base/buf.h"
#include "conf/conf.h"
#include "hub/audience/room.h"
#include "hub/service/documents.h"
#include "hub/store/document.h"

struct publication;

/* What the first argument of all of them has. */
struct order {
	struct slice	 object;
	struct slice	 doc, key;	/* plain */
	struct slice	 doc_raw, key_raw;	/* as we write them, in b */
	const struct conf_room *room;
	const struct conf_key *rule;	/* NULL: there are none */
	uint8_t		 doc_text[ROOM_NAME_MAX];
	uint8_t		 key_text[DOCUMENT_KEY_MAX];
	struct buf	 b;
};

/* The change goes; false: refused.  p: its event, key and condition. */
bool	documents_send(struct session *, const struct inbound *,
	    const struct order *, const struct publication *) MUST_USE;

/* Refused: it has not been opened.  false. */
bool	documents_not_open(struct session *, const struct inbound *);

#endif
