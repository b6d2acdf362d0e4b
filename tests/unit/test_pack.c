/* What goes out compressed, and what does not. */
#include "hub/queue/pack.h"

#include <stdlib.h>

#include "check.h"
#include "hub/queue/send.h"
#include "hub/queue/sentlog.h"
#include "proto/ws.h"
#include "shm/counters.h"

#define SIO_Z	wire_packed(WIRE_SIO, DEFLATE_4K)
#define RAW_9	wire_packed(WIRE_RAW, DEFLATE_512)

static struct pack *
packer(uint64_t threshold)
{
	struct pack *k = pack_new(&(struct pack_conf){ true, 3, threshold });

	assert_non_null(k);
	return (k);
}

/* A JSON string of n bytes. */
static char *
words(size_t n)
{
	char *p = malloc(n + 1);
	size_t i;

	assert_non_null(p);
	for (i = 0; i < n; i++)
		p[i] = "some words again "[i % 17];
	p[0] = p[n - 1] = '"';
	p[n] = '\0';
	return (p);
}

static void
put(struct pack *k, enum wire w, const struct publication *p, struct buf *b)
{
	struct wire_plan plan = pack_plan(k, w, p);

	buf_reset(b);
	assert_true(buf_reserve(b, plan.total));
	pack_put(w, p, &plan, b->data);
	b->wpos = plan.total;
}

static void
wire_values_say_form_and_window(void **state)
{
	unsigned w, ones = 0;

	(void)state;
	assert_int_equal(wire_form(SIO_Z), WIRE_SIO);
	assert_int_equal(wire_window(SIO_Z), DEFLATE_4K);
	assert_int_equal(wire_window(RAW_9), DEFLATE_512);
	assert_int_equal(wire_packed(WIRE_POLL, DEFLATE_4K), WIRE_POLL);
	assert_int_equal(wire_packed(WIRE_SSE, DEFLATE_4K), WIRE_SSE);
	assert_true(wire_is_socketio(SIO_Z) && wire_answers(SIO_Z));
	assert_true(wire_is_opaque(RAW_9) && !wire_has_names(RAW_9));
	for (w = 0; w < 256; w++)
		ones += wire_is_one(w);
	assert_int_equal(ones, WIRE__MAX + 2 * (WIRE__MAX - 5));
}

struct seen {
	unsigned	 n;
	struct slice	 want[3];
};

static void
see(void *arg, const struct sent_packet *p)
{
	struct seen *s = arg;

	assert_false(p->lost);
	assert_slices(p->data, s->want[s->n++]);
}

static void
each_message_of_an_event_is_looked_at(void **state)
{
	char *t = words(600), args[700];
	uint8_t noise[500];
	struct slice parts[2] = { slice_of(noise, sizeof noise), SLICE("ab") };
	struct publication p = { .nsp = SLICE("/"), .event = SLICE("\"e\""),
		.attachments = parts, .nattach = 2 };
	struct pack *k = packer(100);
	struct seen s = { .n = 0 };
	struct buf b, text;
	uint32_t x = 1;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof noise; i++)
		noise[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
	(void)snprintf(args, sizeof args, "%s,{\"_placeholder\":true,\"num\":0},"
	    "{\"_placeholder\":true,\"num\":1}", t);
	p.args = slice_str(args);
	buf_init(&b);
	buf_init(&text);
	put(k, SIO_Z, &p, &b);
	assert_int_equal(b.data[0], 0xc1);	/* the text alone */
	assert_true(b.wpos < 300 + sizeof noise);
	assert_int_equal(counter_get(COUNTER_ws_deflated), 1);
	assert_int_equal(counter_get(COUNTER_ws_not_deflated), 1);
	assert_true(sentlog_is_whole(buf_unread(&b), SIO_Z));
	buf_printf(&text, "452-[\"e\",%s]", args);
	s.want[0] = buf_unread(&text);
	s.want[1] = parts[0];
	s.want[2] = parts[1];
	sentlog_run(buf_unread(&b), 0, SIO_Z, k, see, &s);
	assert_int_equal(s.n, 3);
	/* who did not ask for it */
	put(k, WIRE_SIO, &p, &b);
	assert_int_equal(b.data[0], 0x81);
	put(NULL, SIO_Z, &p, &b);
	assert_int_equal(b.data[0], 0x81);
	buf_fini(&b);
	buf_fini(&text);
	pack_free(&k);
	free(t);
}

static void
short_large_and_too_many_go_as_they_are(void **state)
{
	char *t = words(300u << 10);
	struct publication p = { .nsp = SLICE("/"), .event = SLICE("\"e\"") };
	struct pack *k = packer(100);
	struct buf b;
	unsigned i, packed;

	(void)state;
	buf_init(&b);
	p.args = slice_of(t, 300u << 10);
	put(k, SIO_Z, &p, &b);
	assert_int_equal(b.data[0], 0x81);
	t[98] = '"';
	p.args = slice_of(t, 99);
	p.first = p.args;
	put(k, RAW_9, &p, &b);		/* 97 bytes */
	assert_int_equal(b.data[0], 0x81);
	t[98] = 'x';
	t[102] = '"';
	p.args = p.first = slice_of(t, 103);
	put(k, RAW_9, &p, &b);
	assert_int_equal(b.data[0], 0xc1);
	/* half a mebibyte in a turn */
	t[102] = 'x';
	t[(60u << 10) - 1] = '"';
	p.args = p.first = slice_of(t, 60u << 10);
	pack_turn(k);
	for (i = packed = 0; i < 20; i++) {
		put(k, RAW_9, &p, &b);
		packed += b.data[0] == 0xc1;
	}
	assert_int_equal(packed, 8);
	pack_turn(k);
	put(k, RAW_9, &p, &b);
	assert_int_equal(b.data[0], 0xc1);
	buf_fini(&b);
	pack_free(&k);
	free(t);
}

static void
one_message_alone_is_sent_so_too(void **state)
{
	struct outq q = { .n = 0 };
	struct slice run, message;
	struct out o;
	struct buf b;

	(void)state;
	out_init(&o);
	o.pack = packer(50);
	buf_init(&b);
	while (b.wpos < 200)
		buf_str(&b, "again and ");
	send_text(&o, &q, SIO_Z, &b);
	assert_true(outq_peek(&q, &run));
	assert_int_equal(run.p[0], 0xc1);
	assert_true(run.n < 50);
	assert_true(pack_open(o.pack, slice_from(run, 2), &message));
	assert_slices(message, buf_unread(&b));
	outq_sent(&o, &q, run.n);
	send_binary(&o, &q, RAW_9, buf_unread(&b));
	assert_true(outq_peek(&q, &run));
	assert_int_equal(run.p[0], 0xc2);
	outq_sent(&o, &q, run.n);
	/* base64 in a text is for those who are few */
	send_binary(&o, &q, wire_packed(WIRE_SIO_B64, DEFLATE_4K),
	    buf_unread(&b));
	assert_true(outq_peek(&q, &run));
	assert_int_equal(run.p[0], 0x81);
	outq_kill(&o, &q);
	q.dead = true;
	out_turn_end(&o, NULL, NULL);
	pack_free(&o.pack);
	out_fini(&o);
	buf_fini(&b);
}

static void
lose(void *arg, const struct sent_packet *p)
{
	bool *lost = arg;

	*lost = p->lost;
	assert_int_equal(p->data.n, 0);
}

static void
what_cannot_be_inflated_is_lost_and_said_so(void **state)
{
	struct slice bad = SLICE("\xc1\x03\xff\xff\xff");
	struct pack *k = packer(1);
	bool lost = false;

	(void)state;
	assert_true(sentlog_is_whole(bad, SIO_Z));
	sentlog_run(bad, 0, SIO_Z, k, lose, &lost);
	assert_true(lost);
	lost = false;
	sentlog_run(bad, 0, SIO_Z, NULL, lose, &lost);
	assert_true(lost);
	pack_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_values_say_form_and_window),
		cmocka_unit_test(each_message_of_an_event_is_looked_at),
		cmocka_unit_test(short_large_and_too_many_go_as_they_are),
		cmocka_unit_test(one_message_alone_is_sent_so_too),
		cmocka_unit_test(what_cannot_be_inflated_is_lost_and_said_so),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
