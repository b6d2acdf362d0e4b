/*
 * The stats file: every counter of every process, mapped by anyone.  Each
 * process counts in its own column of sealed memory, with plain relaxed
 * stores, and the master writes that to the file ten times a second: what
 * happens to the file hurts nobody.  Made in full under a temporary name and
 * renamed, so a reader never sees half a file and a full disk fails at start;
 * made again when it is gone.  A reader sums the columns.  The format is described
 * in the header below and carries its own descriptors, so that a reader needs
 * no table of ours.  Same major version: fields and values are only added.
 *
 * Writer: master creates, children inherit.  Reader: maps read-only.
 */
#ifndef SHM_STATS_H
#define SHM_STATS_H

#include <stdatomic.h>
#include <sys/types.h>

#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"
#include "shm/counters.h"

#define STATS_MAGIC	"ROOSTST1"
#define STATS_ORDER	0x01020304u
#define STATS_MAJOR	1
#define STATS_MINOR	0

enum stats_state {
	STATS_MAKING,
	STATS_LIVE,
	STATS_ENDED,
};

struct stats_header {			/* 256 bytes, little-endian */
	char		 magic[8];
	uint32_t	 order;
	uint16_t	 major;
	uint16_t	 minor;
	uint32_t	 header_size;
	uint32_t	 desc_stride;
	uint64_t	 file_size;
	uint8_t		 start_id[16];	/* random; other: counters began anew */
	uint64_t	 started_ms;	/* unix */
	_Atomic uint32_t state;		/* enum stats_state */
	uint32_t	 master_pid;
	_Atomic uint64_t heartbeat_ms;	/* unix, once a second */
	_Atomic uint32_t ndesc;
	uint32_t	 max_desc;
	uint64_t	 desc_off;
	uint64_t	 str_off;
	uint64_t	 str_size;
	uint64_t	 slot_off;
	uint32_t	 nslots;	/* columns, the master's included */
	uint32_t	 slot_stride;
	uint64_t	 col_off;
	uint64_t	 col_stride;	/* a multiple of 128 */
	uint32_t	 ncells;
	uint32_t	 master_col;
	char		 version[32];
	uint8_t		 spare[80];
};

struct stats_desc {			/* 64 bytes: one metric */
	uint32_t	 name;		/* offsets into the strings */
	uint32_t	 help;
	uint32_t	 labels;	/* Prometheus form: ns="chat" */
	uint8_t		 type;		/* enum stats_type */
	uint8_t		 agg;		/* enum stats_agg */
	uint8_t		 unit;		/* enum stats_unit */
	uint8_t		 sub_bits;	/* histogram: 2^k cells an octave */
	uint32_t	 cell;		/* u64 index in a column */
	uint32_t	 ncells;	/* histogram: buckets, then the sum */
	uint32_t	 flags;		/* 1: deprecated */
	uint8_t		 spare[36];
};

struct stats_slot {			/* 128 bytes */
	_Atomic uint32_t state;		/* 0 free, 1 live, 2 dead */
	_Atomic uint32_t pid;
	_Atomic uint32_t role;
	_Atomic uint32_t generation;
	_Atomic uint64_t started_ms;	/* unix */
	_Atomic uint64_t heartbeat_ms;	/* unix; the owner */
	char		 name[16];	/* "relay", "worker 3", "master" */
	uint8_t		 spare[80];
};

static_assert(sizeof(struct stats_header) == 256, "stats format");
static_assert(sizeof(struct stats_desc) == 64, "stats format");
static_assert(sizeof(struct stats_slot) == 128, "stats format");

enum stats_type { STATS_COUNTER = 1, STATS_GAUGE, STATS_HISTOGRAM };
enum stats_agg { STATS_SUM = 1, STATS_MAX, STATS_MASTER };
enum stats_unit { STATS_NONE, STATS_BYTES, STATS_US, STATS_MS, STATS_S };
enum stats_slot_state { STATS_SLOT_FREE, STATS_SLOT_LIVE, STATS_SLOT_DEAD };
enum stats_role { STATS_ROLE_RELAY, STATS_ROLE_WORKER, STATS_ROLE_MASTER };

struct stats;

/* --- writer --------------------------------------------------------------- */
struct stats_params {
	unsigned	 nslots;	/* of the segment; one more is made */
	const char	*version;	/* of the program */
};

/*
 * Master, before the first fork.  path NULL: anonymous memory, for /metrics
 * only.  NULL + errno: ENOSPC if the file system is full (nothing is left
 * behind).
 */
struct stats *stats_create(const char *path, const struct stats_params *)
	    MUST_USE;
/*
 * A master that becomes another program hands these on: what it needs to go on
 * counting, so that nothing that is counted falls.
 */
struct stats_kept {
	int		 memory_fd;
	int		 file_fd;	/* -1: there is none */
	uint64_t	 rows;		/* which counters, in which order */
	uint64_t	 bus_unread;	/* counted as lost with a relay so far */
};
void	stats_keep(const struct stats *, struct stats_kept *);
/*
 * Master, after that.  Takes the descriptors, also when it fails: NULL + errno,
 * EPROTO if that is no memory of ours.  Where other counters are counted now,
 * new memory and a new file go on from what was counted; what children of the
 * predecessor still count is added by stats_publish(), until they are gone.
 */
struct stats *stats_adopt(const struct stats_kept *, const char *path,
	    const struct stats_params *) MUST_USE;
/* Master: the file, if there is one, shall belong to them; -1 + errno. */
int	stats_give(struct stats *, uid_t, gid_t);
/*
 * Master, ten times a second: brings the file up to date; when it was removed
 * or replaced, a second later at most another is made (returns 1).  -1 + errno:
 * it cannot be written now; EEXIST: the name is a later start's, which lives.
 */
int	stats_publish(struct stats *, struct mono now);
/* Master, at the end: says ENDED to the readers; the file stays. */
void	stats_end(struct stats *);
void	stats_close(struct stats **);	/* unmaps in this process */
/* The owner's column, for counters_attach(). slot = stats_master(): master. */
uint64_t *stats_column(struct stats *, unsigned slot);
unsigned stats_master(const struct stats *);
/* One counter or gauge of a slot, also of a predecessor's child in it. */
uint64_t stats_value(struct stats *, unsigned slot, enum counter);
/* Master: the slot's row when a child starts, dies, is reclaimed. */
void	stats_slot_live(struct stats *, unsigned slot, enum stats_role,
	    uint32_t pid, uint32_t generation, const char *name);
void	stats_slot_dead(struct stats *, unsigned slot);
/*
 * Master, last: gauges become 0, and connections and clients that were open
 * are closed for the reason worker_died.  Returns how many connections that were.
 */
uint64_t stats_slot_free(struct stats *, unsigned slot);
/* Owner (and the master for itself, which is also the file's heartbeat). */
void	stats_heartbeat(struct stats *, unsigned slot, struct wall now);
/*
 * Master: gives namespace index ns its name and makes its block visible.
 * Once per index (again: ignored).  False: beyond COUNTERS_NS_MAX, it is
 * counted in the block "_other".
 */
bool	stats_ns(struct stats *, unsigned ns, const char *name);

/* --- reader --------------------------------------------------------------- */
/*
 * Maps a stats file read-only.  NULL + errno: EAGAIN (not finished yet),
 * EPROTO (not a stats file, or another major version), EFBIG (cut short),
 * else that of open().
 */
struct stats *stats_open(const char *path) MUST_USE;
/*
 * Should the reader close and open again: the daemon has ended, stopped
 * beating for 5 s, or put another file there?
 */
bool	stats_stale(const struct stats *, struct wall now);

/* Sums over all columns, straight from the mapping; any process of ours. */
uint64_t stats_total(const struct stats *, enum counter);
uint64_t stats_ns_total(const struct stats *, unsigned ns, enum ns_counter);

struct stats_metric {
	const char	*name, *help, *labels;	/* in the mapping; never NULL */
	uint8_t		 type, agg, unit, sub_bits;
	uint32_t	 ncells;
	uint32_t	 cell;		/* in a column */
	uint32_t	 first;		/* index into the values */
	uint32_t	 next;		/* of the same name, 0: the last */
	bool		 leads;		/* first of its name */
};

struct stats_row {			/* a slot, copied */
	uint32_t	 state, pid, role, generation;
	uint64_t	 started_ms, heartbeat_ms;
	char		 name[17];
};

struct stats_snapshot {
	uint8_t		 start_id[16];
	uint64_t	 started_ms, heartbeat_ms;
	uint32_t	 state, master_pid;
	char		 version[33];
	unsigned	 nmetrics;
	struct stats_metric *metric;
	unsigned	 nrows;		/* nslots of the file */
	struct stats_row *row;
	uint32_t	 nvalues;
	uint64_t	*total;		/* nvalues, combined as agg says */
	uint64_t	*each;		/* nrows * nvalues; NULL unless asked */
};

/*
 * Copies everything described; names stay in the mapping, so the snapshot is
 * to be freed before stats_close().  False + errno when memory is short or the
 * file is malformed (EPROTO).  each: keep the columns apart as well.
 */
bool	stats_snapshot(const struct stats *, bool each,
	    struct stats_snapshot *) MUST_USE;
void	stats_snapshot_free(struct stats_snapshot *);
/* The metric of this name and labels ("" for none), NULL if absent. */
const struct stats_metric *stats_find(const struct stats_snapshot *,
	    const char *name, const char *labels);
/* Histogram: the least value of bucket i. */
uint64_t stats_lower(const struct stats_metric *, uint32_t i);
/* Histogram: values counted, and the value below which q of them lie. */
uint64_t stats_count(const struct stats_metric *, const uint64_t *values);
uint64_t stats_quantile(const struct stats_metric *, const uint64_t *values,
	    double q);

#endif
