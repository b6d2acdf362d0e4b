/* Envelopes as frames: what went in comes out, and nothing else comes in. */
#include "proto/bus.h"

#include "tests/lib/bus_same.h"
#include "tests/lib/check.h"

static struct bus_audience
an_audience(void)
{
	return ((struct bus_audience){
		.rooms = { SLICE("room one"), SLICE("") }, .nrooms = 2,
		.users = { SLICE("alice\0bob") }, .nusers = 1,
		.sids = { SLICE("KZGaJiYwfs_kqvmBAABJ") }, .nsids = 1,
		.except = { SLICE("x"), SLICE("y") }, .nexcept = 2 });
}

static struct bus_envelope
full_envelope(void)
{
	struct bus_envelope e;
	struct bus_publish *p;

	memset(&e, 0xa5, sizeof e);
	p = bus_publish(&e);
	e.flags = BUS_VOLATILE | BUS_WANT_COUNT;
	e.slots[0] = UINT64_C(0x8000000000000005);
	e.slots[1] = 1;
	e.from = 3;
	e.generation = 65535;
	e.ref = 0xdeadbeef;
	p->timeout_ms = UINT64_MAX;
	p->nsp = SLICE("/chat");
	p->event = SLICE("\"say\"");
	p->args = SLICE("1,{\"a\":2}");
	p->meta = SLICE("{\"id\":1}");
	p->offset = SLICE("\"o\"");
	p->once = SLICE("the-id");
	p->conflate = SLICE("\"ann\"");
	p->key = SLICE("annotation:1");
	p->keyed = KEYED_BASE | KEYED_GONE | KEYED_REV;
	p->base = 7;
	p->based = SLICE("e1");
	p->attachments[p->nattach++] = SLICE("\0\1");
	p->attachments[p->nattach++] = SLICE("");
	p->epoch = SLICE("5e0c4");
	p->kept = 12;
	p->sent_us = 1;
	p->to = an_audience();
	return (e);
}

/* Of that kind, with all that such a one can say. */
static struct bus_envelope
one_of_kind(enum bus_kind kind)
{
	static const uint64_t others[2] = { UINT64_C(1) << 63, 5 };
	struct bus_envelope e = full_envelope();
	struct bus_recover_ask *q;
	struct bus_disconnect *d;
	struct bus_history *h;
	struct bus_kept *k;
	struct bus_page *g;
	struct bus_members *m;
	struct bus_answers *a;
	struct bus_rooms *r;

	switch (kind) {
	case BUS_PUBLISH:
		return (e);
	case BUS_COUNT:
		bus_count(&e, UINT64_MAX);
		break;
	case BUS_DISCONNECT:
		d = bus_disconnect(&e);
		d->nsp = SLICE("/n");
		d->reason = SLICE("\"why\"");
		d->to = an_audience();
		break;
	case BUS_ROOMS:
		r = bus_rooms(&e);
		r->nsp = SLICE("/n");
		r->join[r->njoin++] = SLICE("a");
		r->join[r->njoin++] = SLICE("b");
		r->leave[r->nleave++] = SLICE("");
		r->to = an_audience();
		break;
	case BUS_ANSWERS:
		a = bus_answers(&e);
		a->asked = UINT32_MAX;
		a->answered = 7;
		a->elements = SLICE("{},{}");
		break;
	case BUS_ANSWERS_END:
		bus_answers_end(&e);
		break;
	case BUS_RECOVER_ASK:
		q = bus_recover_ask(&e);
		q->nsp = SLICE("/n");
		q->pid = SLICE("KZGaJiYwfs_kqvmBAABJ");
		q->offset = SLICE("\"o\"");
		q->has_user = true;
		q->user = SLICE("");
		break;
	case BUS_RECOVER_NONE:
		bus_recover_none(&e);
		break;
	case BUS_RECOVER_STATE:
		bus_recover_state(&e, SLICE("s\1\0\0\0x"));
		break;
	case BUS_RECOVER_JOINED:
		bus_recover_joined(&e, others);
		break;
	case BUS_RECOVER_BARRIER:
		bus_recover_barrier(&e, 128);
		break;
	case BUS_RECOVER_PASSED:
		bus_recover_passed(&e, 1);
		break;
	case BUS_RECOVER_LATE:
		bus_recover_late(&e, 3, SLICE("t\1\0\0\0x"));
		break;
	case BUS_RECOVER_DONE:
		bus_recover_done(&e, UINT64_MAX);
		break;
	case BUS_PUBLISH_BODY:
		bus_publish_body(&e, SLICE("{\"namespace\":\"n\"}"));
		e.from = 0;	/* the relay */
		break;
	case BUS_MEMBERS:
		m = bus_members(&e, BUS_MEMBERS_SIDS);
		m->nsp = SLICE("/n");
		m->to = an_audience();
		e.from = 0;
		break;
	case BUS_KEEP:
		e.kind = BUS_KEEP;
		e.flags = 0;
		e.publish.to.nrooms = 1;
		break;
	case BUS_TRIM:
		e.kind = BUS_TRIM;
		e.flags = 0;
		e.publish.to.nrooms = 1;
		break;
	case BUS_JOURNAL:
		e.kind = BUS_JOURNAL;
		e.flags = 0;
		break;
	case BUS_SESSION:
	case BUS_SESSION_TAKE:
	case BUS_SESSION_TAKEN:
	case BUS_SESSION_OVER:
		*bus_session(&e, kind, BUS_SESSION_BEGUN) =
		    (struct bus_session){ .is = 3, .nsp = SLICE("/n"),
			.pid = SLICE("KZGaJiYwfs_kqvmBAABJ"),
			.sid = SLICE("sid"), .has_user = true,
			.user = SLICE(""), .offset = SLICE("\"e:7\""),
			.since = UINT64_MAX, .records = SLICE("records") };
		if (kind >= BUS_SESSION_TAKEN)
			e.from = 0;
		break;
	case BUS_KEPT:
		k = bus_kept(&e, BUS_STORE_OK);
		k->epoch = SLICE("5e0c4");
		k->kept = UINT64_MAX;
		k->slots[0] = others[0];
		k->slots[1] = others[1];
		e.from = 0;
		break;
	case BUS_HISTORY:
		h = bus_history(&e, BUS_HISTORY_AFTER);
		h->nsp = SLICE("/n");
		h->room = SLICE("r");
		h->epoch = SLICE("5e0c4");
		h->since = 7;
		h->limit = 8;
		h->bytes = 9;
		break;
	case BUS_PAGE:
		g = bus_page(&e, BUS_STORE_GAP);
		g->epoch = SLICE("5e0c4");
		g->top = 7;
		g->first = 3;
		g->finished = true;
		g->frames = SLICE("frames");
		e.from = 0;
		break;
	case BUS_FORWARD:
		e.kind = BUS_FORWARD;
		e.flags = 0;
		break;
	case BUS_REPLY:
		e.kind = BUS_REPLY;
		e.flags = 0;
		e.publish.to.nsids = 1;
		break;
	case BUS_QUEUE:
	case BUS_INBOX:
		e.kind = kind;
		e.flags = 0;
		e.publish.to.nusers = 1;
		break;
	case BUS_STREAMED:
		bus_streamed(&e, BUS_STORE_OK)->frames = SLICE("frames");
		e.from = 0;
		break;
	case BUS_BOX:
		*bus_box(&e, 3) = (struct bus_box){ .what = 3,
			.nsp = SLICE("/n"), .user = SLICE("ann"),
			.body = SLICE("body") };
		break;
	case BUS_BOXED:
		bus_boxed(&e, BUS_STORE_OK)->body = SLICE("body");
		e.from = 0;
		break;
	case BUS_CUT:
		bus_cut(&e, 3, 128, UINT64_MAX);
		break;
	case BUS_LEAVE:
		bus_leave(&e);
		break;
	case BUS_REVOKE:
		*bus_revoke(&e) = (struct bus_revoke){ .what = 2,
			.name = SLICE("ann"), .moment = UINT32_MAX,
			.until = 9, .grace = 8, .reason = SLICE("\"why\"") };
		break;
	case BUS_HOOKS:
		*bus_hooks(&e, BUS_HOOKS_RETRY) = (struct bus_hooks){
			.what = BUS_HOOKS_RETRY, .hook = SLICE("back"),
			.since = 7, .limit = UINT64_MAX,
			.ids = SLICE("12345678") };
		break;
	case BUS_MARK:
		bus_mark(&e, 7, true);
		e.from = 0;
		break;
	}
	return (e);
}

/* Each kind comes out as it went in; so it does into memory that held
 * another. */
static void
what_is_encoded_is_decoded(void **state)
{
	struct bus_envelope e, got;
	unsigned kind;
	struct buf b;
	uint8_t *p;

	(void)state;
	buf_init(&b);
	for (kind = BUS_PUBLISH; kind <= BUS_TRIM; kind++) {
		e = one_of_kind((enum bus_kind)kind);
		assert_int_equal(e.kind, kind);
		assert_int_equal(e.flags, kind == BUS_PUBLISH ?
		    BUS_VOLATILE | BUS_WANT_COUNT : 0);
		buf_reset(&b);
		assert_true(bus_encode(&b, &e));
		p = check_copy(buf_unread(&b));
		memset(&got, 0xa5, sizeof got);
		assert_int_equal(bus_decode(slice_of(p, b.wpos), &got),
		    b.wpos);
		assert_true(bus_same(&got, &e));
		assert_true(bus_same(&e, &got));
		free(p);
	}
	buf_fini(&b);
}

/* Nothing of it but the kind: a header, and as little comes out. */
static void
what_says_nothing_is_a_header(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	struct buf b;

	(void)state;
	buf_init(&b);
	bus_count(&e, 0);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(b.wpos, BUS_HEADER);
	assert_int_equal(bus_decode(buf_unread(&b), &got), BUS_HEADER);
	assert_true(bus_same(&got, &e));
	buf_reset(&b);
	(void)bus_recover_ask(&e);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(b.wpos, BUS_HEADER);
	assert_int_equal(bus_decode(buf_unread(&b), &got), BUS_HEADER);
	assert_false(got.recover_ask.has_user);
	/* what it cannot be without */
	buf_reset(&b);
	bus_recover_barrier(&e, 0);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), CODEC_BAD);
	buf_reset(&b);
	bus_recover_passed(&e, 129);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), CODEC_BAD);
	buf_fini(&b);
}

/* Between two different workers, one of which says it. */
static void
a_cut_is_between_two(void **state)
{
	static const struct {
		unsigned	 from, giver, heir;
		bool		 good;
	} rows[] = {
		{ 1, 1, 2, true }, { 2, 1, 2, true }, { 3, 1, 2, false },
		{ 1, 1, 1, false }, { 1, 1, 0, false }, { 1, 0, 1, false },
		{ 1, 1, 129, false }, { 0, 1, 2, false },
		{ 128, 1, 128, true },
	};
	struct bus_envelope e = full_envelope(), got;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		bus_cut(&e, rows[i].giver, rows[i].heir, 5);
		e.from = (uint16_t)rows[i].from;
		buf_reset(&b);
		assert_true(bus_encode(&b, &e));
		assert_int_equal(bus_frame_kind(buf_unread(&b)), BUS_CUT);
		assert_int_equal(bus_frame_from(buf_unread(&b)), rows[i].from);
		assert_int_equal(bus_decode(buf_unread(&b), &got),
		    rows[i].good ? (ssize_t)b.wpos : CODEC_BAD);
	}
	buf_fini(&b);
}

/* As another version of the daemon that runs beside this one wrote them. */
static void
fields_are_laid_out_as_they_were(void **state)
{
	static const struct {
		enum bus_kind	 kind;
		struct slice	 fields;
	} rows[] = {
		{ BUS_COUNT, SLICE("\x9\x8\0\0\0"
				   "\xff\xff\xff\xff\xff\xff\xff\xff") },
		{ BUS_ANSWERS, SLICE("\3\5\0\0\0{},{}\x9\x8\0\0\0"
				     "\7\0\0\0\xff\xff\xff\xff") },
		{ BUS_RECOVER_ASK, SLICE("\1\2\0\0\0/n"
				"\2\x14\0\0\0KZGaJiYwfs_kqvmBAABJ"
				"\xc\3\0\0\0\"o\"" "\6\0\0\0\0") },
		{ BUS_RECOVER_JOINED, SLICE("\x9\x8\0\0\0"
					    "\0\0\0\0\0\0\0\x80"
					    "\xa\x8\0\0\0"
					    "\5\0\0\0\0\0\0\0") },
		{ BUS_RECOVER_BARRIER, SLICE("\x9\x8\0\0\0"
					     "\x80\0\0\0\0\0\0\0") },
		{ BUS_RECOVER_LATE, SLICE("\3\6\0\0\0t\1\0\0\0x"
					  "\x9\x8\0\0\0"
					  "\3\0\0\0\0\0\0\0") },
	};
	struct bus_envelope e;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		e = one_of_kind(rows[i].kind);
		buf_reset(&b);
		assert_true(bus_encode(&b, &e));
		assert_slices(slice_from(buf_unread(&b), BUS_HEADER),
		    rows[i].fields);
	}
	buf_fini(&b);
}

static void
a_frame_waits_until_it_is_whole(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	uint64_t slots[2];
	uint16_t flags;
	struct buf b;
	size_t n, size;

	(void)state;
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	size = b.wpos;
	assert_true(bus_encode(&b, &e));
	for (n = 0; n < size; n++) {
		uint8_t *p = check_copy(slice_of(b.data, n));

		assert_int_equal(bus_frame(slice_of(p, n), slots, &flags), 0);
		assert_int_equal(bus_decode(slice_of(p, n), &got), CODEC_MORE);
		assert_false(bus_whole(slice_of(p, n), &got));
		free(p);
	}
	for (; n <= b.wpos; n++)
		assert_int_equal(bus_frame(slice_of(b.data, n), slots, &flags),
		    size);
	assert_true(slots[0] == e.slots[0] && slots[1] == e.slots[1]);
	assert_int_equal(flags, e.flags);
	buf_fini(&b);
}

static void
the_header_is_laid_out_as_documented(void **state)
{
	struct bus_envelope e;
	struct buf b;

	(void)state;
	memset(&e, 0, sizeof e);
	e.kind = BUS_DISCONNECT;
	e.flags = 0x0102;
	e.slots[0] = 1;
	e.slots[1] = 2;
	e.from = 0x0304;
	e.generation = 5;
	e.ref = 6;
	e.disconnect.nsp = SLICE("/");
	buf_init(&b);
	assert_true(bus_encode(&b, &e));
	assert_slice(buf_unread(&b), "\x26\0\0\0\3\2\2\1\1\0\0\0\0\0\0\0"
				     "\2\0\0\0\0\0\0\0\4\3\5\0\6\0\0\0"
				     "\1\1\0\0\0/");
	buf_fini(&b);
}

/* A header with that size and version, and a body behind it. */
static ssize_t
decode_raw(uint32_t size, uint8_t version, struct slice body)
{
	struct bus_envelope e;
	uint8_t head[BUS_HEADER] = { (uint8_t)size, (uint8_t)(size >> 8),
		(uint8_t)(size >> 16), (uint8_t)(size >> 24), BUS_PUBLISH,
		version };
	struct buf b;
	ssize_t n;

	buf_init(&b);
	buf_append(&b, head, sizeof head);
	buf_slice(&b, body);
	n = bus_decode(buf_unread(&b), &e);
	buf_fini(&b);
	return (n);
}

static void
absurd_frames_are_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_raw(BUS_HEADER, 2, SLICE("")), BUS_HEADER);
	assert_int_equal(decode_raw(0, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_HEADER - 1, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_FRAME_MAX + 1, 2, SLICE("")),
	    CODEC_BAD);
	assert_int_equal(decode_raw(UINT32_MAX, 2, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(BUS_HEADER, 1, SLICE("")), CODEC_BAD);
	assert_int_equal(decode_raw(36, 2, SLICE("\1\0\0\0")), CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\1\1\0\0\0")), CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\1\xff\xff\xff\xff")),
	    CODEC_BAD);
	assert_int_equal(decode_raw(37, 2, SLICE("\x9\0\0\0\0")), CODEC_BAD);
}

/* An answer must be able to get there: no other sender passes. */
static void
senders_are_slots(void **state)
{
	static const struct {
		enum bus_kind	 kind;
		uint16_t	 flags, from;
		bool		 good;
	} rows[] = {
		{ BUS_PUBLISH, BUS_WATCHERS, 0, true },
		{ BUS_PUBLISH, BUS_WANT_COUNT, 0, true },
		{ BUS_PUBLISH, BUS_WANT_ANSWERS, 0, true },
		{ BUS_PUBLISH, BUS_WANT_COUNT, 1, true },
		{ BUS_PUBLISH, 0, 128, true },
		{ BUS_PUBLISH, 0, 129, false },
		{ BUS_PUBLISH, 0, 65535, false },
		{ BUS_COUNT, 0, 0, false }, { BUS_COUNT, 0, 128, true },
		{ BUS_ROOMS, 0, 0, true }, { BUS_ROOMS, 0, 129, false },
		{ BUS_DISCONNECT, 0, 0, true },
		{ BUS_RECOVER_ASK, 0, 0, false },
		{ BUS_ANSWERS, 0, 0, true }, { BUS_ANSWERS, 0, 1, true },
		{ BUS_ANSWERS_END, 0, 0, true },
		{ BUS_PUBLISH_BODY, 0, 0, true },
		{ BUS_PUBLISH_BODY, 0, 1, false },
		{ BUS_MEMBERS, 0, 0, true }, { BUS_MEMBERS, 0, 1, true },
		{ BUS_MARK, 0, 0, true }, { BUS_MARK, 0, 1, false },
		{ BUS_LEAVE, 0, 0, false }, { BUS_LEAVE, 0, 1, true },
		{ BUS_KEPT, 0, 0, true }, { BUS_KEPT, 0, 1, false },
		{ BUS_PAGE, 0, 0, true }, { BUS_PAGE, 0, 1, false },
		{ BUS_FORWARD, 0, 0, false }, { BUS_FORWARD, 0, 1, true },
		{ BUS_STREAMED, 0, 0, true }, { BUS_STREAMED, 0, 1, false },
		{ BUS_JOURNAL, 0, 0, false }, { BUS_JOURNAL, 0, 1, true },
		{ BUS_SESSION, 0, 0, false }, { BUS_SESSION, 0, 1, true },
		{ BUS_TRIM, 0, 0, false }, { BUS_TRIM, 0, 1, false },
		{ BUS_SESSION_TAKE, 0, 0, false },
		{ BUS_SESSION_TAKEN, 0, 0, true },
		{ BUS_SESSION_TAKEN, 0, 1, false },
		{ BUS_SESSION_OVER, 0, 0, true },
		{ BUS_SESSION_OVER, 0, 1, false },
		{ BUS_BOX, 0, 0, true }, { BUS_BOX, 0, 1, true },
		{ BUS_BOXED, 0, 0, true }, { BUS_BOXED, 0, 1, false },
	};
	struct bus_envelope e, got;
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b);
	for (i = 0; i < nitems(rows); i++) {
		memset(&e, 0, sizeof e);
		e.kind = rows[i].kind;
		e.flags = rows[i].flags;
		e.from = rows[i].from;
		buf_reset(&b);
		assert_true(bus_encode(&b, &e));
		assert_int_equal(bus_decode(buf_unread(&b), &got),
		    rows[i].good ? (ssize_t)b.wpos : CODEC_BAD);
	}
	buf_fini(&b);
}

static void
unknown_tags_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(decode_raw(45, 2, SLICE("\xc8\3\0\0\0abc\0\0\0\0\0")), 45);
}

static void
lists_and_sizes_are_limited(void **state)
{
	struct bus_envelope e = full_envelope(), got;
	size_t *n = &e.publish.to.nrooms, large = 17u << 20;
	uint8_t *big = calloc(1, large);
	struct buf b;
	size_t i;

	(void)state;
	assert_non_null(big);
	buf_init(&b);
	for (*n = 0; *n < BUS_LIST_MAX; (*n)++)
		e.publish.to.rooms[*n] = SLICE("r");
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), b.wpos);
	assert_int_equal(got.publish.to.nrooms, BUS_LIST_MAX);
	/* one room more, put in by hand */
	buf_append(&b, "\5\1\0\0\0r", 6);
	for (i = 0; i < 4; i++)
		b.data[i] = (uint8_t)(b.wpos >> (8 * i));
	assert_int_equal(bus_decode(buf_unread(&b), &got), CODEC_BAD);
	buf_reset(&b);
	*n = BUS_LIST_MAX + 1;
	assert_false(bus_encode(&b, &e));
	memset(&e, 0, sizeof e);
	e.kind = BUS_PUBLISH;
	e.publish.args = slice_of(big, large);
	assert_true(bus_encode(&b, &e));
	assert_int_equal(bus_decode(buf_unread(&b), &got), b.wpos);
	assert_int_equal(got.publish.args.n, large);
	buf_reset(&b);
	/* looked at before anything is copied */
	e.publish.args.n = BUS_FRAME_MAX - BUS_HEADER - 4;
	assert_false(bus_encode(&b, &e));
	assert_int_equal(b.wpos, 0);
	assert_false(b.oom);
	free(big);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(what_says_nothing_is_a_header),
		cmocka_unit_test(a_cut_is_between_two),
		cmocka_unit_test(fields_are_laid_out_as_they_were),
		cmocka_unit_test(a_frame_waits_until_it_is_whole),
		cmocka_unit_test(the_header_is_laid_out_as_documented),
		cmocka_unit_test(absurd_frames_are_refused),
		cmocka_unit_test(senders_are_slots),
		cmocka_unit_test(unknown_tags_are_skipped),
		cmocka_unit_test(lists_and_sizes_are_limited),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
