/*
 * The links to Redis, and the other hosts behind them: one (far.h), or none
 * without `redis {}`; and two while the section changes.  relay.c opens it,
 * hands it each change of the tables and gives it the end of each turn.
 *
 *	      ┌─ serves ──────────────────────────┐ goes ──► leaves ─► closed
 *	conf ─┴► comes ── connected, listening ──►│ serves ─ ─ ─
 *
 * The one there is serves until the new one listens to everything, however long
 * that takes.  Then it goes on beside the new one for redis { linger }, as the
 * other hosts get their configuration one after another: what is published here
 * goes both ways and what comes is taken from both, once each (ledger.h) and in the
 * order of each host: what the new one brings waits for what the old one has yet to
 * bring (links_wait.c).  Where
 * both are at the same place (another password) one suffices.
 */
#ifndef RELAY_LINKS_H
#define RELAY_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"

struct conf;
struct exchange;
struct heritage;
struct keep;
struct links;
struct redis;
struct loop;
struct table_event;
struct table_relay;

/* The first link, of the heritage's configuration.  NULL: no memory. */
struct links *links_new(const struct heritage *, struct loop *,
	    struct exchange *, struct keep *) MUST_USE;
/* Another relay comes after us, to where the newest one is. */
void	links_hush(struct links *);
/* Before the peers of the exchange are gone, or after: it asks nobody. */
void	links_free(struct links **);
/* The tables, when they are open; what of other hosts a predecessor has
 * mirrored stays until it can be compared, or goes, where nothing is. */
void	links_tables(struct links *, struct table_relay *interest,
	    struct table_relay *presence);
void	links_interest(struct links *, const struct table_event *);
void	links_presence(struct links *, const struct table_event *);
/* Another configuration, the one before is there yet. */
void	links_conf(struct links *, const struct conf *);
/* Then, when its namespaces are told: its section redis, if it is another one.
 * false: no memory to compare them; it is as before. */
bool	links_change(struct links *, const struct conf *);
/* Somebody needs that configuration yet. */
bool	links_use(const struct links *, const struct conf *);
/* Files that the configuration names may have changed. */
void	links_reread(struct links *);
/* The Redis of the link that serves, and the configuration whose section that is;
 * NULL: none.  serial: of that link; alone: others that served are closed. */
struct redis *links_redis(const struct links *, const struct conf **section,
	    uint64_t *serial, bool *alone);
/* This worker is no more. */
void	links_worker_gone(struct links *, unsigned slot);
/* About once a second. */
void	links_beat(struct links *);
/* What this host has published since then may not have reached the others. */
void	links_gap_all(struct links *, uint64_t from_ms);
/* The end of a turn: what is to be written is written; busy: the next turn is
 * not to wait. */
void	links_flush(struct links *);
bool	links_busy(const struct links *);

#endif
