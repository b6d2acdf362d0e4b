/* What waits for hooks goes from one relay to the next. */
#include "relay/hooks/hooks_int.h"

#include "base/state.h"
#include "tests/lib/check.h"
#include "tests/lib/conf_text.h"

static const char text[] =
    "hook \"back\" { url = \"http://127.0.0.1/\"\n"
    " secret = \"0123456789abcdef0123456789abcdef\"  dead = 3 }\n"
    "namespace \"/a\" { auth = none  hook = \"back\" }\n"
    "namespace \"/b\" { auth = none }\n";

static struct conf *conf;
static struct exchange x;
static struct hooks one, two;
static struct buf saved;

static void
on_done(void *arg, const struct asker *to, bool taken)
{
	(void)arg;
	(void)to;
	(void)taken;
}

static void
make(struct hooks *k, uint64_t epoch)
{
	*k = (struct hooks){ .magic = HOOKS_MAGIC, .conf = conf, .x = &x,
		.epoch = epoch, .ncouriers = conf->ns_room };
	k->couriers = calloc(k->ncouriers, sizeof *k->couriers);
	assert_non_null(k->couriers);
	k->calls = (struct courier_calls){ .arg = k, .done = on_done,
		.dead = hooks_on_dead };
	buf_init(&k->parts.bytes);
	dead_init(&k->dead);
}

static void
unmake(struct hooks *k)
{
	unsigned i;

	for (i = 0; i < k->ncouriers; i++)
		if (k->couriers[i].nsp != NULL)
			courier_fini(&k->couriers[i]);
	dead_fini(&k->dead);
	free(k->couriers);
	buf_fini(&k->parts.bytes);
}

static int
begin(void **state)
{
	(void)state;
	conf = conf_text(text);
	memset(&x, 0, sizeof x);
	x.now_ms = 1000;
	make(&one, 0xa);
	make(&two, 0xb);
	buf_init(&saved);
	return (0);
}

static int
end(void **state)
{
	(void)state;
	unmake(&one);
	unmake(&two);
	buf_fini(&saved);
	conf_free(&conf);
	return (0);
}

static const struct conf_namespace *
ns(const char *name)
{
	const struct conf_namespace *n = conf_namespace_find(conf,
	    slice_str(name));

	assert_non_null(n);
	return (n);
}

static void
add(struct hooks *k, const char *nsp, const char *event)
{
	struct courier *c = hooks_courier(k, ns(nsp));
	struct entry *e;

	assert_non_null(c);
	assert_true(courier_name(c, "back"));
	entry_begin(&k->parts, SLICE("event"), 7);
	entry_put(&k->parts, "event", slice_str(event));
	e = entry_new(&k->parts);
	assert_non_null(e);
	e->asker = (struct asker){ 1, 2, 3 };
	courier_add(c, e, 40);
}

/* "epoch:number:event " of each that waits. */
static void
waits(const struct hooks *k, const char *nsp, const char *want)
{
	const struct courier *c = &k->couriers[ns(nsp)->index];
	const struct entry *e;
	struct buf b;

	buf_init(&b);
	STAILQ_FOREACH(e, &c->queue.list, next) {
		buf_printf(&b, "%x:%u:", (unsigned)e->epoch,
		    (unsigned)e->number);
		buf_slice(&b, entry_field(e, "event").n != 0 ?
		    entry_field(e, "event") : entry_field(e, "type"));
		buf_byte(&b, ' ');
		assert_true(e->epoch == k->epoch || e->asker.ref == 0);
	}
	check_slices(buf_unread(&b), slice_str(want), __FILE__, __LINE__);
	buf_fini(&b);
}

static void
save_and_load(void)
{
	hooks_save(&one, &saved);
	assert_int_equal(hooks_saved(buf_unread(&saved)), saved.wpos);
	hooks_load(&two, buf_unread(&saved));
}

static void
entries_keep_order_numbers_and_epoch(void **state)
{
	(void)state;
	add(&one, "/a", "x");
	hook_queue_skip(&one.couriers[ns("/a")->index].queue);
	add(&one, "/a", "y");
	waits(&one, "/a", "a:1:begin a:2:x a:4:y ");
	save_and_load();
	assert_true(one.saved);
	waits(&two, "/a", "a:1:begin a:2:x a:4:y b:1:begin ");
	add(&two, "/a", "z");
	waits(&two, "/a", "a:1:begin a:2:x a:4:y b:1:begin b:2:z ");
	assert_int_equal(STAILQ_FIRST(&two.couriers[ns("/a")->index]
	    .queue.list)->since_ms, 0);
	/* and once more, by the one after that */
	unmake(&one);
	make(&one, 0xc);
	buf_reset(&saved);
	hooks_save(&two, &saved);
	hooks_load(&one, buf_unread(&saved));
	waits(&one, "/a", "a:1:begin a:2:x a:4:y b:1:begin b:2:z "
	    "c:1:begin ");
}

static void
dead_letters_go_over_and_keep_their_ids(void **state)
{
	struct dead_box *b;
	unsigned i;

	(void)state;
	add(&one, "/a", "x");
	for (i = 0; i < 4; i++)
		add(&one, "/a", "y");
	courier_drop(&one.couriers[ns("/a")->index]);
	assert_int_equal(dead_count(&one.dead), 3);	/* dead = 3 */
	save_and_load();
	b = dead_find(&two.dead, SLICE("back"));
	assert_non_null(b);
	assert_int_equal(b->n, 3);
	assert_int_equal(dead_from(b, 0)->id, 4);
	assert_int_equal(dead_from(b, 0)->entry->number, 4);
	assert_int_equal(dead_from(b, 0)->entry->epoch, 0xa);
	assert_string_equal(dead_from(b, 0)->why,
	    "there is no hook any more");
	assert_int_equal(two.dead.id, 6);
}

static void
nothing_is_no_section(void **state)
{
	(void)state;
	hooks_save(&one, &saved);
	assert_int_equal(saved.wpos, 0);
	assert_false(one.saved);
	assert_int_equal(hooks_saved(buf_unread(&saved)), 0);
	/* another one's section */
	state_close(&saved, state_open(&saved, 0x5780, 3));
	assert_int_equal(hooks_saved(buf_unread(&saved)), 0);
}

/* Of a namespace that has gone meanwhile: they can be read, at least. */
static void
what_nobody_is_told_any_more_is_given_up(void **state)
{
	(void)state;
	add(&one, "/a", "x");
	hooks_save(&one, &saved);
	conf_free(&conf);
	conf = conf_text("namespace \"/b\" { auth = none }\n");
	two.conf = conf;
	hooks_load(&two, buf_unread(&saved));
	one.conf = conf;
	assert_int_equal(dead_find(&two.dead, SLICE("back"))->n, 2);
}

/* Cut or changed anywhere: it is refused, or something of it is missing. */
static void
what_makes_no_sense_does_no_harm(void **state)
{
	struct slice all;
	uint8_t *p;
	size_t n;

	(void)state;
	add(&one, "/a", "x");
	add(&one, "/a", "y");
	courier_drop(&one.couriers[ns("/a")->index]);
	add(&one, "/a", "z");
	hooks_save(&one, &saved);
	all = buf_unread(&saved);
	for (n = 0; n < all.n; n++) {
		p = check_copy(slice_of(all.p, n));
		assert_int_equal(hooks_saved(slice_of(p, n)), 0);
		hooks_load(&two, slice_of(p, n));
		free(p);
		p = check_copy(all);
		p[n] ^= 0xff;
		hooks_load(&two, slice_of(p, all.n));
		free(p);
		unmake(&two);
		make(&two, 0xb);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    entries_keep_order_numbers_and_epoch, begin, end),
		cmocka_unit_test_setup_teardown(
		    dead_letters_go_over_and_keep_their_ids, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_no_section, begin,
		    end),
		cmocka_unit_test_setup_teardown(
		    what_nobody_is_told_any_more_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(
		    what_makes_no_sense_does_no_harm, begin, end),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
