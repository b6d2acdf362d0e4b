/*
 * Numbers given and seen, for all links; see ledger.h.
 */
#include "relay/bridge/ledger.h"

#include <sys/random.h>

#include <stdlib.h>

#include "relay/bridge/seen.h"

#define LEDGER_ROWS	32768u	/* for a moment */
#define LEDGER_PROBES	8u
#define LEDGER_OLD_MS	2000u	/* the old one would have brought it */

/* A message, by its digest. */
struct ledger_row {
	uint64_t	 digest;
	uint64_t	 ms;		/* when it came last */
	int		 ahead;		/* so many more of it came by the old link
					 * than by the new one */
};

int
ledger_init(struct ledger *l, uint32_t generation)
{
	*l = (struct ledger){ .seen = seen_new(),
		.epoch = (uint64_t)generation << 32 };
	return (l->seen == NULL || getrandom(&l->self, sizeof l->self, 0) !=
	    (ssize_t)sizeof l->self ? -1 : 0);
}

void
ledger_fini(struct ledger *l)
{
	seen_free(&l->seen);
	ledger_compare_end(l);
}

/* --- what both bring ------------------------------------------------------*/

int
ledger_compare_begin(struct ledger *l)
{
	ledger_compare_end(l);
	if (getrandom(&l->key, sizeof l->key, 0) != (ssize_t)sizeof l->key)
		return (-1);
	l->early = true;
	l->rows = calloc(LEDGER_ROWS, sizeof *l->rows);
	return (l->rows == NULL ? -1 : 0);
}

void
ledger_compare_all(struct ledger *l)
{
	l->early = false;
}

void
ledger_compare_rest(struct ledger *l)
{
	l->serves = l->rows != NULL;
}

bool
ledger_compares(const struct ledger *l)
{
	return (l->rows != NULL);
}

void
ledger_compare_end(struct ledger *l)
{
	free(l->rows);
	l->rows = NULL;
	l->serves = false;
}

/* What the old one has brought the new one brings, however late. */
static bool
ledger_is_over(const struct ledger_row *r, uint64_t now_ms)
{
	return (r->ahead == 0 ||
	    (r->ahead < 0 && now_ms > r->ms + LEDGER_OLD_MS));
}

/* Its row, or one for it: the one that was silent longest. */
static struct ledger_row *
ledger_row(struct ledger *l, uint64_t digest, uint64_t now_ms)
{
	struct ledger_row *r, *oldest = NULL;
	unsigned i;

	for (i = 0; i < LEDGER_PROBES; i++) {
		r = &l->rows[(digest + i) % LEDGER_ROWS];
		if (r->digest == digest && !ledger_is_over(r, now_ms))
			return (r);
		if (oldest == NULL || (!ledger_is_over(oldest, now_ms) &&
		    (ledger_is_over(r, now_ms) || r->ms < oldest->ms)))
			oldest = r;
	}
	*oldest = (struct ledger_row){ .digest = digest };
	return (oldest);
}

bool
ledger_takes(struct ledger *l, bool comes, struct slice channel,
    struct slice payload, uint64_t now_ms)
{
	struct ledger_row *r;
	struct hash_key key = l->key;

	/* serves: a third one comes before the second one has brought all */
	if (l->rows == NULL || (comes && (l->early || l->serves)))
		return (!comes);
	key.k0 ^= hash_bytes(&l->key, channel);
	r = ledger_row(l, hash_bytes(&key, payload), now_ms);
	r->ms = now_ms;
	if (!comes && !l->serves) {
		r->ahead++;
		return (true);
	}
	if (l->serves && r->ahead <= 0)
		return (true);
	r->ahead--;
	return (false);
}

bool
ledger_is_ahead(const struct ledger *l, uint64_t now_ms)
{
	const struct ledger_row *r;
	unsigned i;

	for (i = 0; l->rows != NULL && i < LEDGER_ROWS; i++) {
		r = &l->rows[i];
		if (r->ahead < 0 && !ledger_is_over(r, now_ms))
			return (true);
	}
	return (false);
}

/* --- numbers --------------------------------------------------------------*/

uint64_t
ledger_number(struct ledger *l, bool has)
{
	if (l->again)
		return (l->number);
	return (has || l->twofold ? ++l->number : 0);
}
