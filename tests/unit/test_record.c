/* What a master tells its successor: all of it comes back, nothing else does. */
#include "master/upgrade/record.h"

#include <netinet/in.h>

#include "tests/lib/check.h"

static struct record made, got;
static int fds[RECORD_FDS_MAX];

static void
fill_listen(struct record_listen *l, unsigned i)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&l->addr;

	*l = (struct record_listen){ .text = SLICE("127.0.0.1:80"),
		.index = i, .mode = 0660, .tls = i == 1, .steered = i,
		.addrlen = sizeof *in, .dev = 7, .ino = 8 + i, .nfds = 2,
		.fds = { 30 + 2 * (int)i, 31 + 2 * (int)i } };
	in->sin_family = AF_INET;
	in->sin_port = 0x1234;
}

static void
fill(void)
{
	unsigned i;

	memset(&made, 0, sizeof made);
	made.pid = 4711;
	made.node_id = UINT64_MAX - 1;
	made.started_us = 12345678;
	made.generation = 9;
	made.issue = 3;
	made.nworkers = 2;
	made.resize_due = -2;
	made.reload_due = made.upgrade_due = true;
	made.timeout_ms = 10000;
	memset(made.ticket_key, 0x5a, sizeof made.ticket_key);
	made.exe_fd = 10;
	made.pidfile_fd = -1;
	made.layout = 0x1122334455667788;
	made.segment = (struct segment_params){ 4, 100, 200, 300, 0, 10, 128,
		64, true, 50, 512, 4096 };
	made.segment_fd = 11;
	made.relay_fd = 12;
	made.master_fd = 13;
	made.rows = (struct slots_rows){ 4096, 8192, 144, 256, 4 };
	made.passed_fd = 42;
	made.stats = (struct stats_kept){ 14, -1, 77, 78 };
	made.nslots = 4;
	for (i = 1; i < 4; i++) {
		made.handover_in[i] = 14 + 2 * (int)i;
		made.handover_out[i] = 15 + 2 * (int)i;
	}
	made.nlistens = 2;
	fill_listen(&made.listens[0], 0);
	fill_listen(&made.listens[1], 1);
	made.nchildren = 2;
	made.children[0] = (struct record_child){ .relay = true,
		.ready = true, .generation = 1, .pid = 100,
		.started_us = 5, .control_fd = 40, .says_fd = -1 };
	made.children[1] = (struct record_child){ .worker = 1, .slot = 3,
		.bus_due = true, .log_due = true, .generation = 2,
		.pid = 101, .started_us = 6, .control_fd = -1,
		.says_fd = 41 };
	made.version = SLICE("1.2");
	made.binary = SLICE("/usr/sbin/roostd");
	made.conf = SLICE("listen \"80\" {}");
}

static void
all_of_it_comes_back(void **state)
{
	unsigned version, i;
	struct buf b;

	(void)state;
	fill();
	buf_init(&b);
	record_save(&made, &b);
	assert_true(record_load(buf_unread(&b), &got, &version));
	assert_int_equal(version, RECORD_VERSION);
	/* texts are at another place; all other bytes are the same */
	assert_slices(got.version, made.version);
	assert_slices(got.binary, made.binary);
	assert_slices(got.conf, made.conf);
	got.version = made.version;
	got.binary = made.binary;
	got.conf = made.conf;
	for (i = 0; i < made.nlistens; i++) {
		assert_slices(got.listens[i].text, made.listens[i].text);
		got.listens[i].text = made.listens[i].text;
	}
	assert_memory_equal(&got, &made, sizeof made);
	buf_fini(&b);
}

/* A field that is new changes these: it is to be saved, loaded and compared. */
static void
each_field_is_known_here(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct record_child), 40);
	assert_int_equal(sizeof(struct segment_params), 48);
	assert_int_equal(sizeof(struct stats_kept), 24);
	assert_int_equal(sizeof(struct slots_rows), 32);
	assert_int_equal(sizeof(struct record_listen) -
	    2 * sizeof(struct sockaddr_storage) - sizeof made.listens[0].fds,
	    64);
	assert_int_equal(offsetof(struct record, handover_in), 276);
}

static void
what_is_cut_or_changed_is_refused_or_harmless(void **state)
{
	unsigned version;
	struct buf b;
	size_t i;

	(void)state;
	fill();
	buf_init(&b);
	record_save(&made, &b);
	for (i = 0; i < b.wpos; i++)
		assert_false(record_load(slice_of(b.data, i), &got, &version));
	for (i = 0; i < b.wpos; i++) {
		b.data[i] ^= 0xff;
		if (record_load(buf_unread(&b), &got, &version))
			(void)record_fds(&got, fds);
		b.data[i] ^= 0xff;
	}
	buf_append(&b, "x", 1);
	assert_false(record_load(buf_unread(&b), &got, &version));
	buf_fini(&b);
}

static void
assert_refused(void)
{
	unsigned version;
	struct buf b;

	buf_init(&b);
	record_save(&made, &b);
	assert_false(record_load(buf_unread(&b), &got, &version));
	buf_fini(&b);
	fill();
}

static void
numbers_that_cannot_be_are_refused(void **state)
{
	(void)state;
	fill();
	made.segment_fd = 2;	/* our stderr */
	assert_refused();
	made.children[1].pid = 1;
	assert_refused();
	made.children[1].pid = UINT32_MAX; /* kill(-1): everybody */
	assert_refused();
	made.children[1].slot = 0; /* the relay's */
	assert_refused();
	made.children[1].slot = 4;
	assert_refused();
	made.children[0].relay = false;
	assert_refused();
	made.nchildren = 3;
	made.children[2] = made.children[1]; /* two in one slot */
	assert_refused();
	made.listens[0].fds[0] = -1;
	assert_refused();
}

static void
another_version_is_told(void **state)
{
	unsigned version;
	struct buf b;

	(void)state;
	fill();
	buf_init(&b);
	record_save(&made, &b);
	b.data[4] = 9;
	assert_false(record_load(buf_unread(&b), &got, &version));
	assert_int_equal(version, 9);
	b.data[0] ^= 1;
	assert_false(record_load(buf_unread(&b), &got, &version));
	assert_int_equal(version, 0);
	buf_fini(&b);
}

static int
ten_more(int fd, void *arg)
{
	*(unsigned *)arg += 1;
	return (fd + 10);
}

static void
descriptors_are_listed_and_changed(void **state)
{
	unsigned changed = 0;
	size_t n, i;

	(void)state;
	fill();
	n = record_fds(&made, fds);
	/* one each of 10 to 14, and of what is passed, six for three slots, four
	 * that listen, two of children */
	assert_int_equal(n, 18);
	for (i = 0; i < n; i++)
		assert_true(fds[i] >= 10 && fds[i] <= 42);
	record_change_fds(&made, ten_more, &changed);
	assert_int_equal(changed, 18);
	assert_int_equal(made.exe_fd, 20);
	assert_int_equal(made.pidfile_fd, -1);
	assert_int_equal(made.listens[1].fds[1], 43);
	assert_int_equal(made.children[1].says_fd, 51);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_it_comes_back),
		cmocka_unit_test(each_field_is_known_here),
		cmocka_unit_test(what_is_cut_or_changed_is_refused_or_harmless),
		cmocka_unit_test(numbers_that_cannot_be_are_refused),
		cmocka_unit_test(another_version_is_told),
		cmocka_unit_test(descriptors_are_listed_and_changed),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
