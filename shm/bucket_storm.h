/*
 * The host's one budget of handshakes, drawn on by all workers, and who goes
 * first when it does not suffice: addresses of clients that were lost a short
 * while ago.  They have three quarters of it, the others a quarter; what one
 * side leaves the other takes, as long as half of what may come at once is
 * left.  So nobody starves, and nothing is left unused.
 *
 * Who is refused is told when to come back, each at a time of its own: three
 * quarters of the budget a second, as those of one second do not come evenly.  Words of 64 bits, each changed by one
 * compare-and-swap: a death leaves nothing to reclaim.  Allocation-free.
 */
#ifndef SHM_BUCKET_STORM_H
#define SHM_BUCKET_STORM_H

#include "shm/segment.h"

#define STORM_KNOWN_S	120u	/* so long a lost client's address is known */
#define STORM_SPREAD_S	30u	/* nobody is told to come back later */
#define STORM_QUIET_S	10u	/* without a refusal: it is over */

enum storm_lane {
	STORM_KNOWN,
	STORM_STRANGER,
	STORM__LANES
};

struct storm_rate {
	uint64_t	 each_ns;	/* of the whole; 0: there is no limit */
	struct {
		uint64_t	 cost;	/* ns of one handshake */
		uint64_t	 limit;	/* debt allowed to its own, */
		uint64_t	 loan;	/*   and to the others; */
		uint64_t	 late;	/*   ns after its own might, if that
					 * is less than one costs */
	}		 lanes[STORM__LANES];
};

/* What a storm was. */
struct storm_sum {
	uint64_t	 refused;
	uint64_t	 ms;	/* to its last refusal */
};

/* A quarter of it may come at once.  0: no limit. */
void	storm_rate_init(struct storm_rate *, uint32_t per_second);
/* One more handshake; false: not now. */
bool	storm_admit(struct segment *, const struct storm_rate *,
	    enum storm_lane, struct mono now) MUST_USE;
/* Refused: when to come back, in seconds, 1..STORM_SPREAD_S; *begins: it is the
 * first of a storm.  random: any number. */
unsigned storm_refuse(struct segment *, const struct storm_rate *,
	    struct mono now, uint32_t random, bool *begins);
/* A storm is over: told to one of those who ask. */
bool	storm_ends(struct segment *, struct mono now, struct storm_sum *)
	    MUST_USE;

/* A client of this address (limit_address()) was lost. */
void	storm_note(struct segment *, uint64_t address, struct mono now);
/* Where its next handshake belongs. */
enum storm_lane storm_lane(const struct segment *, uint64_t address,
	    struct mono now);

#endif
