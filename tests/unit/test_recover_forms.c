/*
 * Recovery from any form of connection to any other: WebSocket, WebSocket
 * without binary, polling; texts and attachments at each size at which a frame
 * has another head; and more parked sessions than the table starts with.
 */
#include "recovery.h"

#include "base/digest.h"
#include "hub/dialect/engine.h"

#define CONF \
	"recovery { window = 2m packets = 2000 bytes = 4MB }\n" \
	"namespace \"/n\" { auth = optional room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room self = true meta = off } }\n" \
	"namespace \"/o\" { auth = optional\n" \
	"  event \"b\" { to = sender meta = off } }\n"

enum form { BINARY, TEXT, POLLED, FORMS };

static int
setup(void **state)
{
	return (recovery_setup(state, CONF));
}

/* A connection that is not the world's: there may be many. */
static void
open_as(struct fake_host *f, struct fake_conn *c, enum form form)
{
	struct client_request q = { .address = 0 };
	struct admission a;

	memset(c, 0, sizeof *c);
	c->closed = -1;
	c->window = SIZE_MAX;
	buf_init(&c->got);
	engine_admit(f->hub, &q, &a);
	c->client = form == POLLED ?
	    engine_open_polling(f->hub, &a, true, &c->out) :
	    engine_open(f->hub, &a, form == TEXT, &c->out);
	admission_fini(&a);
	assert_non_null(c->client);
}

static void
drop(struct fake_host *f, struct fake_conn *c)
{
	fake_gone(f, c);
	buf_fini(&c->got);
}

/* The next packet: its bytes, up to the next call; true: it is binary. */
static bool
next_packet(struct fake_conn *c, enum form form, struct slice *data)
{
	static uint8_t decoded[100000];
	struct slice in = buf_unread(&c->got);
	size_t head = 2, n, i;
	const uint8_t *end;
	bool binary = false;
	ssize_t got;

	assert_true(in.n > 0);
	if (form == POLLED) {
		end = memchr(in.p, 0x1e, in.n);
		assert_non_null(end);
		*data = slice_of(in.p, (size_t)(end - in.p));
		buf_consume(&c->got, data->n + 1);
	} else {
		binary = in.p[0] == 0x82;
		assert_true(binary || in.p[0] == 0x81);
		n = in.p[1];
		if (n >= 126) {
			head = n == 126 ? 4 : 10;
			for (n = 0, i = 2; i < head; i++)
				n = n << 8 | in.p[i];
		}
		*data = slice_of(in.p + head, n);
		buf_consume(&c->got, head + n);
	}
	if (form != BINARY && data->n > 0 && data->p[0] == 'b') {
		got = digest_base64_decode(slice_from(*data, 1), decoded);
		assert_true(got >= 0);
		*data = slice_of(decoded, (size_t)got);
		binary = true;
	}
	return (binary);
}

/* An event of n times x, one with an attachment of n bytes. */
static void
send_both(struct recovery *x, size_t n)
{
	static char text[100000];
	static uint8_t bytes[100000];
	size_t at = (size_t)snprintf(text, sizeof text,
	    "42/n,[\"m\",{\"room\":\"r\",\"x\":\""), i;

	memset(text + at, 'x', n);
	memcpy(text + at + n, "\"}]", 4);
	fake_say(x->f, x->b, text);
	for (i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i * 7);
	fake_say(x->f, x->b, "451-/n,[\"m\",{\"room\":\"r\",\"b\":"
	    "{\"_placeholder\":true,\"num\":0}}]");
	client_binary(x->b->client, bytes, n);
	fake_turn(x->w);
	buf_reset(&x->b->got);
}

/* ... are what c is told now; the offset of the last one is remembered. */
static void
are_told(struct recovery *x, struct fake_conn *c, enum form form, size_t n)
{
	static const char head[] = "42/n,[\"m\",{\"room\":\"r\",\"x\":\"";
	struct slice p;
	size_t i;

	assert_false(next_packet(c, form, &p));
	assert_true(slice_starts(p, slice_str(head)));
	p = slice_from(p, strlen(head));
	for (i = 0; i < n; i++)
		assert_int_equal(p.p[i], 'x');
	assert_int_equal(p.p[n], '"');
	assert_false(next_packet(c, form, &p));
	assert_true(slice_starts(p, SLICE("451-/n,[\"m\",{\"room\":\"r\","
	    "\"b\":{\"_placeholder\":true,\"num\":0}},\"")));
	(void)snprintf(x->offset, sizeof x->offset, "%.*s", (int)(p.n - 62),
	    (const char *)p.p + 60);
	assert_true(next_packet(c, form, &p));
	assert_int_equal(p.n, n);
	for (i = 0; i < n; i++)
		assert_int_equal(p.p[i], (uint8_t)(i * 7));
}

/* The reply to CONNECT names this pid, or (NULL) some pid, which is kept. */
static void
is_connected(struct recovery *x, struct fake_conn *c, enum form form,
    const char *pid)
{
	struct slice p;

	assert_false(next_packet(c, form, &p));
	assert_true(slice_starts(p, SLICE("40/n,{\"sid\":\"")));
	if (pid == NULL)
		memcpy(x->pid, p.p + 42, 20);
	else
		assert_memory_equal(p.p + 42, pid, 20);
}

static void
come_back(struct recovery *x, struct fake_host *f, struct fake_conn *c,
    enum form form)
{
	char text[256];
	struct slice p;

	open_as(f, c, form);
	(void)snprintf(text, sizeof text,
	    "40/n,{\"pid\":\"%s\",\"offset\":\"%s\"}", x->pid, x->offset);
	fake_text(f, c, text);
	fake_turn(x->w);
	if (form != POLLED)	/* the open packet; polling has it as body */
		(void)next_packet(c, form, &p);
	else if (buf_unread(&c->got).p[0] == '0')
		(void)next_packet(c, form, &p);
}

static void
from_one_form_to_another(struct recovery *x, enum form from, enum form to,
    struct fake_host *other, size_t n)
{
	struct fake_conn c, d;
	struct slice p;

	open_as(x->f, &c, from);
	fake_text(x->f, &c, "40/n,");
	fake_text(x->f, &c, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	fake_turn(x->w);
	if (from != POLLED || buf_unread(&c.got).p[0] == '0')
		(void)next_packet(&c, from, &p);
	is_connected(x, &c, from, NULL);
	send_both(x, 1);
	are_told(x, &c, from, 1);
	send_both(x, n);	/* on its way, and lost */
	drop(x->f, &c);
	fake_turn(x->w);
	send_both(x, n + 1);
	come_back(x, other, &d, to);
	are_told(x, &d, to, n);
	are_told(x, &d, to, n + 1);
	is_connected(x, &d, to, x->pid);
	send_both(x, 2);
	are_told(x, &d, to, 2);
	assert_int_equal(buf_unread(&d.got).n, 0);
	fake_text(other, &d, "41/n,");	/* for good */
	fake_turn(x->w);
	drop(other, &d);
	fake_turn(x->w);
}

static void
each_form_goes_on_as_each_other_at_each_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 60, 61, 62, 63, 64, 65, 66, 67,
		68, 69, 90, 91, 92, 93, 94, 95, 96, 123, 124, 125, 126, 127,
		128, 2000, 49116, 49117, 65400, 65460, 65534, 65535, 65536 };
	struct recovery *x = *state;
	unsigned from, to, i;

	for (from = 0; from < FORMS; from++)
		for (to = 0; to < FORMS; to++)
			for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
				from_one_form_to_another(x, from, to, x->f,
				    sizes[i]);
				from_one_form_to_another(x, from, to, x->g,
				    sizes[i]);
			}
	assert_int_equal(x->recovered + 2 * 9 * sizeof sizes / sizeof *sizes,
	    counter_get(COUNTER_recovered));
	assert_int_equal(x->failed, counter_get(COUNTER_recovery_failed));
}

/*
 * A namespace is joined while much waits on polling, which is then upgraded:
 * what waits takes other places in the log, by its separators and its base64.
 */
static void
a_session_begins_where_it_is_after_an_upgrade(void **state)
{
	struct recovery *x = *state;
	struct fake_conn p, ws = { .closed = -1, .window = SIZE_MAX }, d;
	static uint8_t bytes[1000];
	struct slice got;

	buf_init(&ws.got);
	open_as(x->f, &p, POLLED);
	((struct engine *)(void *)p.client)->b64 = false;
	fake_text(x->f, &p, "40/o,");
	fake_turn(x->w);
	p.window = 0;
	fake_text(x->f, &p, "451-/o,[\"b\",{\"_placeholder\":true,\"num\":0}]");
	client_binary(p.client, bytes, sizeof bytes);
	fake_text(x->f, &p, "40/n,");
	fake_turn(x->w);

	assert_true(engine_upgrade(p.client, &ws.out,
	    DEFLATE_NONE));
	ws.client = p.client;
	fake_text(x->f, &ws, "42/n,[\"room:join\",{\"room\":\"r\"}]");
	fake_turn(x->w);
	outq_kill(hub_out(x->f->hub), &p.out);
	fake_turn(x->w);
	buf_fini(&p.got);
	assert_false(next_packet(&ws, BINARY, &got));
	assert_true(slice_starts(got, SLICE("451-/o,")));
	assert_true(next_packet(&ws, BINARY, &got));
	is_connected(x, &ws, BINARY, NULL);

	send_both(x, 1);
	are_told(x, &ws, BINARY, 1);
	send_both(x, 2);		/* on its way, and lost */
	drop(x->f, &ws);
	fake_turn(x->w);
	come_back(x, x->f, &d, BINARY);
	are_told(x, &d, BINARY, 2);
	is_connected(x, &d, BINARY, x->pid);
	drop(x->f, &d);
}

#define MANY 300

static void
more_than_the_table_starts_with_are_found(void **state)
{
	struct recovery *x = *state;
	static struct { char pid[21], offset[128]; } all[MANY];
	struct fake_conn c;
	struct slice p;
	unsigned i;

	for (i = 0; i < MANY; i++) {
		open_as(x->f, &c, BINARY);
		fake_text(x->f, &c, "40/n,");
		fake_text(x->f, &c, "42/n,[\"room:join\",{\"room\":\"r\"}]");
		fake_turn(x->w);
		(void)next_packet(&c, BINARY, &p);
		is_connected(x, &c, BINARY, NULL);
		send_both(x, 1);
		are_told(x, &c, BINARY, 1);
		memcpy(all[i].pid, x->pid, sizeof x->pid);
		memcpy(all[i].offset, x->offset, sizeof x->offset);
		drop(x->f, &c);
		fake_turn(x->w);
	}
	send_both(x, 5);
	for (i = 0; i < MANY; i++) {
		/* here or there, in another order than they came */
		memcpy(x->pid, all[i * 7 % MANY].pid, sizeof x->pid);
		memcpy(x->offset, all[i * 7 % MANY].offset, sizeof x->offset);
		come_back(x, i % 2 == 0 ? x->f : x->g, &c, BINARY);
		while (buf_unread(&c.got).n > 4) {
			if (next_packet(&c, BINARY, &p))
				continue;
			if (slice_starts(p, SLICE("40/n,")))
				break;
		}
		assert_true(slice_starts(p, SLICE("40/n,")));
		assert_memory_equal(p.p + 42, x->pid, 20);
		fake_text(i % 2 == 0 ? x->f : x->g, &c, "41/n,");
		fake_turn(x->w);
		drop(i % 2 == 0 ? x->f : x->g, &c);
	}
	assert_int_equal(x->recovered + MANY, counter_get(COUNTER_recovered));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, recovery_teardown)
		T(each_form_goes_on_as_each_other_at_each_size),
		T(a_session_begins_where_it_is_after_an_upgrade),
		T(more_than_the_table_starts_with_are_found),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
