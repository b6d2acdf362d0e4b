/* Any bytes as what another relay has kept: taken as far as they make sense, and
 * then it can be asked, appended to and saved again. */
#include <unistd.h>

#include "relay/store/memory.h"
#include "sys/sealed.h"
#include "sys/timer.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define FUZZ_BYTES	(1u << 20)

static struct wheel wheel;
static unsigned nsaid;

static uint64_t
fuzz_now(void *arg)
{
	(void)arg;
	return (UINT64_C(1) << 40);
}

static bool
fuzz_judge(void *arg, const struct store_key *key, struct store_bounds *b)
{
	(void)arg;
	*b = (struct store_bounds){ .events = 5, .bytes = 4096,
		.keep_ms = key->room.n % 2 == 0 ? 1000 : 0,
		.keys = key->room.n % 4 < 2 ? 4 : 0, .keys_bytes = 2048 };
	return (key->room.n != 3);
}

static void
fuzz_on_page(void *arg, const struct store_page *page)
{
	struct slice rest = page->page.frames;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	(void)arg;
	nsaid++;
	while (rest.n > 0) {
		n = bus_frame(rest, slots, &flags);
		MUST(n > 0);
		rest = slice_from(rest, (size_t)n);
	}
}

static void
fuzz_on_kept(void *arg, const struct store_kept *kept)
{
	(void)arg;
	MUST(kept->result != BUS_STORE_OK || kept->kept != 0);
	nsaid++;
}

static void
fuzz_ask(struct store *s, const char *room)
{
	static struct bus_envelope e;
	struct store_read q = { .key = { SLICE("/"), slice_str(room) },
		.bounds = { .events = 5, .bytes = 4096, .keys = 4,
			.keys_bytes = 2048 }, .from = BUS_HISTORY_FIRST,
		.limit = 100, .bytes = 4096, .done = fuzz_on_page };
	struct store_append a = { .key = q.key, .bounds = q.bounds, .e = &e,
		.done = fuzz_on_kept };
	struct bus_publish *p = bus_keep(&e);

	s->does->read(s->engine, &q);
	q.from = BUS_HISTORY_STATE;
	s->does->read(s->engine, &q);
	p->key = SLICE("k");
	p->keyed = KEYED_VERSION;
	p->base = 3;
	p->nsp = q.key.nsp;
	p->event = SLICE("\"m\"");
	p->to.rooms[p->to.nrooms++] = q.key.room;
	s->does->append(s->engine, &a);
	s->does->turn(s->engine);
}

static struct store *
fuzz_open(void)
{
	struct memory_params p = { .wheel = &wheel, .now_ms = fuzz_now,
		.bytes = FUZZ_BYTES, .judge = fuzz_judge };
	struct store *s = memory_new(&p);

	MUST(s != NULL);
	return (s);
}

/* What one has saved the next one takes. */
static void
fuzz_again(struct store *s)
{
	struct store *next = fuzz_open();
	struct slice saved;
	bool bad;
	int fd = s->does->save(s->engine, slice_of(NULL, 0), &bad);

	MUST(!bad);
	if (fd != -1) {
		MUST(sealed_map(fd, 64u << 20, &saved) == 0);
		MUST(next->does->load(next->engine, saved));
		sealed_unmap(saved);
		(void)close(fd);
	}
	next->does->free(next->engine);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct store *s;
	unsigned i;

	wheel_init(&wheel, (struct mono){ fuzz_now(NULL) * 1000 });
	s = fuzz_open();
	(void)s->does->load(s->engine, slice_of(data, n));
	fuzz_ask(s, "r");
	fuzz_ask(s, "room1");
	for (i = 0; i < 100 && s->does->busy(s->engine); i++)
		s->does->turn(s->engine);
	fuzz_again(s);
	s->does->free(s->engine);
	MUST(wheel.count == 0);
	return (0);
}
