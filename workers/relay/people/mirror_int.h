/*
 * What the files of mirror know of each other and nobody else does.
 */
#ifndef RELAY_PEOPLE_MIRROR_INT_H
#define RELAY_PEOPLE_MIRROR_INT_H

#include "base/hash.h"
#include "base/buf.h"
#include "relay/people/mirror.h"

struct conf_namespace;
struct presence;

#define MIRROR_TOUCHED	1024u	/* changes while a part is awaited */

enum mirror_job {
	MIRROR_IDLE,
	MIRROR_ASK,		/* the next part, or the end */
	MIRROR_PART,		/* awaited: the part */
	MIRROR_CHECK,		/* awaited: is it the same epoch still? */
	MIRROR_SWEEP,		/* what was not confirmed goes */
};

struct mirror {
	unsigned	 magic;
#define MIRROR_MAGIC	0x3144a0e5
	struct mirror_params p;
	struct table_relay *table;
	struct presence	*presence;
	bool		 up;
	bool		 stopped;
	bool		 inherited;	/* of a predecessor's there may be some */
	struct mono	 kept_until;	/* they stay */
	bool		 hold;		/* no new job before the next beat */
	unsigned	 due;		/* replies that will come */
	/* the job */
	enum mirror_job	 job;
	struct node	*node;		/* NULL: what was inherited */
	uint64_t	 epoch;
	size_t		 ns;
	char		 cursor[24];
	uint8_t		*kept;		/* a bit per node of the table */
	uint32_t	 at;
	struct mono	 asked;
	struct mono	 tried;		/* those that found no room */
	/* said by changes while the part is awaited, hashed; more than fit:
	 * the part is asked again */
	struct hash_key	 key;
	uint64_t	 touched[MIRROR_TOUCHED];
	unsigned	 ntouched;
	struct buf	 name;
};

/* An entry of a node is so in Redis, unless a change has said otherwise since
 * it was asked. */
void	mirror_take(struct mirror *, const struct conf_namespace *,
	    const struct news_entry *);

#endif
