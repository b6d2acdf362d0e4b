/*
 * The trail of a client, from the memory of a daemon; see why.h.  Records that
 * name it tell the numbers of its clients, and these all else that happened to
 * them; what became of who has no end is asked of the workers' own records.
 */
#include "tools/roostctl/why.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/reason.h"
#include "proto/http_forwarded.h"
#include "shm/slots_trail.h"

#define WHY_MEMORY	"roostd"	/* of the segment */
#define WHY_SEGMENTS	2		/* ... while an upgrade changes its
					 * layout */
#define WHY_HEIRS	64		/* handovers followed */

enum why_kind { WHY_USER, WHY_SID, WHY_ADDRESS };

struct why_client {
	uint32_t	 number;
	bool		 closed;
	const struct trail_record *last; /* of those that are told */
};

struct why {
	struct trail_view views[WHY_SEGMENTS];
	unsigned	 nviews;
	enum why_kind	 kind;
	struct slice	 whom;
	uint64_t	 hash;		/* of whom, in the segment that is
					 * looked at */
	uint8_t		 address[16];
	uint16_t	 port;		/* 0: any */
	struct why_client *clients;	/* that are its; by number */
	size_t		 nclients, cap_clients;
	struct trail_record *records;	/* what is told */
	size_t		 nrecords, cap_records;
	struct trail_record *workers;	/* what the master wrote */
	size_t		 nworkers, cap_workers;
};

/* --- what was asked for --------------------------------------------------- */

static bool
why_asks(struct why *y, const char *text)
{
	if (strncmp(text, "user:", 5) == 0 && text[5] != '\0') {
		y->kind = WHY_USER;
		y->whom = slice_str(text + 5);
	} else if (strncmp(text, "sid:", 4) == 0 && text[4] != '\0') {
		y->kind = WHY_SID;
		y->whom = slice_str(text + 4);
	} else if (strncmp(text, "address:", 8) == 0) {
		y->kind = WHY_ADDRESS;
		return (forwarded_node(slice_str(text + 8), y->address,
		    &y->port));
	} else
		return (false);
	return (true);
}

static bool
why_is_user(const struct why *y, const struct trail_record *r)
{
	if (y->whom.n > sizeof r->user)
		return (r->user_hash == y->hash && r->user_hash != 0);
	return (r->user_hash == 0 && r->user_n == y->whom.n &&
	    memcmp(r->user, y->whom.p, y->whom.n) == 0);
}

static bool
why_is_whom(const struct why *y, const struct trail_record *r)
{
	switch (y->kind) {
	case WHY_USER:
		return (why_is_user(y, r));
	case WHY_SID:
		return (r->sid == y->hash);
	case WHY_ADDRESS:
		break;
	}
	return (memcmp(r->address, y->address, sizeof y->address) == 0 &&
	    (y->port == 0 || y->port == r->port));
}

/* --- looking -------------------------------------------------------------- */

static void *
why_more(void *v, size_t n, size_t *cap, size_t bytes)
{
	if (n < *cap)
		return (v);
	*cap = *cap == 0 ? 64 : *cap * 2;
	v = reallocarray(v, *cap, bytes);
	if (v == NULL) {
		(void)fprintf(stderr, "roostctl: out of memory\n");
		exit(EX_OSERR);
	}
	return (v);
}

static void
why_keep(struct trail_record **v, size_t *n, size_t *cap,
    const struct trail_record *r)
{
	*v = why_more(*v, *n, cap, sizeof *r);
	memcpy(&(*v)[(*n)++], r, sizeof *r);
}

static int
why_number(const void *a, const void *b)
{
	const struct why_client *x = a, *y = b;

	return (x->number < y->number ? -1 : x->number > y->number);
}

/* NULL: it is none of them. */
static struct why_client *
why_client(const struct why *y, uint32_t number)
{
	const struct why_client key = { .number = number };

	return (y->nclients == 0 ? NULL : bsearch(&key, y->clients,
	    y->nclients, sizeof key, why_number));
}

/* As they were found, once for each record, to once each. */
static void
why_order_clients(struct why *y)
{
	size_t i, n = 0;

	if (y->nclients > 0)
		qsort(y->clients, y->nclients, sizeof *y->clients, why_number);
	for (i = 0; i < y->nclients; i++)
		if (n == 0 || y->clients[n - 1].number != y->clients[i].number)
			y->clients[n++] = y->clients[i];
	y->nclients = n;
}

static void
why_each(struct why *y, void (*f)(struct why *, const struct trail_record *))
{
	const struct trail_view *v = y->views;
	struct trail_record r;
	unsigned slot, i, n;

	for (; v < y->views + y->nviews; v++) {
		y->hash = trail_hash(&v->key, y->whom);
		for (slot = 0; slot < v->nslots; slot++) {
			n = trail_count(v, slot);
			for (i = 0; i < n; i++)
				if (trail_copy(v, slot, i, &r))
					f(y, &r);
		}
	}
}

static bool
why_lives(const struct why *y, unsigned slot, uint32_t generation)
{
	unsigned i;

	for (i = 0; i < y->nviews; i++)
		if (trail_lives(&y->views[i], slot, generation))
			return (true);
	return (false);
}

static bool
why_is_worker(const struct trail_record *r)
{
	return (r->event == TRAIL_DIED || r->event == TRAIL_GAVE);
}

static void
why_find(struct why *y, const struct trail_record *r)
{
	if (why_is_worker(r)) {
		why_keep(&y->workers, &y->nworkers, &y->cap_workers, r);
		return;
	}
	if (r->client == 0 || !why_is_whom(y, r))
		return;
	y->clients = why_more(y->clients, y->nclients, &y->cap_clients,
	    sizeof *y->clients);
	y->clients[y->nclients++] = (struct why_client){ .number = r->client };
}

static void
why_gather(struct why *y, const struct trail_record *r)
{
	if (!why_is_worker(r) && (r->client != 0 ?
	    why_client(y, r->client) != NULL : why_is_whom(y, r)))
		why_keep(&y->records, &y->nrecords, &y->cap_records, r);
}

/* In one ring: whatever the clock was set to meanwhile. */
static int
why_before(const struct trail_record *x, const struct trail_record *y)
{
	uint64_t xs = atomic_load_explicit(&x->seq, memory_order_relaxed);
	uint64_t ys = atomic_load_explicit(&y->seq, memory_order_relaxed);

	return (xs < ys ? -1 : xs > ys);
}

static int
why_earlier(const void *a, const void *b)
{
	const struct trail_record *x = a, *y = b;

	if (x->at_ms != y->at_ms)
		return (x->at_ms < y->at_ms ? -1 : 1);
	return (why_before(x, y));
}

/* --- telling -------------------------------------------------------------- */

static void
why_when(uint64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		text[0] = '\0';
	(void)printf("%s.%03uZ  ", text, (unsigned)(ms % 1000));
}

/* Of a peer, or a token: fit for a terminal. */
static void
why_words(const char *before, const char *s, size_t n)
{
	size_t i;

	if (n == 0)
		return;
	(void)printf("%s", before);
	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] == 0xc2 && i + 1 < n &&
		    (unsigned char)s[i + 1] < 0xa0) {
			(void)putchar('?');	/* U+0080 to U+009F */
			i++;
		} else
			(void)putchar((unsigned char)s[i] < ' ' ||
			    s[i] == 0x7f ? '?' : s[i]);
}

static void
why_closed(const struct trail_record *r)
{
	const struct reason_row *row;

	if (r->reason >= REASON__MAX) {
		(void)printf("closed");
		return;
	}
	row = reason_row((enum reason)r->reason);
	(void)printf("closed by %s: %s (%s)", row->by == REASON_BY_US ?
	    "roostd" : row->by == REASON_BY_CLIENT ? "the client" :
	    "the network", row->name, row->words);
	if (r->code != 0)
		(void)printf(", code %u", (unsigned)r->code);
	(void)printf(", after %" PRIu32 ".%02" PRIu32 " s", r->age / 100,
	    r->age % 100);
	if (r->flags & TRAIL_HAS_TRAFFIC)
		(void)printf("; in %" PRIu64 " bytes, the last %" PRIu32
		    " ms before; out %" PRIu64 ", %" PRIu32 " ms", r->in,
		    r->in_ms, r->out, r->out_ms);
	if (r->rtt_us != 0)
		(void)printf("; round trip %" PRIu32 " us", r->rtt_us);
	if (r->queued != 0)
		(void)printf("; %" PRIu32 " bytes were queued", r->queued);
}

static void
why_event(const struct trail_record *r)
{
	switch ((enum trail_event)r->event) {
	case TRAIL_OPENED:
		(void)printf("opened, %s", r->flags & TRAIL_POLLING ?
		    "polling" : r->flags & TRAIL_SSE ? "sse" :
		    r->flags & TRAIL_SOCKJS ? "sockjs" : "websocket");
		break;
	case TRAIL_JOINED:
		(void)printf("joined");
		break;
	case TRAIL_REFUSED:
		(void)printf("refused:");
		why_words(" ", r->what, r->what_n);
		break;
	case TRAIL_RATE_LIMITED:
		(void)printf("rate limited");
		break;
	case TRAIL_SLOW:
		(void)printf("slow: %" PRIu32 " bytes queued", r->queued);
		break;
	case TRAIL_CLOSED:
		why_closed(r);
		break;
	case TRAIL_MOVED:
		(void)printf("moved to another worker");
		break;
	case TRAIL_NONE:
	case TRAIL_DIED:
	case TRAIL_GAVE:
	case TRAIL__MAX:
		break;
	}
}

static void
why_record(const struct trail_record *r)
{
	char from[ADDRESS_TEXT_MAX];

	why_when(r->at_ms);
	if (r->client != 0)
		(void)printf("client %08" PRIx32 " ", r->client);
	why_event(r);
	why_words(r->event == TRAIL_CLOSED ? "; in " : " ", r->ns, r->ns_n);
	why_words(" as ", r->user, r->user_n);
	if (r->event == TRAIL_OPENED || r->event == TRAIL_REFUSED ||
	    r->event == TRAIL_CLOSED)
		(void)printf(" from %s", address_text(r->address, r->port,
		    from));
	(void)printf(" (worker %u)\n", (unsigned)r->slot);
}

/* What the master wrote of this worker last; NULL: nothing. */
static const struct trail_record *
why_worker(const struct why *y, unsigned slot, uint32_t generation)
{
	const struct trail_record *w, *found = NULL;
	size_t i;

	for (i = 0; i < y->nworkers; i++) {
		w = &y->workers[i];
		if (w->slot == slot && w->generation == generation &&
		    (found == NULL || why_before(found, w) < 0))
			found = w;
	}
	return (found);
}

/* Nothing tells of its end: where was it last, and what became of that? */
static void
why_fate(const struct why *y, const struct trail_record *last)
{
	const struct trail_record *w;
	unsigned slot = last->slot, i;
	uint32_t generation = last->generation;

	(void)printf("client %08" PRIx32 " ", last->client);
	for (i = 0; i < WHY_HEIRS; i++) {
		if (why_lives(y, slot, generation)) {
			(void)printf("is connected, as far as is known "
			    "(worker %u)\n", slot);
			return;
		}
		w = why_worker(y, slot, generation);
		if (w == NULL)
			break;
		if (w->event == TRAIL_DIED) {
			(void)printf("ended with worker %u, which died: %s "
			    "(", slot,
			    reason_row(REASON_worker_died)->name);
			why_when(w->at_ms);
			(void)printf(")\n");
			return;
		}
		slot = w->code;
		generation = w->client;
	}
	(void)printf("was handed over, and what became of it is not known any "
	    "more\n");
}

static void
why_tell(const struct why *y)
{
	const struct trail_record *r;
	struct why_client *c;
	size_t i;

	for (i = 0; i < y->nrecords; i++) {
		r = &y->records[i];
		why_record(r);
		c = why_client(y, r->client);
		if (c == NULL)
			continue;
		c->last = r;
		/* the clock may have been set back, and it stand before */
		c->closed = c->closed || r->event == TRAIL_CLOSED;
	}
	for (i = 0; i < y->nclients; i++)
		if (y->clients[i].last != NULL && !y->clients[i].closed)
			why_fate(y, y->clients[i].last);
}

/* --- all ------------------------------------------------------------------ */

static bool
why_open(struct why *y, const struct daemon *d)
{
	char path[128];
	int fd, error = 0;
	unsigned i;

	for (i = 0; y->nviews < WHY_SEGMENTS &&
	    find_memory(d->pid, WHY_MEMORY, i, path, sizeof path); i++) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd != -1 && trail_map(&y->views[y->nviews], fd) == 0)
			y->nviews++;
		else
			error = errno;
		if (fd != -1)
			(void)close(fd);
	}
	if (y->nviews == 0)
		(void)fprintf(stderr, "roostctl: the memory of roostd, process "
		    "%d: %s\n", (int)d->pid, error == EPROTO ?
		    "it is of another version" :
		    strerror(error != 0 ? error : errno));
	return (y->nviews > 0);
}

int
why_print(const struct daemon *d, const char *whom)
{
	struct why y = { .nclients = 0 };
	int code = EX_OK;

	if (!why_asks(&y, whom)) {
		(void)fprintf(stderr, "roostctl: why: user:ID, sid:ID or "
		    "address:IP[:PORT]\n");
		return (EX_USAGE);
	}
	if (!why_open(&y, d))
		return (EX_TEMPFAIL);
	why_each(&y, why_find);
	why_order_clients(&y);
	why_each(&y, why_gather);
	if (y.nrecords > 0) {
		qsort(y.records, y.nrecords, sizeof *y.records, why_earlier);
		why_tell(&y);
	} else {
		(void)fprintf(stderr, "roostctl: nothing is known of %s: it "
		    "was not here, or not lately\n", whom);
		code = EX_NOUSER;
	}
	while (y.nviews > 0)
		trail_unmap(&y.views[--y.nviews]);
	free(y.clients);
	free(y.records);
	free(y.workers);
	return (code);
}
