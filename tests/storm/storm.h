/*
 * The storm: many connections of many users against a roostd whose workers
 * are killed.  What the clients hold is written into memory that all
 * processes of the test share, so that the daemon's answers can be compared
 * with it user by user.
 *
 *	storm.c		starts the daemon and the clients, kills, compares
 *	crowd.c		a process full of clients that come back
 *	watch.c		clients that watch the users' presence
 *	link.c		one WebSocket connection, client side
 *	asker.c		HTTP: the API and /metrics
 *	token.c		JSON Web Tokens
 *
 * A user has a plain WebSocket in /storm and a Socket.IO connection in /storm
 * and /side: three sessions over two connections.
 */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SECRET		"storm-secret-of-more-than-thirty-two-bytes"
#define API_KEY		"storm-key"
#define CROWDS_MAX	16
#define BLOCK		500	/* users that one watcher watches */
#define REPLICAS	2	/* watchers of a block, on different workers */

/* What a connection holds: bits, set while the session is certain. */
#define HOLDS_STORM	1u
#define HOLDS_SIDE	2u

/* Last event of a user that a watcher got. */
enum seen { SEEN_NONE, SEEN_ONLINE, SEEN_OFFLINE };

struct crowd {			/* written by one process of clients */
	_Atomic uint32_t settled;	/* == gate: nothing moves here */
	_Atomic uint32_t up;		/* connections established */
	_Atomic uint32_t flying;	/* being made or closed */
	_Atomic uint64_t made, cut, churned, refused;
	char		 why[256];	/* the first refusal */
};

struct watching {		/* written by the process of watchers */
	_Atomic uint32_t settled;
	_Atomic uint32_t live;		/* watchers that watch */
	_Atomic uint32_t up;		/* connections of watchers */
	_Atomic uint32_t answered;	/* blocks answered since asked */
	_Atomic uint64_t leaves, joins;	/* updates received */
	_Atomic uint64_t twice;		/* the same one again */
	_Atomic uint64_t untrue;	/* a leave of who was there */
	_Atomic uint64_t refused;
	char		 why[256];
};

struct board {
	unsigned	 users, ncrowds, nblocks;
	uint16_t	 port;
	uint32_t	 grace_ms;
	/* by storm.c */
	_Atomic uint32_t gate;		/* odd: clients move, even: frozen */
	_Atomic uint32_t jitter_ms;	/* before a client comes back */
	_Atomic uint32_t churn;		/* closed per second and process */
	_Atomic uint32_t asked;		/* watchers: ask presence:get */
	_Atomic bool	 leave;		/* everybody goes, and stays away */
	struct crowd	 crowd[CROWDS_MAX];
	struct watching	 watching;
	/* for each connection, 2 * user + (0 plain, 1 Socket.IO) */
	_Atomic uint8_t	*held;
	_Atomic uint32_t *up_ms;	/* since when, monotonic */
	/* for each user */
	_Atomic uint16_t *told;		/* presence:get: connections */
	/* for each replica and user */
	_Atomic uint8_t	*belief;	/* 1: a watcher takes it for online */
};

uint64_t now_ms(void);		/* monotonic */
void	die(const char *fmt, ...) __attribute__((noreturn,
	    format(printf, 1, 2)));

/* --- token.c: HS256 with SECRET, valid for an hour ------------------------ */
#define TOKEN_MAX	512
void	token_mint(const char *user, char out[TOKEN_MAX]);

/* --- link.c --------------------------------------------------------------- */
enum link_state { LINK_NONE, LINK_CONNECTING, LINK_ASKED, LINK_OPEN,
	LINK_CLOSING };

struct link {
	int		 fd;
	uint8_t		 state;		/* enum link_state */
	uint32_t	 have, cap;
	char		*in;		/* one message must fit */
};

/* A frame's text, 0 ended; it may not close the link. */
typedef void link_text(void *arg, char *text, size_t n);

void	link_init(struct link *, char *in, uint32_t cap);
/* Begin; source: which address of 127/8 to come from. -1 + errno. */
int	link_connect(struct link *, uint16_t port, uint32_t source);
/* Connected: ask for a WebSocket at path. */
int	link_ask(struct link *, const char *path, const char *token);
int	link_send(struct link *, const char *text, size_t n);
int	link_send_close(struct link *);
/*
 * Read what is there.  -1: the link is gone; -2: the handshake was refused,
 * and `in' holds the answer.
 */
int	link_read(struct link *, link_text *, void *arg);
void	link_close(struct link *);	/* at once, no goodbye */

/* --- crowd.c, watch.c: run until told to leave ---------------------------- */
void	crowd_run(struct board *, unsigned which) __attribute__((noreturn));
void	watch_run(struct board *) __attribute__((noreturn));

/* --- asker.c -------------------------------------------------------------- */
struct asker {
	uint16_t	 port;
	int		 fd;		/* -1: none */
	char		*body;		/* of the last answer, 0 ended */
	size_t		 n, cap;
};

/* The status, or -1: no connection. */
int	asker_get(struct asker *, const char *path);
/* Sum over the series of a family whose labels hold `label' (or NULL). */
bool	metric_sum(const char *page, const char *family, const char *label,
	    uint64_t *sum);

#endif
