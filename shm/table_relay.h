/*
 * The relay's part of a table: it tells the world what changed, exactly once,
 * and mirrors what other hosts hold.  For the relay's process alone; see
 * shm/table.h for the table itself.
 */
#ifndef SHM_TABLE_RELAY_H
#define SHM_TABLE_RELAY_H

#include "shm/table.h"

struct table_relay;

struct table_event {
	uint32_t	 node;
	uint16_t	 ns;
	struct slice	 key;	/* borrowed */
	bool		 whole;	/* false: key is a prefix of a long one */
	bool		 status;/* nothing else changed */
	bool		 repeat;/* perhaps told before a relay died */
	unsigned	 was;	/* ANN_L, ANN_R before */
	unsigned	 is;	/* and now */
	uint64_t	 version;
};

/*
 * True: it is on its way.  False: there is no room for it now; the node stays
 * as if nothing had changed, and table_announce_held() comes back to it.
 */
typedef bool table_emit(void *arg, const struct table_event *);

/* At start: leaves are announced after leave_delay_us.  NULL + errno. */
struct table_relay *table_relay_open(struct segment *, enum table_id,
	    uint64_t leave_delay_us) MUST_USE;
void	table_relay_close(struct table_relay **);
/* From now on after so long, those that wait already as well. */
void	table_leave_delay(struct table_relay *, uint64_t leave_delay_us);
/* All nodes whose last announcement is not the truth: once, at start. */
void	table_announce_all(struct table_relay *, struct mono now, table_emit *,
	    void *arg);
/* All that are held on this host, told or not, or were and are not told to be gone
 * yet: as if they had just come. */
void	table_tell_all(const struct table_relay *, table_emit *, void *arg);
/* The marked ones, and leaves that are due: each turn.  Returns how many. */
unsigned table_announce(struct table_relay *, struct mono now, table_emit *,
	    void *arg);
/* Those that found no room, until a few have found none again. */
void	table_announce_held(struct table_relay *, struct mono now, table_emit *,
	    void *arg);
/*
 * What emit takes is only queued, and lost with this process until it is sent:
 * from now on a successor repeats it unless table_announce_sent() was called
 * twice since.  Call it when all is sent that was queued before the last call;
 * unsent: something waits for it.
 */
void	table_announce_queues(struct table_relay *);
bool	table_announce_unsent(const struct table_relay *);
void	table_announce_sent(struct table_relay *);
/* How many wait for room. */
uint32_t table_held(const struct table_relay *);
/* When the next delayed leave is due, UINT64_MAX: none waits. */
uint64_t table_announce_due(const struct table_relay *);
/*
 * What is held here, of one namespace, as it was told last, and (gone) what was
 * and is not evicted yet: from node *at on (0: the first), looking at so many;
 * true: that was all.  Stops behind the one for which emit has said false.
 */
bool	table_tell_some(const struct table_relay *, uint16_t ns, bool gone,
	    uint32_t *at, uint32_t nodes, table_emit *, void *arg);
/*
 * The hosts that hold key, a bit each; 0: none.  Returns the node, 0 when
 * nothing is mirrored.
 */
uint32_t table_mirror(struct table_relay *, uint16_t ns, struct slice key,
	    uint64_t hosts);

/* Hosts by number; the last stands for what a predecessor has mirrored. */
#define TABLE_HOSTS	63u
#define TABLE_INHERITED	63u
/* This host holds key, as far as is known. */
bool	table_mirrors(const struct table_relay *, uint16_t ns, struct slice key,
	    unsigned host);
/* A mirrored node is to be told of as if its status had changed. */
void	table_mirror_touch(struct table_relay *, uint32_t n);
/* One more host holds key; the node, 0: no room. */
uint32_t table_mirror_add(struct table_relay *, uint16_t ns, struct slice key,
	    unsigned host);
/*
 * It does not, or not any more.  lapsed: nobody waits for it to come back, as
 * the other host has waited already.
 */
void	table_mirror_drop(struct table_relay *, uint16_t ns, struct slice key,
	    unsigned host, bool lapsed);
/*
 * It holds nothing but what is in kept (a bit per node; NULL: nothing at all):
 * from node *at on, looking at so many nodes; true: that was all.
 */
bool	table_mirror_sweep(struct table_relay *, unsigned host,
	    const uint8_t *kept, bool lapsed, uint32_t *at, uint32_t nodes);
uint32_t table_mirrored(const struct table_relay *);	/* nodes */
uint32_t table_nodes(const struct table_relay *);	/* all, 0 included */
/*
 * At start: its predecessor's mirrors stay, as those of TABLE_INHERITED, until
 * that is swept; end sweeps it at once.
 */
void	table_inherit_begin(struct table_relay *);
void	table_inherit_end(struct table_relay *);
/* Later: what was mirrored until now is a predecessor's; some of that no host
 * has confirmed. */
void	table_inherit_again(struct table_relay *);
bool	table_inherits(const struct table_relay *);

#endif
