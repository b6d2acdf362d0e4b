/*
 * Two snapshots of the stats file and the time between them, as what an
 * operator asks: rates, who is busy, how long things take, what goes wrong.
 * Pure: the clock is an argument, nothing is read or printed.
 *
 * A rate that is not known (first snapshot, new metric) is NAN.
 */
#ifndef ROOSTSTAT_MODEL_H
#define ROOSTSTAT_MODEL_H

#include "shm/stats.h"
#include "sys/plat.h"

#define MODEL_SILENT_MS	5000u	/* no heartbeat for so long: silent */
#define MODEL_HISTORY	240	/* intervals kept for the little graphs */
#define MODEL_NAME	136	/* bytes of a namespace's name, cut */

/* What is known of the daemon besides its numbers. */
enum model_daemon {
	DAEMON_LIVE,
	DAEMON_ENDED,		/* it said so */
	DAEMON_SILENT,		/* its heartbeat is older than 5 s */
};

struct model_source {
	enum model_daemon daemon;
	uint64_t	 silent_ms;	/* since the last heartbeat */
	char		 process;	/* of the master, see plat.h */
	bool		 unlinked;	/* its file is no longer at the path */
	int		 error;		/* errno of opening the path again */
	/* by row, at this snapshot and the one before; NULL: not known */
	const struct plat_use *use, *was;
	bool		 restarted;	/* another start since we look */
	uint64_t	 restarted_ms;	/* ago */
};

struct model_proc {		/* a row of the file that is in use */
	char		 name[17];
	unsigned	 slot;
	uint32_t	 role, pid, generation;
	bool		 dead, silent;
	uint64_t	 age_ms;	/* since its start */
	uint64_t	 silent_ms;	/* since its last heartbeat */
	double		 connections, sessions, queue_bytes;
	double		 in, out;	/* messages, deliveries per second */
	double		 bytes_in, bytes_out;
	double		 busy;		/* 0..1, of one CPU: time in turns */
	double		 cpu;		/* of one CPU, as the kernel has it */
	double		 memory;	/* bytes of its own, NAN: not known */
	double		 files, files_max;	/* descriptors, same */
	uint64_t	 turn_p99_us;	/* of this interval, 0: no turn */
};

struct model_ns {
	char		 name[MODEL_NAME];	/* as in the file */
	double		 users, sockets;
	double		 in, out;		/* events per second */
	double		 bytes_in, bytes_out;
	double		 connects;		/* per second */
	double		 errors;		/* per second */
	double		 all_errors;		/* since the start */
};

struct model_latency {		/* a histogram */
	const struct stats_metric *metric;
	double		 rate;		/* values per second */
	bool		 any;		/* there is a value at all */
	bool		 old;		/* none in the interval: since start */
	uint64_t	 p50, p90, p99, max;	/* in the metric's unit */
};

struct model_rate {		/* counter or gauge, over all processes */
	const struct stats_metric *metric;
	double		 value;
	double		 now, minute, start;	/* per second; gauges: NAN */
};

enum model_severity {
	SEVERITY_NOTE,		/* the peer's fault, and expected */
	SEVERITY_WARN,		/* somebody missed something */
	SEVERITY_BAD,		/* the daemon or the host is in trouble */
};

struct model_problem {
	struct model_rate rate;
	enum model_severity severity;
};

enum model_headline {
	HEAD_ACCEPTED, HEAD_IN, HEAD_OUT, HEAD_BYTES_IN, HEAD_BYTES_OUT,
	HEAD__MAX
};

struct model_history {
	double		 value[MODEL_HISTORY];	/* oldest first */
	unsigned	 n;
};

struct model_head {
	struct model_rate rate;
	struct model_history history;
};

/* What goes up and down, over all processes. */
enum model_level {
	LEVEL_OPEN, LEVEL_MEMORY, LEVEL_CPU, LEVEL__MAX
};

enum model_verdict { VERDICT_HEALTHY, VERDICT_DEGRADED, VERDICT_DOWN };

#define MODEL_REASONS	8

struct model {
	const struct stats_snapshot *cur;	/* borrowed, as all metrics */
	struct model_source source;
	struct wall	 now;
	uint64_t	 up_ms;
	unsigned	 workers, workers_well;
	double		 open, sessions, users, rooms;
	double		 send_queue;		/* bytes */
	double		 generations;		/* of workers: 2 in a reload */
	enum model_verdict verdict;
	unsigned	 nreasons;
	char		 reason[MODEL_REASONS][96];
	struct model_head head[HEAD__MAX];
	struct model_history level[LEVEL__MAX];
	struct model_proc *proc;
	struct model_ns	*ns;
	struct model_latency *latency;
	struct model_problem *problem;	/* not 0; the worst first */
	struct model_rate *rate;	/* all counters and gauges */
	unsigned	 nproc, nns, nlatency, nproblem, nrate;
	double		*minute;	/* by metric: averages that fade */
	unsigned	 nminute;
	uint64_t	 watched_us;	/* of this start, by us */
};

void	model_init(struct model *);
void	model_fini(struct model *);
/*
 * cur was taken us after prev, both with columns; prev NULL: cur is the first
 * of this start.  Both must last until the next call.  False: no memory.
 */
bool	model_update(struct model *, const struct stats_snapshot *prev,
	    const struct stats_snapshot *cur, uint64_t us, struct wall now,
	    const struct model_source *) MUST_USE;

/* Per second; NAN unless us > 0.  What went down counts as 0. */
double	model_per_second(uint64_t before, uint64_t after, uint64_t us);
/*
 * An average that held (NAN: none so far), and a value for the us since: over
 * all the time watched, those us included, or about the last minute of it.
 */
double	model_fade(double average, double value, uint64_t us,
	    uint64_t watched_us);
/* The value of label key in k="v",k="v", unescaped and cut; false: absent. */
bool	model_label(const char *labels, const char *key, char *out,
	    size_t size);
/* The end of the greatest bucket that is not empty; 0: all are. */
uint64_t model_greatest(const struct stats_metric *, const uint64_t *values);

#endif
