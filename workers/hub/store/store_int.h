/*
 * The inside of store/, between its files: what a worker has of it.
 */
#ifndef HUB_STORE_STORE_INT_H
#define HUB_STORE_STORE_INT_H

#include <sys/queue.h>

#include "hub/hub_int.h"
#include "hub/publish/waits.h"
#include "hub/store/store.h"

#define STORE_TIMEOUT_MS	2000	/* for the relay's answer */
#define STORE_KEEPS_MAX		16384	/* publications that wait for a place */
#define STORE_ASKS_MAX		8192	/* open questions for what was kept */
#define STORE_PAGE_EVENTS	1000
#define STORE_PAGE_BYTES	(256u << 10)

struct enter;
struct heal;
struct lag;

struct store_table {
	struct waits	 keeps;		/* keep.c */
	struct waits	 asks;		/* history.c */
	struct hashtab	 waiters;	/* waiter.c: clients that wait */
	TAILQ_HEAD(, enter) slow;	/* enter.c: whose client reads slowly */
	TAILQ_HEAD(, heal) heals;	/* heal.c: whose members do */
	TAILQ_HEAD(, lag) lags;		/* lag.c: who reads on; in turn */
	struct hashtab	 laggards;	/* ... by membership */
	TAILQ_HEAD(, lag) lag_asks;	/* ... those whose pages are on their way, */
	unsigned	 nlag_asks;	/* so many */
	uint32_t	 era;		/* of the stream to the relay */
	uint32_t	 healing;	/* rooms */
};

/* keep.c, history.c, enter.c, heal.c: the clock; the stream broke. */
void	keep_tick(struct hub *);
void	keep_lost(struct hub *);
void	keep_gone(struct hub *, const uint64_t slots[2]);
void	history_tick(struct hub *);
void	history_lost(struct hub *);
void	enter_tick(struct hub *);
void	heal_tick(struct hub *);
void	lag_tick(struct hub *);
void	lag_table_init(struct store_table *);
void	lag_table_fini(struct store_table *);
void	heal_lost(struct hub *);

#endif
