/*
 * The inside of a question, between ask.c (how long it waits, and for whom)
 * and ask_answers.c (what clients say).
 */
#ifndef HUB_BACKEND_ASK_INT_H
#define HUB_BACKEND_ASK_INT_H

#include <sys/queue.h>

#include "hub/backend/ask.h"
#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/store/place.h"

/* A client that has not answered: one for each question and session. */
struct asked {
	struct asked	*next;		/* of the same client */
	LIST_ENTRY(asked) link;		/* of the same question */
	struct ask	*ask;
	struct session	*session;
	uint32_t	 id;		/* it answers by: the question's ref,
					 * here or at who has asked it */
};

struct ask {
	unsigned	 magic;
#define ASK_MAGIC	0xa5ca5ced
	struct hub	*hub;
	struct wait	 wait;		/* its ref is what is asked by; a
					 * branch waits for workers that have
					 * taken clients of it */
	LIST_HEAD(, asked) open;
	uint32_t	 asked;		/* sessions, branches' included */
	uint32_t	 answered;
	bool		 published;
	bool		 truncated;	/* answers were left out */
	bool		 lost;		/* what branches did is not known */
	bool		 far;		/* the relay has not said that other
					 * hosts have answered */
	bool		 here;		/* nor has this worker: a survey */
	struct buf	 answers;	/* JSON elements */
	size_t		 bytes;		/* of all answers so far */
	uint64_t	 timeout_ms;
	uint64_t	 deadline_us;	/* clients may answer until then, */
	uint64_t	 end_us;	/* ... and branches until then */
	/* home */
	void		*asker;
	bool		 by_head;
	/* its publication is kept: */
	uint32_t	 kept_ref;	/* receivers answer by it; 0: by ours */
	uint64_t	 kept;		/* its place; 0: it has none */
	uint8_t		 epoch_len;
	char		 epoch[EPOCH_MAX];
	const char	*count;		/* name of the number that is asked
					 * for (asked is it); NULL: answers */
	uint64_t	 until_s;	/* it is revoked until then, as answered
					 * other hosts know; 0: no revocation */
	struct survey	*survey;	/* who is there is asked for, or NULL */
	bool		 one;		/* ... of which there must be one */
	bool		 store;		/* what is kept is asked for: answered
					 * by ask_stored() alone */
	uint8_t		 name_len;
	char		 name[ASK_ID_BYTES];
	bool		 branch;	/* else home.  Whose: */
	bool		 numbered;	/* it is kept: answers say so */
	bool		 prompt;	/* who has asked is told each answer as
					 * it comes: the relay, in the end */
	uint16_t	 slot;		/* 0: the relay's */
	uint32_t	 ref;		/* its id there */
	uint64_t	 had[2];	/* who got it, as far as it was told (see
					 * BUS_SHADOW); empty: it was not */
};

struct ask_table {
	struct waits	 waits;
	uint32_t	 clients;	/* that have not answered */
	size_t		 bytes;		/* of answers held */
};

/* ask.c: NULL: of none. */
struct ask *ask_of(struct wait *);
/* A question is open for so long, and branches have grace more.  NULL: too many
 * are, or no memory. */
struct ask *ask_open(struct hub *, uint64_t timeout_ms, uint64_t grace_ms)
	    MUST_USE;
void	ask_drop(struct ask **);
/* To who has asked, who has waited for it. */
void	ask_tell(const struct ask *, int status, const struct buf *);
/* The end, when nobody is waited for any more. */
void	ask_settle(struct ask *);
/* ask_lookup.c: of one whose receivers answer by this; 0: of none. */
uint32_t ask_by_place(struct hub *, uint32_t kept_ref);
/* What a branch has so far goes home; last: and that is all. */
void	ask_hand_over(struct ask *, bool last);
/* The branch of what that worker calls ref, which is made when there is none.
 * NULL: too many questions, or no memory. */
struct ask *ask_part(struct hub *, uint16_t slot, uint32_t ref,
	    uint64_t deadline_us) MUST_USE;
/* One that nobody here is asked by ends, without a word. */
void	ask_drop_unused(struct ask *);

/* ask_answers.c */
/* The event was queued for this session, which has a client. */
void	ask_expect(struct ask *, struct session *);
/* It is waited for this session, which has a client and answers by this id.
 * false: no memory, or too many are. */
bool	ask_wait_for(struct ask *, struct session *, uint32_t id) MUST_USE;
void	ask_forget_one(struct asked *);
/* What the back end is told; the status is returned. */
int	ask_render(const struct ask *, struct buf *);
/* Answers as JSON elements; left out when there is no room for them. */
void	ask_keep(struct ask *, struct slice elements);
/* Nobody here is waited for; how many were. */
unsigned ask_forget_clients(struct ask *);

#endif
