/*
 * The HTTP API's bodies: JSON in, publication out, JSON back.  What needs no
 * socket of it; key checks and HTTP itself are the worker's.
 */
#ifndef HUB_API_H
#define HUB_API_H

#include "hub/hub.h"
#include "proto/bus_box.h"

struct ask;
struct bus_envelope;
struct conf_api_key;

/* Who asks in the calls that follow; NULL: somebody who may do everything. */
void	api_asks(struct hub *, const struct conf_api_key *);

/*
 * Each appends a JSON body to out and returns the HTTP status.
 *
 * 0: others are being asked: clients for acknowledgements, workers how many
 * sessions an order changed there, or the relay for what is kept.  Then *later (NULL otherwise) is the
 * question, ports.answered() will tell asker, with whom *later is over; an
 * asker that goes before calls ask_forget().
 */
int	api_publish(struct hub *, struct slice body, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
/* The same body by the relay, which a back end gave to Redis: nobody waits for
 * an answer, so it may not ask for one. */
void	api_publish_bus(struct hub *, const struct bus_envelope *);
int	api_batch(struct hub *, struct slice body, struct buf *out) MUST_USE;
/* Who is there: one user, or a page of a namespace or of a room of it.  Names
 * are decoded; ns with or without its slash; cursor 0 starts. */
struct api_presence {
	struct slice	 ns, user, room;
	uint32_t	 cursor;
	unsigned	 limit;		/* 1..1000; a page may hold a few more */
	bool		 stale;		/* and says so: of other hosts this one
					 * knows what was */
};
int	api_presence(struct hub *, const struct api_presence *, struct buf *out)
	    MUST_USE;
/* What was kept of a room: behind a place (EPOCH:OFFSET), or the newest.  Names
 * are decoded; ns with or without its slash. */
struct api_history {
	struct slice	 ns, room, since;	/* since: empty: none */
	unsigned	 limit;		/* 1..1000 */
};
int	api_history(struct hub *, const struct api_history *, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
/* What a back end acknowledges an event with, by its reference. */
int	api_answers(struct hub *, struct slice body, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
/*
 * Hooks of this host: how each stands (no name), or what one of them did not take
 * and is kept: letters whose id comes behind cursor.  The name is decoded.  An
 * order: some of these letters are sent again, or forgotten.
 */
#define API_LETTERS_MAX	1000u		/* that one order names */
struct api_hooks {
	struct slice	 name;
	uint64_t	 cursor;
	unsigned	 limit;		/* 1..1000 */
	bool		 forget;	/* an order: or they are sent again */
};
int	api_hooks(struct hub *, const struct api_hooks *, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
int	api_hooks_order(struct hub *, const struct api_hooks *,
	    struct slice body, void *asker, struct buf *out,
	    struct ask **later) MUST_USE;
/* What is kept of a room is changed: body says which event, and to what.  Names
 * are decoded; ns with or without its slash. */
struct api_edit {
	struct slice	 ns, room;
};
int	api_edit(struct hub *, const struct api_edit *, struct slice body,
	    void *asker, struct buf *out, struct ask **later) MUST_USE;
/* Documents: what a page of one, or a key of it, has; and a change.  Names are decoded;
 * ns with or without its slash; cursor: of the page before, or empty. */
struct api_document {
	struct slice	 ns, doc, key, cursor;	/* key: empty: a page */
	unsigned	 limit;		/* 1..1000 */
	bool		 deletes;
};
int	api_document_get(struct hub *, const struct api_document *,
	    void *asker, struct buf *out, struct ask **later) MUST_USE;
int	api_document_change(struct hub *, const struct api_document *,
	    struct slice body, void *asker, struct buf *out,
	    struct ask **later) MUST_USE;
/*
 * Who is there, on all workers and hosts: a page of those whose names come behind
 * cursor.  Names are decoded; ns with or without its slash.
 */
enum api_survey_what {
	API_SURVEY_ROOMS,	/* of a namespace, and how many are in each */
	API_SURVEY_ROOM,	/* sessions in the room `name` */
	API_SURVEY_USER		/* sessions of the user `name`; no ns: in all
				 * namespaces that the key is for */
};
struct api_survey {
	enum api_survey_what what;
	struct slice	 ns, name, cursor;
	unsigned	 limit;		/* 1..1000 */
};
int	api_survey(struct hub *, const struct api_survey *, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
/* End sessions, or change their rooms.  user: of the path, decoded; empty: the
 * body says to whom. */
int	api_disconnect(struct hub *, struct slice user, struct slice body,
	    void *asker, struct buf *out, struct ask **later) MUST_USE;
int	api_rooms(struct hub *, struct slice user, struct slice body,
	    void *asker, struct buf *out, struct ask **later) MUST_USE;
/* A user, or a token, is refused from now on, and has no sessions any more. */
int	api_revoke(struct hub *, struct slice body, void *asker,
	    struct buf *out, struct ask **later) MUST_USE;
/*
 * Users' notifications (namespace { inbox }).  Names are decoded; ns with or without
 * its slash; user: empty: the body says whose (CREATE, of at most 64 users).
 * order: op CREATE, READ, DELETE or PREFS; list: look NULL: preferences; drop:
 * one, by its id; bus: what came through Redis: namespace and users stand in it.
 */
struct api_inbox {
	struct slice	 ns, user;
	enum box_op	 op;
};
int	api_inbox_list(struct hub *, const struct api_inbox *,
	    const struct box_look *, void *asker, struct buf *out,
	    struct ask **later) MUST_USE;
int	api_inbox_order(struct hub *, const struct api_inbox *,
	    struct slice body, void *asker, struct buf *out,
	    struct ask **later) MUST_USE;
int	api_inbox_drop(struct hub *, const struct api_inbox *,
	    struct slice id, void *asker, struct buf *out,
	    struct ask **later) MUST_USE;
int	api_inbox_bus(struct hub *, struct slice order, struct buf *out)
	    MUST_USE;
/* It was a HEAD, that is only told how long the answer is. */
void	ask_by_head(struct ask *);
bool	ask_is_by_head(const struct ask *);
/* The asker has gone; clears. NULL is fine. */
void	ask_forget(struct ask **);

#endif
