/*
 * Keys of session tickets; see ticket.h.  Those of the period that is now, the
 * one before and the next stand ready, and are made again when the clock has
 * gone on.
 */
#include "worker/net/ticket.h"

#include <stdlib.h>

#include "base/digest.h"

#define TICKET_PERIODS	3	/* the last, this one, the next */

struct ticket_secret {
	uint8_t		 secret[32];
	struct ticket_key keys[TICKET_PERIODS];
};

struct tickets {
	unsigned	 magic;
#define TICKETS_MAGIC	0x71c4e75a
	uint64_t	 period_ms;
	uint64_t	 number;	/* of the period of keys[1]; there are
					 * none: UINT64_MAX */
	size_t		 n;
	struct ticket_secret secrets[];
};

struct tickets *
tickets_new(const struct slice *secrets, size_t n, uint64_t period_ms)
{
	struct tickets *t;
	size_t i;

	MUST(n > 0 && period_ms > 0);
	t = calloc(1, sizeof *t + n * sizeof t->secrets[0]);
	if (t == NULL)
		return (NULL);
	t->magic = TICKETS_MAGIC;
	t->period_ms = period_ms;
	t->number = UINT64_MAX;
	t->n = n;
	for (i = 0; i < n; i++)
		digest_sha256(secrets[i], t->secrets[i].secret);
	return (t);
}

void
tickets_free(struct tickets **tp)
{
	struct tickets *t = *tp;

	if (t == NULL)
		return;
	CHECK_MAGIC(t, TICKETS_MAGIC);
	*tp = NULL;
	explicit_bzero(t, sizeof *t + t->n * sizeof t->secrets[0]);
	free(t);
}

/* 32 bytes that only this secret, period and use give. */
static void
ticket_derive(const struct tickets *t, const struct ticket_secret *s,
    uint64_t number, const char *use, uint8_t out[32])
{
	uint64_t numbers[2] = { t->period_ms, number };
	uint8_t text[sizeof numbers];
	size_t i;

	/* hosts differ in the order of bytes */
	for (i = 0; i < sizeof text; i++)
		text[i] = (uint8_t)(numbers[i / 8] >> (8 * (7 - i % 8)));
	digest_hmac_sha256(slice_of(s->secret, sizeof s->secret),
	    (const struct slice[]){ SLICE("roostd ticket "), slice_str(use),
	    slice_of(text, sizeof text) }, 3, out);
}

static void
ticket_make(const struct tickets *t, const struct ticket_secret *s,
    uint64_t number, struct ticket_key *k)
{
	uint8_t name[32];

	ticket_derive(t, s, number, "name", name);
	memcpy(k->name, name, sizeof k->name);
	ticket_derive(t, s, number, "hmac", k->hmac);
	ticket_derive(t, s, number, "aes", k->aes);
}

/* The clock may go on, or be set back. */
static void
ticket_turn(struct tickets *t, struct wall now)
{
	uint64_t number = now.ms / t->period_ms;
	size_t i, j;

	CHECK_MAGIC(t, TICKETS_MAGIC);
	if (number == t->number)
		return;
	t->number = number;
	for (i = 0; i < t->n; i++)
		for (j = 0; j < TICKET_PERIODS; j++)
			ticket_make(t, &t->secrets[i], number - 1 + j,
			    &t->secrets[i].keys[j]);
}

const struct ticket_key *
tickets_seal(struct tickets *t, struct wall now)
{
	ticket_turn(t, now);
	return (&t->secrets[0].keys[1]);
}

const struct ticket_key *
tickets_open(struct tickets *t, struct wall now, const uint8_t name[16])
{
	const struct ticket_key *k;
	size_t i, j;

	ticket_turn(t, now);
	for (i = 0; i < t->n; i++)
		for (j = 0; j < TICKET_PERIODS; j++) {
			k = &t->secrets[i].keys[j];
			if (memcmp(k->name, name, sizeof k->name) == 0)
				return (k);
		}
	return (NULL);
}

uint64_t
tickets_period_ms(const struct tickets *t)
{
	return (t->period_ms);
}
