/*
 * The fleet: many light clients of every kind, which number what they send and
 * check what they get, while the daemon that they are connected to is reloaded,
 * resized and upgraded.  None of them ever connects again: whatever ends a
 * connection, loses, doubles or swaps a message is wrong and is told at once.
 *
 *	fleet.c		processes, words from handover.mjs, figures
 *	loop.c		sockets and timers
 *	link.c		one connection: HTTP, then WebSocket; whole or in pieces
 *	member.c	of a group: Socket.IO or plain, WebSocket or polling
 *	group.c		what members say, and whether all of it has come
 *	visitor.c	what those in /x have in common
 *	quick.c		ask and are answered, over and over; newcomers
 *	slow.c		read seldom, while their queue is being filled
 *	climber.c	from polling to WebSocket, with a rest on the way
 *	asker.c		HTTP on a connection that is kept, heads in two halves
 *	figures.c	counts, histograms, what is wrong
 *
 * A group is ten members who are in one room of /f, all of one process, which
 * so knows who has said what.  Presence is on: each of them is told of others
 * who come and go.
 */
#ifndef TESTS_HANDOVER_FLEET_H
#define TESTS_HANDOVER_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUP		10	/* members */
#define PROCESSES	8
#define BUCKETS		512	/* of a histogram */
#define TOKEN_MAX	400

#define COUNTS(X)	X(said) X(acked) X(heard) X(told) X(attachments)	\
			X(pings) X(answers) X(quick) X(newcomers) X(fed)	\
			X(slow) X(climbed) X(requests) X(asks) X(halves)	\
			X(resting) X(midway) X(reopened) X(ended)	\
			X(unacked) X(missing)
/*
 * lost	has not come	doubled	has come before	swapped	before an earlier one
 * ack	not the one asked for	unanswered	no ack in time	closed	ended
 * refused	could not connect	presence	an edge that was none
 * gap	roost:gap	damaged	not what was sent	heartbeat	came late
 * http	not the response that was expected
 */
#define WRONGS(X)	X(lost) X(doubled) X(swapped) X(ack) X(unanswered)	\
			X(closed) X(refused) X(presence) X(gap) X(damaged)	\
			X(heartbeat) X(http)
enum count {
#define X(name) COUNT_##name,
	COUNTS(X)
#undef X
	NCOUNTS
};
enum wrong {
#define X(name) WRONG_##name,
	WRONGS(X)
#undef X
	NWRONGS
};

enum order { ORDER_JOIN, ORDER_RUN, ORDER_HUSH, ORDER_CHECK, ORDER_END };

/* What one process of the fleet tells; in memory that all share. */
struct teller {
	_Atomic uint32_t here, held, hushed, checked, marked;
	_Atomic uint64_t count[NCOUNTS], wrong[NWRONGS];
	/* since the last mark: how late things came; each one's worst */
	uint32_t	 late[BUCKETS], worst[BUCKETS], quick[BUCKETS];
	uint32_t	 quick_worst[BUCKETS], fresh[BUCKETS];
	uint64_t	 ping_gap_us;		/* the longest */
};

struct options {
	unsigned	 port, processes, groups, polling, quick, slow,
			 climbers, askers, newcomers; /* those a second */
	unsigned	 per_second;	/* connections that are made */
	unsigned	 say_ms;	/* between two of one member */
	unsigned	 ping_ms;	/* the daemon's heartbeat */
	bool		 lossy;		/* processes of the daemon are killed */
	const char	*tokens;	/* a line for each member */
	const char	*key;		/* of the API */
};

struct board {
	struct options	 opt;
	_Atomic uint32_t order, mark;
	struct teller	 teller[PROCESSES];
};
extern struct board *board;
extern struct teller *me;
extern unsigned my_index;

/* --- figures.c ------------------------------------------------------------ */
void	count(enum count);
void	wrong(enum wrong, const char *who, unsigned id, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));
void	hist_add(uint32_t *hist, uint64_t us);
uint64_t hist_at(const uint32_t *hist, double share);	/* us */
void	late_by(uint32_t *worst_us, uint64_t sent_us, uint64_t now);
void	figures_print(const struct board *, const char *name);
void	die(const char *fmt, ...) __attribute__((noreturn,
	    format(printf, 1, 2)));

/* --- loop.c --------------------------------------------------------------- */
struct timer {
	struct timer	*next, **prev;
	uint64_t	 at_us;
	void		(*fn)(void *);
	void		*arg;
};
uint64_t now_us(void);		/* monotonic; the same in all processes */
unsigned any(unsigned below);
void	timer_set(struct timer *, uint64_t ms, void (*)(void *), void *arg);
void	timer_stop(struct timer *);
struct watch {			/* the first member of what is watched */
	void		(*fn)(void *, uint32_t events);
};
void	loop_init(void);
void	loop_watch(int fd, struct watch *, uint32_t events, bool is_new);
void	loop_turn(void);

/* --- link.c --------------------------------------------------------------- */
struct link;
struct link_ops {
	void	(*open)(struct link *);		/* connected */
	/* A response; 101: a WebSocket from now on. */
	void	(*http)(struct link *, unsigned status, const char *head,
		    char *body, size_t n);
	void	(*text)(struct link *, char *p, size_t n);
	void	(*binary)(struct link *, const uint8_t *p, size_t n);
	void	(*ping)(struct link *);		/* answered already */
	void	(*whole)(struct link *);	/* the pieces have gone */
	void	(*closed)(struct link *, const char *why);
};
enum link_state { LINK_NONE, LINK_CALLING, LINK_HTTP, LINK_WS };
struct link {
	struct watch	 watch;
	int		 fd;
	uint32_t	 call;		/* which of it; counted */
	uint8_t		 state;		/* enum link_state */
	bool		 narrow;	/* a small window */
	bool		 deaf;		/* does not read */
	bool		 waits_out;
	bool		 closing;	/* we have sent a Close */
	bool		 last;		/* the response said that it ends */
	const struct link_ops *ops;
	void		*arg;
	char		*rest, *out;
	uint32_t	 rest_n, out_n, out_cap;
	/* Pieces: so many bytes of out may go; the others with the next steps. */
	uint32_t	 gate, cut[3], cuts, left, step_ms;
	bool		 gated;
	struct timer	 step;
};
void	link_call(struct link *, const struct link_ops *, void *arg);
void	link_send(struct link *, const void *, size_t);
/*
 * Send it in pieces, one each step_ms: as long as cut[] says, and the rest; or,
 * with no cuts, byte by byte.  What is sent meanwhile comes after it.
 */
void	link_send_slowly(struct link *, const void *, size_t,
	    const uint32_t *cut, uint32_t cuts, uint32_t step_ms);
void	link_text(struct link *, const char *);
void	link_open_ws(struct link *, const char *target, const char *token);
void	link_get(struct link *, const char *target);
/* halves_ms: 0, or between its halves. */
void	link_post(struct link *, const char *target, const char *body, size_t,
	    uint32_t halves_ms);
void	link_say_close(struct link *);
void	link_listen(struct link *, bool);	/* reads, or not */
void	link_end(struct link *);		/* at once */
/* A masked frame; returns its size.  out: n + 14 bytes. */
size_t	frame(uint8_t *out, uint8_t first, const void *, size_t n);
/* "key":123 in it, -1: is not. */
int64_t	number_of(const char *p, size_t n, const char *key);
bool	has(const char *p, size_t n, const char *text);

/* --- member.c, group.c ---------------------------------------------------- */
enum kind { KIND_SIO, KIND_PLAIN, KIND_POLLING };
enum manner { WHOLE, FRAGMENTS, BYTES, ATTACHMENT };
enum { MEMBER_AWAY, MEMBER_OPENING, MEMBER_JOINING, MEMBER_HERE, MEMBER_DEAD };
struct member {
	struct link	 link, post;	/* post: of polling */
	struct group	*group;
	unsigned	 id, place;
	enum kind	 kind;
	enum manner	 manner;
	uint8_t		 state;
	bool		 posting, missed, gap_told, told_gone;
	bool		 halves;	/* its POSTs come in two */
	char		*target;	/* of a session over polling */
	char		*posts;		/* packets that wait for the next POST */
	uint32_t	 posts_n, posts_cap;
	uint32_t	 said, told, next[GROUP], next_told;
	int64_t		 ack, tell_ack;	/* awaited; -1: none */
	uint64_t	 ack_us, tell_us;
	int64_t		 ask;		/* id of a question of a back end */
	int64_t		 ask_n, last_ask;
	uint64_t	 ping_us;
	uint32_t	 worst_us;	/* since the mark */
	uint8_t		 parts;		/* attachments that must come now */
	unsigned	 part_s;
	uint32_t	 part_i;
	struct timer	 say_timer, ask_timer, tell_timer;
};
struct group {
	unsigned	 id;
	struct member	 member[GROUP];
};
struct group *groups_new(unsigned first, unsigned n);
void	member_call(struct member *);
/* Text of Socket.IO (with its "4") or an envelope; by its transport. */
void	member_send(struct member *, const char *text);

void	group_begin(struct member *);	/* it is here: will say something */
void	group_event(struct member *, const char *p, size_t n, int64_t ask);
void	group_ack(struct member *, int64_t id, const char *p, size_t n);
void	group_attachment(struct member *, const uint8_t *p, size_t n);
bool	group_hushed(const struct group *);	/* nothing is awaited */
bool	group_complete(struct group *);	/* all has come */
void	group_check(struct group *);		/* what has not is lost */
void	group_mark(struct group *);
#define ATTACHED	48	/* bytes */
void	attached(uint8_t p[ATTACHED], unsigned s, uint32_t i);

/* --- visitor.c ------------------------------------------------------------ */
struct visitor;
struct visitor_ops {
	const char	*name;
	void	(*here)(struct visitor *);	/* is in /x */
	void	(*event)(struct visitor *, const char *p, size_t n);
	void	(*ack)(struct visitor *, int64_t id, const char *p, size_t n);
	/* why: NULL after visitor_leave(). */
	void	(*gone)(struct visitor *, const char *why);
	void	(*say)(struct visitor *, const char *text);	/* or NULL */
};
struct visitor {
	struct link	 link;
	const struct visitor_ops *ops;
	unsigned	 id;
	bool		 is_here, leaves;
};
void	visitor_call(struct visitor *, const struct visitor_ops *, unsigned id);
void	visitor_leave(struct visitor *);	/* says goodbye */
void	visitor_end(struct visitor *);		/* at once */
void	visitor_take(struct visitor *, char *p, size_t n);	/* a packet */

void	visitor_say(struct visitor *, const char *text);
/* What was fed came as number i, when `next' had to; what comes then. */
uint32_t visitor_number(struct visitor *, int64_t i, uint32_t next,
	    uint32_t fed);
/* All of them, for those who order. */
extern unsigned visitors_here, visitors_wanted;

/* --- fleet.c --------------------------------------------------------------- */
void	token_of(unsigned member, char[TOKEN_MAX]);

/* --- quick.c, slow.c, climber.c, asker.c ---------------------------------- */
void	quick_start(unsigned n);
void	quick_mark(void);
void	newcomers_start(unsigned per_second);
bool	quick_hushed(void);		/* and newcomers */
void	feeder_start(void);
bool	feeder_is_here(void);
/* To the room "rPROCESS-ID": number i, padded; false: cannot now. */
bool	feeder_feed(unsigned id, uint32_t i, unsigned padding);
void	slow_start(unsigned n);
bool	slow_hushed(void);
void	climbers_start(unsigned n);
bool	climbers_hushed(void);
void	askers_start(unsigned n, unsigned first_group, unsigned groups);
bool	askers_hushed(void);

#endif
