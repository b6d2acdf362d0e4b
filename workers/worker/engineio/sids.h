/*
 * Sessions over polling by their sid.  The hash is keyed: a client can't
 * choose a chain.
 */
#ifndef WORKER_ENGINEIO_SIDS_H
#define WORKER_ENGINEIO_SIDS_H

#include "base/bug.h"
#include "base/hash.h"
#include "base/hashtab.h"

struct poller;

struct sids {
	struct hash_key	 key;
	struct hashtab	 table;
};

void	sids_init(struct sids *, struct hash_key);	/* and stays there */
void	sids_fini(struct sids *);	/* which is empty */

/* sid: EIO_SID_LEN characters. NULL: there is none of that name. */
struct poller *sids_find(const struct sids *, const char *sid) MUST_USE;
void	sids_insert(struct sids *, struct poller *);
void	sids_remove(struct sids *, struct poller *);
/* f must not change the table. */
void	sids_each(const struct sids *, void (*f)(struct poller *, void *arg),
	    void *arg);

#endif
