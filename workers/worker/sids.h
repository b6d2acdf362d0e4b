/*
 * Sessions over polling by their sid.  The hash is keyed: a client can't
 * choose a bucket.  Memory only; when it is short the chains get longer.
 */
#ifndef WORKER_SIDS_H
#define WORKER_SIDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"
#include "base/hash.h"

struct poller;

struct sids {
	struct hash_key	 key;
	struct poller	**buckets;
	size_t		 nbuckets;	/* a power of two */
	size_t		 n;		/* sessions in it */
};

bool	sids_init(struct sids *, struct hash_key) MUST_USE; /* false: memory */
void	sids_fini(struct sids *);	/* which is empty */

/* sid: EIO_SID_LEN characters. NULL: there is none of that name. */
struct poller *sids_find(const struct sids *, const char *sid) MUST_USE;
void	sids_insert(struct sids *, struct poller *);
void	sids_remove(struct sids *, struct poller *);
/* f must not change the table. */
void	sids_each(const struct sids *, void (*f)(struct poller *, void *arg),
	    void *arg);

#endif
