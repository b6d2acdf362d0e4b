/*
 * Keys of TLS session tickets (RFC 5077, RFC 8446 section 4.6.1): made from a
 * secret and the time, so that all who have the secret, workers, those who come
 * after them and other hosts, have the same ones at the same time and nobody
 * tells anybody.  A key seals for a period, and opens for one more.  That is no
 * forward secrecy: the secret gives the keys of all periods.  Called by tls.c;
 * pure, but for the memory it keeps.
 */
#ifndef WORKER_NET_TICKET_H
#define WORKER_NET_TICKET_H

#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"

struct ticket_key {
	uint8_t		 name[16];
	uint8_t		 hmac[32];
	uint8_t		 aes[32];
};

struct tickets;

/* n secrets, 1 or more, of which nothing is kept: the first seals, all open.
 * NULL: no memory. */
struct tickets *tickets_new(const struct slice *secrets, size_t n,
	    uint64_t period_ms) MUST_USE;
void	tickets_free(struct tickets **);	/* wipes them */

/* The one that seals now. */
const struct ticket_key *tickets_seal(struct tickets *, struct wall now);
/* The one of this name, if it opens now; NULL: none does.  A host whose clock
 * is a little ahead is one of us. */
const struct ticket_key *tickets_open(struct tickets *, struct wall now,
	    const uint8_t name[16]);
uint64_t tickets_period_ms(const struct tickets *);

#endif
