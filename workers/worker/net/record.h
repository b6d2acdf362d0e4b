/*
 * What is told of a client's connection: that it came, and how it ended, once.
 * Bytes, round trip and silence are the kernel's to know (TCP_INFO), which goes
 * with the socket from worker to worker; so nothing is counted while it lives.
 */
#ifndef WORKER_NET_RECORD_H
#define WORKER_NET_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "hub/hub.h"
#include "shm/slots_trail.h"

struct client;
struct worker;

#define RECORD_UNIT_US	10000u	/* of times that are kept: 497 days in 32
				 * bits */

enum record_kind {
	RECORD_TLS, RECORD_HTTP, RECORD_WEBSOCKET, RECORD_POLLING,
	RECORD_SSE, RECORD_SOCKJS
};

/* Bytes each way, and how long ago the last of them. */
struct record_traffic {
	uint64_t	 in, out;
	uint64_t	 unacked;	/* of out */
	uint32_t	 in_ms, out_ms;
	uint32_t	 rtt_us;	/* 0: unknown */
};

struct record {
	struct worker	*w;
	const struct client *client;	/* NULL: it became none */
	enum record_kind kind;
	uint32_t	 number;	/* of its client; 0: none */
	uint32_t	 opened;	/* record_time() */
	const uint8_t	*address;	/* as in struct conn */
	uint16_t	 port;
	/* at its end: */
	enum reason	 reason;
	uint16_t	 code;		/* of the Close frame; 1005: one without;
					 * 1006: there was none; 0: nothing has
					 * any */
	const struct record_traffic *traffic;	/* NULL: unknown */
	uint64_t	 queued;	/* bytes that did not go out */
};

/* Now, in its units. */
uint32_t record_time(const struct worker *);
/* One that no other client of this host has. */
uint32_t record_number(struct worker *);

/* A client came, or it ended. */
void	record_open(const struct record *);
void	record_end(const struct record *);
/*
 * For the trail alone (shm/slots_trail.h): what else happens to it.  The same
 * of the same client, or address, is not written again for a while, so that one
 * client does not drive all others out.
 */
void	record_note(const struct record *, enum trail_event,
	    const struct client_noted *);

#endif
