/*
 * The engine that keeps in Redis, for all hosts: places are given there, by a
 * script that keeps and publishes at once (remote_script.h), so that all hosts
 * have the same events at the same places.  A room is a stream and a few keys
 * beside it, where the room's channel is:
 *
 *	PREFIX "history:" NS ":" ROOM		the stream; NS without its slash,
 *						":" as "%3a", "%" as "%25"
 *	PREFIX "history-state:" NS ":" ROOM	(in a Cluster: PREFIX {TAG} ...)
 *	PREFIX "history-sent:" NODE ":" NS ":" ROOM
 *	PREFIX "history-ids:" NS ":" ROOM
 *	PREFIX "history-near:" HASH ":" NS ":" ROOM
 *
 * What this host appends it has from the script's answer, what others do from
 * the channel; the two are merged by their places.  What is missing is read, once
 * for the host, before workers find a hole.  Of rooms with members here the last
 * events are at hand: most questions are answered without Redis.
 *
 * While Redis is away appends wait, in order, or are refused.
 *
 * Of a namespace with a journal all appends are of the journal, in one line; what a
 * room keeps as well has both places from one script, so its keys are where those of
 * the journal are.  Workers are given it as the journal's, in that order, and what
 * is at hand of the room follows: it ends where they are.  So a room is LIVE when the
 * journal is, and has come to where it stood when the room was read.
 */
#ifndef STORE_REMOTE_H
#define STORE_REMOTE_H

#include "base/bug.h"
#include "proto/offset.h"
#include "relay/store/store.h"

struct redis;
struct wheel;

/* A link to Redis, and how things are said there; as long as it serves. */
struct remote_link {
	struct redis	*redis;
	const char	*prefix;
	uint64_t	 node_id;
	void		*arg;		/* of all: */
	/* The channel of a room, in b. */
	struct slice	 (*channel)(void *arg, struct buf *b,
			    const struct store_key *);
	/* An entry is sealed, if entries are; false: it cannot be. */
	bool		 (*seal)(void *arg, struct buf *);
	bool		 (*unseal)(void *arg, struct slice *);
	/* Where it is for this host's clients of that namespace that come back,
	 * in out; or empty. */
	struct slice	 (*offset)(void *arg, struct slice nsp,
			    uint8_t out[OFFSET_MAX]);
	/* What others say is whole. */
	bool		 (*fit)(void *arg, const struct bus_envelope *);
};

struct remote_bounds {
	uint64_t	 bytes;		/* at hand, of all rooms */
	uint64_t	 wait_bytes, wait_events;	/* that wait for Redis */
	bool		 refuse;	/* nothing waits while it is away */
};

struct remote_params {
	struct wheel	*wheel;
	uint64_t	 (*now_ms)(void *arg);	/* monotonic */
	struct remote_bounds bounds;
	void		*arg;		/* of all: */
	store_judge	*judge;
	/* Something has its place, for who has members of it: frame as in
	 * store.h.  from: who here has asked for it; NULL: another host. */
	void		 (*place)(void *arg, const struct store_key *,
			    const struct store_asker *from, struct buf *frame);
	/* Workers may stand before that in this room: they are to look. */
	void		 (*stands)(void *arg, const struct store_key *,
			    struct slice epoch, uint64_t top);
	/* Somebody here is in this room. */
	bool		 (*any)(void *arg, const struct store_key *);
	/* There is a journal of this namespace. */
	bool		 (*journals)(void *arg, struct slice nsp);
	/* A page may be given to this worker now. */
	bool		 (*takes)(void *arg, unsigned slot);
};

/* NULL: no memory.  Its store is freed by its own table. */
struct remote *remote_new(const struct remote_params *) MUST_USE;
struct store *remote_store(struct remote *);
void	remote_bound(struct remote *, const struct remote_bounds *);
/* Another link serves, or (NULL) none.  What was asked by the one before is
 * asked again. */
void	remote_serve(struct remote *, const struct remote_link *);
/* That link is about to be freed: no call of it will come. */
void	remote_forget(struct remote *, const struct redis *);
/* Something may not have been heard: in this room, or (NULL) in any. */
void	remote_missed(struct remote *, const struct store_key *);
/* What came on a channel of rooms, or (not NULL) of this journal, and begins with
 * REMOTE_MARK.  false: it makes no sense. */
bool	remote_hear(struct remote *, struct slice payload,
	    const struct store_key *journal) MUST_USE;
/* This room has members here from now on, or none. */
void	remote_interest(struct remote *, const struct store_key *, bool any);
/* Nothing that was asked of Redis waits for its answer. */
bool	remote_is_settled(const struct remote *);
/* A worker is gone: its questions are nobody's. */
void	remote_worker_gone(struct remote *, unsigned slot);

#endif
