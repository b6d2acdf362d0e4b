/*
 * Envelopes between the processes of one host (and, by the relay, between
 * hosts): what a publication is once it has left its worker.  Stream of
 * frames, little-endian:
 *
 *	0 u32 size	whole frame, this header included
 *	4 u8  kind	enum bus_kind      5 u8 version (2)
 *	6 u16 flags	BUS_VOLATILE ...
 *	8 u64 slots[2]	workers it is for (base/slotset.h); the relay routes by
 *			these words alone and never looks further
 *	24 u16 from	slot that sent it  26 u16 generation
 *	28 u32 ref	which question of the one who asked
 *	32 ...		fields, each: u8 tag, u32 length, bytes
 *
 * Unknown tags are skipped, unknown kinds dropped and counted.  Pure.
 */
#ifndef PROTO_BUS_H
#define PROTO_BUS_H

#include "proto/codec.h"

#define BUS_HEADER	32
/* Larger: CODEC_BAD.  The largest packet that a configuration can allow (four
 * messages of 64 MB) fits, with all that goes along. */
#define BUS_FRAME_MAX	(260u << 20)
#define BUS_ATTACHMENTS_MAX 10	/* as in one Socket.IO packet */
#define BUS_LIST_MAX	64		/* rooms, sids ... in one envelope */

enum bus_kind {
	BUS_PUBLISH = 1,	/* deliver to an audience */
	BUS_COUNT,		/* answer: how many got publication `ref` */
	BUS_DISCONNECT,		/* end the sessions of an audience; without
				 * nsp: of all namespaces */
	/* a session moves to the worker its client has come back to; see
	 * workers/hub/recover.h */
	BUS_RECOVER_ASK, BUS_RECOVER_NONE, BUS_RECOVER_STATE,
	BUS_RECOVER_JOINED, BUS_RECOVER_BARRIER, BUS_RECOVER_PASSED,
	BUS_RECOVER_LATE, BUS_RECOVER_DONE,
	BUS_ROOMS,		/* the sessions of an audience join and leave */
	BUS_ANSWERS,		/* to publication `ref`: args are the answers,
				 * count how many were asked and answered; to
				 * the order `ref`: how many it changed */
	BUS_ANSWERS_END		/* nobody waits for answers to `ref` any more */
};

enum {
	BUS_VOLATILE = 1,	/* may be dropped under pressure */
	BUS_WANT_COUNT = 2,	/* BUS_PUBLISH: answer with BUS_COUNT;
				 * BUS_DISCONNECT, BUS_ROOMS: BUS_ANSWERS */
	BUS_WATCHERS = 4,	/* users: those who watch their presence */
	/* BUS_DISCONNECT: not the session alone; see workers/hub/members.h */
	BUS_CLOSE = 8, BUS_RECONNECT = 16,
	BUS_WANT_ANSWERS = 32,	/* BUS_PUBLISH: answer with BUS_ANSWERS within
				 * count ms */
	BUS_MORE = 64,		/* BUS_ANSWERS: not the last of them */
	BUS_TRUNCATED = 128	/* BUS_ANSWERS: some were left out */
};

struct bus_envelope {
	enum bus_kind	 kind;
	uint16_t	 flags;
	uint64_t	 slots[2];
	uint16_t	 from;		/* slot */
	uint16_t	 generation;
	uint32_t	 ref;
	uint64_t	 count;		/* BUS_COUNT, BUS_ANSWERS, ms */
	struct slice	 nsp;		/* with its slash */
	struct slice	 event;		/* raw JSON string */
	struct slice	 args;		/* JSON elements without brackets */
	struct slice	 offset;	/* raw JSON string or empty */
	struct slice	 meta;		/* raw JSON object or empty */
	/* The audience: the union of rooms, users, sids; all empty: the whole
	 * namespace.  Then minus sessions whose sid or room is in except. */
	struct slice	 rooms[BUS_LIST_MAX];
	size_t		 nrooms;
	struct slice	 users[BUS_LIST_MAX];
	size_t		 nusers;
	struct slice	 sids[BUS_LIST_MAX];
	size_t		 nsids;
	struct slice	 attachments[BUS_ATTACHMENTS_MAX];
	size_t		 nattach;
	struct slice	 except[BUS_LIST_MAX];	/* sids or rooms */
	size_t		 nexcept;
	/* BUS_ROOMS */
	struct slice	 join[BUS_LIST_MAX], leave[BUS_LIST_MAX];
	size_t		 njoin, nleave;
	uint64_t	 sent_us;	/* CLOCK_MONOTONIC of the host, for the
					 * delivery histogram; 0: unknown */
};

/* The frame's size once the whole of it is there, CODEC_MORE until then,
 * CODEC_BAD when absurd (told by the first bytes). */
ssize_t	bus_frame(struct slice in, uint64_t slots[2], uint16_t *flags)
	    MUST_USE;
/* Decode one whole frame; slices point into in.  kind may be one that this
 * version does not know.  from is a slot to which an answer can be sent, or 0
 * where none is wanted. */
ssize_t	bus_decode(struct slice in, struct bus_envelope *) MUST_USE;
/* Append one frame. false: too large (nothing appended). */
bool	bus_encode(struct buf *, const struct bus_envelope *) MUST_USE;

#endif
