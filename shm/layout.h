/*
 * The segment, byte by byte: what the processes of one host share.
 *
 *	0      header: magic, layout hash, secrets, epoch, flags, part table
 *	page   slot rows, 256 B each: 0 = relay, 1.. = workers
 *	       heirs of each slot's workers, 256 words each; shm/slots_heirs.h
 *	       overflow rate buckets, one word per class
 *	       rate sets, 8 words of 8 bytes each; sets of shm/once.h, the same
 *	       handshakes of the host, a line; sets of known addresses, the same
 *	       presence: node map nsid seen dirty dsum head
 *	       interest: the same
 *	       trail: how many records were begun, a line per slot
 *	       count: connections of the host, a line per slot; then a table
 *	       of users and addresses, the same
 *	       revoked: id, when, told; shm/table_revoked.h
 *	       columns of presence, one per slot	(made when touched)
 *	       columns of interest, one per slot	(the same)
 *	       columns of count, one per slot		(the same)
 *	       names of what is revoked			(the same)
 *	       trail: rings of what happened to clients, one per slot; they
 *	       stay when the slot is free		(the same)
 *
 * Each part, and each slot's column, begins on a page of the kernel that
 * runs: a dead slot's column is given back by whole pages, and nothing of a
 * living one may be on them.
 *
 * A program that makes it otherwise can follow one that runs (slots_before.h), as
 * long as a row, a word of the heirs and the overflow words stay what they are;
 * where they are may change, and all else.
 *
 * Rules.  No locks and no waiting for another process: each word has one
 * writer, or is at most 64 bits and changed by one atomic operation.  A thing
 * is built privately and made visible by one compare-and-swap.  What a slot
 * may have touched can be read from that slot's own memory from before it
 * touches it until after it is done.  No pointers, only indices, and each is
 * range-checked when it is read.  Any process may die between any two stores.
 *
 * Order, on machines that reorder more than x86.  "Sees" below needs no luck
 * but one of these pairs on each side.
 *
 *   published by one word	store-release -> load-acquire: a node behind
 *	head or next (its hash, key, bits, ann); map FREE, LINKED, LIMBO; a
 *	slot's state; a status behind its text.  What the publisher wrote
 *	before, the reader sees.
 *   two words, one stores A and loads B, the other stores B and loads A: at
 *	least one of them must see the other, which acquire and release do not
 *	give.  Either all four are seq_cst, or a full fence stands between
 *	store and load on both sides:
 *	  ann and bits, remote	all seq_cst: join (bits; ann) against evict
 *				and reconcile (ann; bits; CAS ann)
 *	  dsum, relay_asleep	all seq_cst: mark (dsum; asleep) against the
 *				relay going to sleep (asleep; dsum); dirty is
 *				released by dsum
 *	  qs and links		fence in slots_quiesce_leave (qs; chains)
 *				against the fence in table_master_grace
 *				(unlinked, epoch; qs)
 *	  count: own and others' words	all seq_cst (own; sum)
 *	  overflow, and the table	seq_cst: the node is joined before the
 *				overflow bit goes, and looked for after it
 *	  seen, status, and interest	fence in table_relay.c
 *				(seen or ann read; who is interested) against
 *				the fence in interest_join (node or overflow;
 *				what was told so far)
 *   heirs			release -> acquire: who finds a giver dead finds
 *				its heir, which was written before
 *   revoked: id, and when, told, name	published by one word; used is raised
 *				before (both seq_cst)
 *   one word alone		any order: CAS and fetch_or act on its latest
 *	value.  Rate words, once, storm, counters, columns.
 *   a dead process's stores	waitpid() orders them before what the master
 *	does: columns are stored relaxed.
 */
#ifndef SHM_LAYOUT_H
#define SHM_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics without locks");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian");
static_assert(sizeof(void *) == 8, "64-bit");

#define SHM_MAGIC	0x31485354534f4f52	/* "ROOSTSH1" */
#define SHM_EDITION	2	/* of what words mean where no size says so; in
				 * the layout's hash */
#define SHM_PAGE	4096	/* at least: 16 and 64 KiB on some arm64 */
#define SHM_WORKERS_MAX	64
#define SHM_SLOTS_MAX	(2 * SHM_WORKERS_MAX + 1)
#define SHM_NS_MAX	65535
#define SHM_TABLES	3	/* presence, interest, count */
#define SHM_CLASSES_MAX	64	/* rate classes */
#define SHM_WAYS	8	/* words of a rate set */
#define SHM_CHAIN_MAX	256	/* longest chain walked */

enum table_id {
	TABLE_PRESENCE,
	TABLE_INTEREST,
	TABLE_COUNT,		/* shm/count.h: nothing is announced */
};

/* One table of shm/table.h: offsets from the start of the segment. */
struct shm_table {
	uint32_t	 cap;		/* nodes; index 0 is never used */
	uint32_t	 nb;		/* heads; a power of two >= cap */
	uint32_t	 stride;	/* bytes of a node: 128 to 384 */
	uint32_t	 key_max;	/* bytes of key a node holds: 64 to 256 */
	uint32_t	 text;		/* 1: status text behind the key */
	uint32_t	 spare;
	uint64_t	 node;		/* struct shm_node[cap], stride apart */
	uint64_t	 head;		/* a64[nb]: tag << 32 | first node */
	uint64_t	 map;		/* a8[cap]: enum below */
	uint64_t	 nsid;		/* a16[cap]: namespace, for listing */
	uint64_t	 seen;		/* a64[cap]: ann last announced */
	uint64_t	 dirty;		/* a64[]: a bit per node */
	uint64_t	 dsum;		/* a64[]: a bit per word of dirty */
	uint64_t	 col;		/* a16[nslots][], col_stride apart */
	uint64_t	 col_stride;	/* bytes, whole pages */
};

struct shm_header {
	uint64_t	 magic;
	uint64_t	 layout_hash;	/* of all sizes and offsets below */
	uint64_t	 size;		/* bytes of the segment */
	uint32_t	 nslots;
	uint32_t	 flags;
	uint64_t	 sip_k0;	/* getrandom() at start */
	uint64_t	 sip_k1;
	uint64_t	 start_ms;	/* unix; the daemon's incarnation */
	uint64_t	 pad0;
	_Atomic uint64_t epoch;		/* grace periods; starts at 1 */
	uint64_t	 pad1[7];
	_Atomic uint64_t relay_asleep;	/* 1: marks must ring its eventfd */
	_Atomic uint64_t overflow[2][2];/* per table: slots with private keys */
	_Atomic uint64_t need_sweep;	/* 1: some table found no free node */
	_Atomic uint64_t rung_us;	/* when that last rang the master */
	uint64_t	 pad2[9];
	struct shm_table table[2];	/* enum table_id */
	uint64_t	 slots;		/* struct slot_row[nslots] */
	uint64_t	 rate_over;	/* a64[SHM_CLASSES_MAX] */
	uint64_t	 rate_set;	/* a64[rate_nsets][SHM_WAYS] */
	uint32_t	 rate_nsets;	/* a power of two */
	uint32_t	 max_ns;
	struct shm_table count;		/* TABLE_COUNT; see shm/count.h */
	uint64_t	 count_host;	/* struct shm_held[nslots] */
	uint64_t	 once_set;	/* a64[once_nsets][SHM_WAYS] */
	uint64_t	 once_nsets;	/* a power of two */
	uint64_t	 storm;		/* struct shm_storm */
	uint64_t	 known_set;	/* a64[rate_nsets][SHM_WAYS] */
	uint64_t	 trail;		/* struct trail_record[][], of a slot
					 * trail_stride apart; shm/slots_trail.h */
	uint64_t	 trail_stride;
	uint64_t	 trail_begun;	/* a64[nslots], a line each */
	uint64_t	 trail_bytes;	/* SHM_TRAIL_BYTES */
	_Atomic uint64_t clients;	/* numbers given to them so far */
	uint64_t	 heirs;		/* a64[nslots][256]: by low byte of the
					 * generation: the giver's generation
					 * << 16 | heir's slot << 8 | low byte
					 * of its generation; 0: none */
	uint64_t	 revoked_id, revoked_when, revoked_told;
					/* a64[revoked_nb] each */
	uint64_t	 revoked_name;	/* a64[revoked_nb][33] */
	uint64_t	 revoked_nb;	/* a power of two: twice what may be */
	_Atomic uint64_t revoked_used;	/* entries; never less than there are */
	_Atomic uint64_t revoked_looks;	/* times somebody may have written one and
					 * told not all */
};

/* Connections that a slot holds; written by it, or by the master for it. */
struct shm_held {
	_Atomic uint64_t n;
	uint64_t	 pad[7];
};

static_assert(sizeof(struct shm_held) == 64, "a line each");

#define SHM_TRAIL_BYTES	(1u << 20)	/* a ring of shm/slots_trail.h */

/* Handshakes of the host; see shm/bucket_storm.h.  All of one line. */
struct shm_storm {
	_Atomic uint64_t tat[2];	/* ns, by lane: of those who are known,
					 * and of the others */
	_Atomic uint64_t turn;		/* ns: of the last who was told when
					 * to come back */
	_Atomic uint64_t began_us;	/* 0: none is on */
	_Atomic uint64_t refused_us;	/* the last one */
	_Atomic uint64_t refused;	/* since it began */
	uint64_t	 pad[2];
};

static_assert(sizeof(struct shm_storm) == 64, "a line");

static_assert(offsetof(struct shm_header, sip_k0) == 32, "layout");
static_assert(offsetof(struct shm_header, epoch) == 64, "layout");
static_assert(offsetof(struct shm_header, relay_asleep) == 128, "layout");
static_assert(offsetof(struct shm_header, overflow) == 136, "layout");
static_assert(offsetof(struct shm_header, need_sweep) == 168, "layout");
static_assert(offsetof(struct shm_header, table) == 256, "layout");
static_assert(sizeof(struct shm_header) <= SHM_PAGE, "layout");

/* One role instance.  Line 0 and the note: the owner; line 1: the master. */
struct slot_row {
	_Atomic uint64_t qs;		/* 0: waiting; else epoch it works in */
	_Atomic uint64_t turns;		/* loop turns, by the owner */
	_Atomic uint64_t heartbeat_us;	/* CLOCK_MONOTONIC */
	_Atomic uint32_t doing;		/* enum slot_doing */
	uint32_t	 pad0[9];
	_Atomic uint32_t state;		/* enum slot_state */
	_Atomic uint32_t pid;
	_Atomic uint32_t generation;
	_Atomic uint32_t role;		/* enum slot_role */
	_Atomic uint32_t leaves;	/* 1: it will end, others serve */
	uint32_t	 pad1[11];
	char		 panic[128];	/* NUL-terminated; owner, then master */
};

static_assert(offsetof(struct slot_row, state) == 64, "layout");
static_assert(offsetof(struct slot_row, panic) == 128, "layout");
static_assert(sizeof(struct slot_row) == 256, "layout");

/*
 * A node: one key of one namespace.  hash, ns, klen and key do not change
 * while it is LINKED or LIMBO.  ann is the word that everything agrees on:
 * version << 8 | flags; the version is a CLOCK_MONOTONIC microsecond, or one
 * more than the one before.
 */
struct shm_node {
	uint64_t	 hash;		/* SipHash(k0 ^ ns, key) */
	_Atomic uint64_t ann;
	_Atomic uint64_t bits[2];	/* worker slots holding it: bit s - 1 */
	_Atomic uint64_t remote;	/* other hosts; relay; bit 63: those of
					 * a relay before it */
	_Atomic uint64_t status;	/* set_at_s << 32 | code << 24 | left
					 * << 23 | set_at_ms << 8 | tag */
	_Atomic uint64_t last;		/* why << 56 | seen_ms, unix; why: that
					 * its last end did, shm/why.h */
	_Atomic uint32_t next;		/* node, 0 = end of chain */
	uint16_t	 ns;
	uint16_t	 klen;		/* of the whole key, see key_max */
	uint8_t		 key[64];	/* key_max bytes; then the text */
};

static_assert(offsetof(struct shm_node, bits) == 16, "layout");
static_assert(offsetof(struct shm_node, next) == 56, "layout");
static_assert(offsetof(struct shm_node, key) == 64, "layout");
static_assert(sizeof(struct shm_node) == 128, "layout");

#define LAST_WHY(w)	((uint8_t)((w) >> 56))
#define LAST_SEEN(w)	((w) & LAST_SEEN_MAX)
#define LAST_SEEN_MAX	((UINT64_C(1) << 56) - 1)

#define ANN_L		0x01u	/* a worker of this host holds it */
#define ANN_R		0x02u	/* another host does */
#define ANN_PEND	0x40u	/* in seen only: perhaps not announced yet */
#define ANN_DEAD	0x80u	/* being evicted; never undone */
#define ANN_LEVEL	(ANN_L | ANN_R)
#define ANN_VERSION(a)	((a) >> 8)

/* map[n]: who the node belongs to. slot + 1 (1..129): claimed, not linked. */
#define MAP_FREE	0
#define MAP_LINKED	200
#define MAP_LIMBO	201	/* unlinked, perhaps still looked at */

#endif
