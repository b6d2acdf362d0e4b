/*
 * What the links to Redis have in common that this host has at a time, one, or
 * two while another takes its place: which publications of other hosts have
 * come already, whichever link they came by, and the numbers of our own.  Made
 * by the relay's roof; kept by those of this folder that hear and speak.
 *
 * When a link comes to the same place where the one that serves is, each message
 * comes by both, and what they bring is compared.  None is taken twice then, and
 * the new one can serve at a moment when the old one is not behind it: nothing
 * is lost, nor out of order.  How far it is behind the old one is no matter of
 * time: its owner knows when it has brought the rest.
 */
#ifndef RELAY_BRIDGE_LEDGER_H
#define RELAY_BRIDGE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bug.h"
#include "base/hash.h"

struct ledger_row;
struct seen;

struct ledger {
	struct seen	*seen;
	uint32_t	 self;		/* names this process among servers of
					 * Socket.IO, by whichever link */
	uint64_t	 epoch;		/* ours: see seen.h */
	uint64_t	 number;	/* of our last that has one */
	uint64_t	 offsets;	/* given to what came from elsewhere */
	bool		 twofold;	/* what we publish goes by both links: all
					 * of it has a number */
	struct ledger_row *rows;	/* NULL: nothing is compared */
	struct hash_key	 key;
	bool		 early;		/* what the new one brings the old one
					 * may have brought before */
	bool		 serves;	/* the one that came: what the old one has
					 * brought, it need not */
	bool		 holds;		/* what the one that serves brings waits
					 * for what the one that goes has yet to
					 * bring */
	bool		 marks;		/* it does from now on */
	bool		 full;		/* it is too much to wait */
	bool		 again;		/* what is published now is what was
					 * published last, by the other link */
};

/* generation: of the relay.  -1: no memory. */
int	ledger_init(struct ledger *, uint32_t generation) MUST_USE;
void	ledger_fini(struct ledger *);

/* A link comes to the same place; it serves; it has brought what the old one
 * had.  begin: anew; -1: no memory. */
int	ledger_compare_begin(struct ledger *) MUST_USE;
/* The new one has brought all that was published before. */
void	ledger_compare_all(struct ledger *);
void	ledger_compare_rest(struct ledger *);
void	ledger_compare_end(struct ledger *);
bool	ledger_compares(const struct ledger *);
/* Is it to be taken?  comes: it was brought by the link that comes. */
bool	ledger_takes(struct ledger *, bool comes, struct slice channel,
	    struct slice payload, uint64_t now_ms);
/* That one has brought something that the other one has not, of late. */
bool	ledger_is_ahead(const struct ledger *, uint64_t now_ms);

/* For a publication: 0: it has none. */
uint64_t ledger_number(struct ledger *, bool has);

#endif
