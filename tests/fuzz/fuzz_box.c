/* Any bytes as what is asked of notifications, told of them by another host, or kept
 * by another relay: what makes sense is written as it was read, and who keeps them
 * can be asked afterwards. */
#include "base/state.h"
#include "proto/bus_box.h"
#include "relay/box/memory.h"
#include "relay/box/remote.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static unsigned nsaid;

static uint64_t
fuzz_now(void *arg)
{
	(void)arg;
	return (UINT64_C(1) << 40);
}

static void
fuzz_answer(void *arg, const struct box_asker *to, enum bus_store result,
    const struct box_reply *r)
{
	(void)arg;
	(void)to;
	MUST((result == BUS_STORE_OK) == (r != NULL));
	nsaid++;
}

static void
fuzz_news(void *arg, const struct box_news *n)
{
	(void)arg;
	MUST(n->user.n != 0 && n->version != 0);
	nsaid++;
}

static const struct box_calls calls = { .answer = fuzz_answer,
	.news = fuzz_news, .now_ms = fuzz_now };

static void
fuzz_ask(struct box_memory *m, struct box_question *q, enum box_op op)
{
	q->op = op;
	q->nsp = SLICE("/n");
	q->user = SLICE("u");
	q->bounds = (struct box_bounds){ 3, 4096, 1000 };
	box_memory_engine.ask(m, q);
}

static void
fuzz_same(struct buf *b, struct slice in)
{
	MUST(slice_eq(buf_unread(b), in));
	buf_reset(b);
}

/* Each form in turn. */
static void
fuzz_forms(struct box_memory *m, struct slice in)
{
	static struct box_question q;
	struct box_prefs p;
	struct box_reply r;
	struct buf b;

	buf_init(&b);
	if (box_get_item(in, &q.item)) {
		box_put_item(&b, &q.item);
		fuzz_same(&b, in);
		fuzz_ask(m, &q, BOX_CREATE);
	}
	if (box_get_look(in, &q.look)) {
		box_put_look(&b, &q.look);
		fuzz_same(&b, in);
		fuzz_ask(m, &q, BOX_LIST);
	}
	if (box_get_pick(in, &q.pick)) {
		box_put_pick(&b, &q.pick);
		fuzz_same(&b, in);
		fuzz_ask(m, &q, BOX_READ);
		fuzz_ask(m, &q, BOX_DELETE);
	}
	if (box_get_prefs(in, &p)) {
		box_put_prefs(&b, &p);
		fuzz_same(&b, in);
		q.prefs = in;
		fuzz_ask(m, &q, BOX_PREFS);
		q.prefs = slice_of(NULL, 0);
		nsaid += box_is_quiet(&p, UINT64_MAX);
	}
	if (box_get_reply(in, &r)) {
		box_put_reply(&b, &r);
		fuzz_same(&b, in);
	}
	fuzz_ask(m, &q, BOX_COUNT);
	buf_fini(&b);
}

static void
fuzz_saved(struct slice in)
{
	struct box_memory *m = box_memory_new(&calls, 1u << 20);
	static struct box_question q;
	struct state_in s = state_in(in);
	struct buf b;

	MUST(m != NULL);
	buf_init(&b);
	nsaid += box_memory_load(m, &s);
	q.look = (struct box_look){ .limit = 10 };
	fuzz_ask(m, &q, BOX_LIST);
	box_memory_bound(m, 1000);
	while (box_memory_turn(m))
		nsaid++;
	box_memory_save(m, &b);
	buf_fini(&b);
	box_memory_free(&m);
}

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct box_memory *m = box_memory_new(&calls, 1u << 20);
	struct box_news news;
	struct slice in = slice_of(p, n);

	MUST(m != NULL);
	fuzz_forms(m, in);
	fuzz_saved(in);
	if (box_news_decode(in, &news))
		MUST(news.nsp.n != 0 && news.user.n != 0);
	box_memory_free(&m);
	return (0);
}
