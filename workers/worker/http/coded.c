/*
 * Content codings of responses; see coded.h.  The loop waits meanwhile: a
 * quarter of a mebibyte takes some 3 ms, so more than that is never coded, and
 * of many in one turn only the first.
 */
#include "worker/http/coded.h"

#include <stdlib.h>

#include "base/press.h"
#include "hub/queue/out.h"
#include "worker/http/request.h"
#include "worker/worker.h"

#define CODED_MAX	(256u << 10)	/* bytes of one body, */
#define CODED_TURN	(512u << 10)	/* and of all in one turn */
#define CODED_LEVEL	4		/* 6, zlib's own choice, takes thrice
					 * the time for a tenth less */

struct coded {
	unsigned	 magic;
#define CODED_MAGIC	0xc0de0001
	struct worker	*w;
	struct press	*press;		/* NULL: not needed yet */
	uint8_t		*out;		/* CODED_MAX bytes, with press */
	size_t		 turn;		/* bytes coded in this turn */
};

struct coded *
coded_new(struct worker *w)
{
	struct coded *cd;

	cd = calloc(1, sizeof *cd);
	if (cd == NULL)
		return (NULL);
	cd->magic = CODED_MAGIC;
	cd->w = w;
	return (cd);
}

void
coded_free(struct coded **cdp)
{
	struct coded *cd = *cdp;

	if (cd == NULL)
		return;
	*cdp = NULL;
	CHECK_MAGIC(cd, CODED_MAGIC);
	press_free(&cd->press);
	free(cd->out);
	cd->magic = 0;
	free(cd);
}

struct coded_wish
coded_wish(const struct request *rq)
{
	struct coded_wish wish = { CODING_IDENTITY, false };

	if (rq->w->conf->http_compression)
		wish.coding = (uint8_t)coding_choose(&rq->head, &wish.must);
	return (wish);
}

bool
coded_eligible(const struct coded *cd, struct coded_wish wish, size_t n)
{
	const struct conf *conf = cd->w->conf;

	return (conf->http_compression &&
	    (n >= conf->http_compression_threshold ||
	    (wish.must && wish.coding != CODING_IDENTITY)));
}

const char *
coded_lines(enum coding c)
{
	MUST(c == CODING_GZIP || c == CODING_DEFLATE);
	return (c == CODING_GZIP ? "Content-Encoding: gzip\r\n" CODED_VARY :
	    "Content-Encoding: deflate\r\n" CODED_VARY);
}

/* The first body of all. */
static bool
coded_ready(struct coded *cd)
{
	if (cd->press != NULL)
		return (true);
	cd->out = malloc(CODED_MAX);
	cd->press = cd->out == NULL ? NULL : press_new(CODED_LEVEL);
	if (cd->press != NULL)
		return (true);
	free(cd->out);
	cd->out = NULL;
	counter_add(COUNTER_memory_failures, 1);
	return (false);
}

/* n bytes are to be coded, into at most as many (a short text that must not
 * go as it is may grow). */
static bool
coded_start(struct coded *cd, struct coded_wish wish, size_t n)
{
	CHECK_MAGIC(cd, CODED_MAGIC);
	if (wish.coding == CODING_IDENTITY || !coded_eligible(cd, wish, n))
		return (false);
	if (n > CODED_MAX || n > CODED_TURN - cd->turn || !coded_ready(cd)) {
		counter_add(COUNTER_http_not_compressed, 1);
		return (false);
	}
	cd->turn += n;
	press_start(cd->press, wish.coding == CODING_GZIP ? PRESS_GZIP :
	    PRESS_ZLIB, cd->out, wish.must ? CODED_MAX : n);
	return (true);
}

static bool
coded_end(struct coded *cd, size_t n, struct slice *out)
{
	ssize_t len = press_end(cd->press);

	if (len < 0) {		/* no gain */
		counter_add(COUNTER_http_not_compressed, 1);
		return (false);
	}
	*out = slice_of(cd->out, (size_t)len);
	counter_add(COUNTER_http_compressed, 1);
	counter_add(COUNTER_http_compressed_in_bytes, n);
	counter_add(COUNTER_http_compressed_out_bytes, (uint64_t)len);
	return (true);
}

bool
coded_queue(struct coded *cd, struct coded_wish wish, const struct outq *q,
    size_t n, struct slice *out)
{
	size_t left = n;
	struct slice s;
	uint32_t i;

	if (!coded_start(cd, wish, n))
		return (false);
	for (i = 0; left > 0 && outq_run(q, i, &s); i++) {
		if (s.n > left)
			s.n = left;
		left -= s.n;
		if (!press_add(cd->press, s))
			break;
	}
	return (coded_end(cd, n, out));
}

bool
coded_bytes(struct coded *cd, struct coded_wish wish, struct slice s,
    struct slice *out)
{
	if (!coded_start(cd, wish, s.n))
		return (false);
	(void)press_add(cd->press, s);
	return (coded_end(cd, s.n, out));
}

void
coded_turn_end(struct coded *cd)
{
	cd->turn = 0;
}
