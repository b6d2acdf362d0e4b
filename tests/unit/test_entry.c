/* Entries of streams: what is put into one comes out in that order. */
#include "relay/stream/entry.h"

#include "proto/bus.h"
#include "tests/lib/check.h"

static struct entry_parts parts;

/* "name=value " each. */
static void
check_parts(const struct entry *e, const char *want)
{
	struct buf b;
	size_t at = 0;
	unsigned i;

	buf_init(&b);
	for (i = 0; i < e->nparts; i++) {
		buf_slice(&b, entry_part(e, &at));
		buf_byte(&b, i % 2 == 0 ? '=' : ' ');
	}
	assert_int_equal(at, e->n);
	check_slices(buf_unread(&b), slice_str(want), __FILE__, __LINE__);
	buf_fini(&b);
}

static struct entry *
made(void)
{
	struct entry *e = entry_new(&parts);

	assert_non_null(e);
	return (e);
}

static void
it_begins_with_type_and_time(void **state)
{
	struct entry *e;

	(void)state;
	entry_begin(&parts, SLICE("begin"), UINT64_C(1700000000123));
	e = made();
	check_parts(e, "type=begin ts=1700000000123 ");
	assert_int_equal(e->asker.ref, 0);
	free(e);
	/* the next one has nothing of it */
	entry_begin(&parts, SLICE("x"), 0);
	entry_put(&parts, "a", slice_of(NULL, 0));
	e = made();
	check_parts(e, "type=x ts=0 a= ");
	free(e);
}

static void
an_event_says_who_and_what(void **state)
{
	struct bus_envelope b;
	struct bus_publish *p = bus_forward(&b);
	struct entry *e;

	(void)state;
	p->once = SLICE("id1");
	p->event = SLICE("\"a\\u00e9\\n\"");
	p->args = SLICE("{\"x\":1},2");
	p->to.users[p->to.nusers++] = SLICE("ann");
	p->to.sids[p->to.nsids++] = SLICE("s1");
	p->to.rooms[p->to.nrooms++] = SLICE("r:1");
	p->attachments[p->nattach++] = SLICE("one");
	p->attachments[p->nattach++] = slice_of(NULL, 0);
	entry_begin(&parts, SLICE("event"), 5);
	entry_put_event(&parts, p);
	e = made();
	check_parts(e, "type=event ts=5 id=id1 user=ann sid=s1 room=r:1 "
	    "event=a\xc3\xa9\n data=[{\"x\":1},2] attachment0=one "
	    "attachment1= ");
	free(e);
}

static void
nobody_and_nothing_are_left_out(void **state)
{
	struct bus_envelope b;
	struct bus_publish *p = bus_forward(&b);
	struct entry *e;

	(void)state;
	p->event = SLICE("\"e\"");
	entry_begin(&parts, SLICE("event"), 5);
	entry_put_event(&parts, p);
	e = made();
	check_parts(e, "type=event ts=5 id= event=e data=[] ");
	free(e);
}

/* A push has most: all attachments, namespace, meta. */
static void
there_is_room_for_all_that_an_event_has(void **state)
{
	struct bus_envelope b;
	struct bus_publish *p = bus_forward(&b);
	struct entry *e;

	(void)state;
	p->event = SLICE("\"e\"");
	p->to.users[p->to.nusers++] = SLICE("u");
	p->to.sids[p->to.nsids++] = SLICE("s");
	p->to.rooms[p->to.nrooms++] = SLICE("r");
	while (p->nattach < BUS_ATTACHMENTS_MAX)
		p->attachments[p->nattach++] = SLICE("x");
	entry_begin(&parts, SLICE("push"), 5);
	entry_put(&parts, "namespace", SLICE("n"));
	entry_put_event(&parts, p);
	entry_put(&parts, "meta", SLICE("{}"));
	e = made();
	assert_true(e->nparts <= ENTRY_PARTS_MAX);
	free(e);
}

/* Of another process: whatever the bytes are, they are read within them. */
static void
bytes_of_another_are_an_entry_or_none(void **state)
{
	static const uint8_t odd[] = { 0, 0, 0, 0, 255, 255, 255, 255 };
	struct entry *e, *again;
	struct slice all;
	bool bad;
	size_t n;

	(void)state;
	entry_begin(&parts, SLICE("event"), 5);
	entry_put(&parts, "event", SLICE("say"));
	e = made();
	all = slice_of(e->bytes, e->n);
	again = entry_restore(all, e->nparts, &bad);
	assert_non_null(again);
	assert_false(bad);
	check_parts(again, "type=event ts=5 event=say ");
	check_slices(entry_field(again, "event"), SLICE("say"), __FILE__,
	    __LINE__);
	check_slices(entry_field(again, "type"), SLICE("event"), __FILE__,
	    __LINE__);
	assert_int_equal(entry_field(again, "say").n, 0);
	free(again);
	for (n = 0; n < all.n; n++) {
		uint8_t *p = check_copy(slice_of(all.p, n));

		assert_null(entry_restore(slice_of(p, n), e->nparts, &bad));
		assert_true(bad);
		free(p);
	}
	assert_null(entry_restore(all, e->nparts - 2, &bad));
	assert_null(entry_restore(all, e->nparts - 1, &bad));
	assert_null(entry_restore(all, e->nparts + 2, &bad));
	assert_null(entry_restore(all, 0, &bad));
	assert_null(entry_restore(slice_of(odd, sizeof odd), 2, &bad));
	assert_true(bad);
	free(e);
}

static void
an_epoch_has_sixteen_digits(void **state)
{
	char epoch[ENTRY_EPOCH];

	(void)state;
	entry_epoch(epoch, 0x19abc);
	assert_string_equal(epoch, "0000000000019abc");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_another_are_an_entry_or_none),
		cmocka_unit_test(an_epoch_has_sixteen_digits),
		cmocka_unit_test(it_begins_with_type_and_time),
		cmocka_unit_test(an_event_says_who_and_what),
		cmocka_unit_test(nobody_and_nothing_are_left_out),
		cmocka_unit_test(there_is_room_for_all_that_an_event_has),
	};
	int failed;

	buf_init(&parts.bytes);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_fini(&parts.bytes);
	return (failed);
}
