/*
 * What a role is, and what a child process is given.  The master forks; the
 * child finds everything it may use in struct heritage, and nothing else is
 * inherited: each descriptor handed over is a deliberate act (children.c).
 */
#ifndef ROLE_H
#define ROLE_H

#include <sys/types.h>

#include "base/clock.h"
#include "base/slice.h"
#include "base/slotset.h"

struct conf;
struct segment;
struct stats;
struct token_keys;

#define ROLE_LISTENERS_MAX	64	/* listen sections */
#define ROLE_SOCKETS_MAX (2 * ROLE_LISTENERS_MAX) /* some have two addresses */
#define ROLE_SLOTS_MAX	(1 + SLOTSET_MAX)	/* 0: the relay */

/*
 * Of so many descriptors that a worker may open, those that clients do not
 * get: for status pages, requests of sessions that other workers accepted,
 * and the daemon's own streams.
 */
static inline unsigned
role_kept_files(uint64_t files)
{
	return (files < 128 ? 16 : files > 2048 ? 256 : (unsigned)(files / 8));
}

struct heritage_listener {
	int		 fd;		/* listening, non-blocking; one of this
					 * worker's own (SO_REUSEPORT), or the
					 * one that all share (unix) */
	unsigned	 index;		/* in conf.listens */
};

struct heritage {
	const struct conf *conf;
	struct segment	*segment;
	struct stats	*stats;
	int		 slot;
	uint32_t	 generation;	/* no two children of a daemon share one,
					 * also those in the same slot */
	uint64_t	 node_id;	/* random, one per start of the daemon */
	struct mono	 started;	/* of the daemon */
	int		 control_fd;	/* SEQPACKET to the master; EOF: exit */
	/* worker: its end of the relay's stream (-1: comes later by control);
	 * relay: bus_fds[slot], -1 where no worker is */
	int		 bus_fds[ROLE_SLOTS_MAX];
	uint32_t	 bus_generations[ROLE_SLOTS_MAX];
	/* worker: requests that others pass to this slot come in here (also
	 * those that its last owner has left unread); the other slots' ends,
	 * by slot.  -1: none */
	int		 handover_in;
	int		 handover_out[ROLE_SLOTS_MAX];
	struct heritage_listener listeners[ROLE_SOCKETS_MAX];
	size_t		 nlisteners;
	int		 store_fd;	/* relay: what the one before has kept of
					 * rooms, sealed; -1: nothing */
	const struct token_keys *keys;	/* NULL without jwt */
	/* files read by the master before rights were dropped */
	struct slice	 demo_page;	/* n = 0: none */
	const struct heritage_file {
		const char	*name;		/* "socket.io.js" */
		const char	*type;		/* media type */
		char		 etag[20];	/* with its quotes */
		struct slice	 body;
		struct slice	 gzip;		/* the same; n = 0: no gain */
	}		*bundle;		/* conf.client_bundle */
	size_t		 nbundle;
	const struct heritage_tls {
		const struct heritage_certificate {
			const char	*name;	/* whose, "host" or "*.host";
						 * of the first "": the rest's */
			struct slice	 certificate;	/* PEM */
			struct slice	 key;
			struct slice	 ocsp;		/* DER; n = 0: none */
			int64_t		 ocsp_until_s;	/* unix time */
		}		*certificates;
		size_t		 ncertificates;	/* 0: no TLS there */
		struct slice	 client_ca;	/* PEM; n = 0: none wanted */
	}		*tls;		/* indexed like conf.listens */
	struct slice	 tls_secret;	/* random; of tickets, where there are */
	struct slice	 tls_secrets;	/* no others: as base/secrets.h */
	/* what a role does once it has all it needs to serve, and each second;
	 * NULL: nothing */
	const struct heritage_confine {
		/* from now on there are only the calls of the role's list */
		void	(*begin)(const struct heritage *);
		void	(*second)(void);	/* log what was denied */
		/* what is so by that configuration: "on", "log", "off", or
		 * "absent" in a build that has no filters */
		const char *(*word)(const struct conf *);
	}		*confine;
};

struct role {
	const char	*title;		/* "worker", "relay": ps and log */
	unsigned	 id;		/* value in the slot table */
	/*
	 * Runs in the child and returns its exit code.  By then rights are
	 * dropped, the log is set up, the panic hook and the counters' column
	 * are attached; TERM, INT, QUIT, HUP, PIPE, USR1, USR2, TTIN, TTOU and
	 * XFSZ are ignored: orders come from the master, over control_fd.
	 */
	int		(*run)(const struct heritage *);
};

extern const struct role role_worker, role_relay;

enum control_stop {
	STOP_PROMPT,		/* close all, now */
	STOP_DRAIN,		/* accept no more; clients go over the time */
	STOP_SOON		/* not yet; but say that it will be so */
};

/* master -> child and back, over control_fd (sys/ipc.h) */
enum control_type {
	CONTROL_BUS = 1,	/* m->c: u32 slot, u32 generation, + fd: this is
				 * the (new) stream to that slot */
	CONTROL_BUS_GONE,	/* m->relay: u32 slot, u32 held: its worker has
				 * died; held: with envelopes not sent */
	CONTROL_STOP,		/* m->c: u32 enum control_stop, u64 ms: be gone
				 * by then; a faster one may follow.  Who stays
				 * is killed soon after */
	CONTROL_REREAD,		/* m->relay: files that the configuration names
				 * and that are read while it runs may have
				 * changed */
	CONTROL_LOG,		/* m->c: messages go to a file made anew, + fd
				 * (-1: what is connected is opened again) */
	CONTROL_READY,		/* c->m: serving */
	CONTROL_DRAINED,	/* c->m: no connection left, about to exit */
	CONTROL_BUS_LOST,	/* relay->m: u32 slot, u32 generation: the
				 * stream broke, spoke nonsense or could not be
				 * taken; if that worker lives, both get a new
				 * one.  A worker that finds its stream broken
				 * closes it and waits for CONTROL_BUS; it asks
				 * by this message, without fields, when none
				 * comes.  m->worker: what a stream that it has
				 * shut (CONTROL_BUS_END) held is lost */
	/* live connections go from one worker, the giver, to another, the
	 * heir, over a stream of packets between the two; see
	 * workers/worker/handover/ */
	CONTROL_HEIR,		/* m->giver, + fd: its end.  u32 slot, u32
				 * generation of the heir; u32 share, of
				 * CONTROL_SHARE_ALL: that part of what it has
				 * now; u32 HEIR_ flags; u64 ms: see HEIR_LEAVE.
				 * May come for several heirs, one after
				 * another is served */
	CONTROL_LEGATOR,	/* m->heir, + fd: its end.  u32 slot, u32
				 * generation of the giver */
	CONTROL_GIVEN,		/* giver->m: u32 slot of the heir; u32 moved,
				 * u32 failed, u32 left: this share is done, or
				 * the heir has gone: then moved is what went
				 * before */
	CONTROL_LEFT_OVER,	/* m->worker, + fd: requests passed to a slot
				 * (heritage.handover_in) that nobody is in,
				 * to be read until there are no more */
	CONTROL_CONF,		/* m->relay, + fd: a new configuration, as
				 * conf/read/packet.h has it, sealed.  Sent
				 * before a worker has it */
	CONTROL_CONF_LOST,	/* relay->m: it could not be taken; again */
	CONTROL_BUS_END,	/* another relay takes the place of this one,
				 * and nothing is lost.  m->relay: u64 ms: read
				 * each stream to its end, write all out, and
				 * exit by then; relay->m: it will; then
				 * m->worker: shut the stream for writing where
				 * a frame ends, read it to its end, and keep
				 * what there is for the next (CONTROL_BUS) */
	CONTROL_STORE		/* relay->m, + fd: that relay's last word, for the
				 * next one (heritage.store_fd) */
};

#define CONTROL_SHARE_ALL	65536u

enum {
	HEIR_ALL_SESSIONS = 1,	/* also sessions over polling and parked ones;
				 * and nobody is accepted from now on */
	HEIR_LEAVE = 2		/* afterwards the worker drains: what cannot be
				 * moved has so many ms, then it exits */
};

#endif
