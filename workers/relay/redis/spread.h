/*
 * Where names belong when there is more than one Redis: the slot of a key in a
 * Cluster, the partition of a channel, the shard among several.  Every daemon
 * has to come to the same answer, so nothing here may change.  Pure.
 */
#ifndef RELAY_REDIS_SPREAD_H
#define RELAY_REDIS_SPREAD_H

#include "base/buf.h"

#define SPREAD_SLOTS		16384
#define SPREAD_PARTITIONS	128

/* Of what is between the first "{" and the "}" behind it, if anything is; else
 * of all.			Redis Cluster specification, "Hash tags" */
unsigned spread_slot(struct slice key);

/*
 * Channels of ours in a Cluster: there are so many of them that they could not
 * be followed slot by slot, so each belongs to a partition, whose tag is put
 * behind the prefix.  Partition p has one slot, among 128p ... 128p + 127.
 *
 *	PREFIX REST		as it is called elsewhere; no prefix has a "{"
 *	PREFIX "{" TAG "}" REST	as the Cluster has it
 */
unsigned spread_partition(struct slice channel, size_t prefix);
unsigned spread_partition_slot(unsigned partition);
/* Replaces what is in b. */
struct slice spread_tagged(struct buf *b, struct slice channel, size_t prefix);
/* The same for a key that is to be where that channel is. */
struct slice spread_tagged_as(struct buf *b, struct slice channel,
	    struct slice key, size_t prefix);
/* False: it has no tag.  Else what it is called elsewhere, in b. */
bool	spread_plain(struct buf *b, struct slice tagged, size_t prefix,
	    struct slice *plain);

/*
 * Rendezvous hashing: of n shards, by what each is called, the one for a key;
 * of keys with a tag, for their tag.  One more or less moves no key between
 * two others.
 */
uint64_t spread_name(struct slice shard);
size_t	spread_shard(const uint64_t *names, size_t n, struct slice key);

#endif
