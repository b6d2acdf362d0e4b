/* Which users a rollout admits: a share of them, the same ones everywhere. */
#include "hub/session/rollout.h"

#include <stdio.h>
#include <stdlib.h>

#include "hub/client.h"
#include "hub/session/principal.h"
#include "tests/lib/check.h"

#define USERS	10000u

static unsigned
place(const struct conf_namespace *ns, const char *user)
{
	size_t n = strlen(user);
	struct principal *p = calloc(1, sizeof *p + n);
	unsigned at;

	assert_non_null(p);
	p->magic = PRINCIPAL_MAGIC;
	p->user_len = (uint32_t)n;
	memcpy(p->bytes, user, n);
	at = rollout_place(ns, p, 7);
	assert_int_equal(at, rollout_place(ns, p, 8));	/* whatever address */
	free(p);
	return (at);
}

static struct conf_namespace
named(const char *name)
{
	return ((struct conf_namespace){ .name = (char *)(uintptr_t)name,
		.name_len = strlen(name), .rollout = 100 });
}

/* So many of the users are in at this share. */
static unsigned
admitted(const struct conf_namespace *ns, unsigned rollout)
{
	unsigned i, n = 0;
	char user[32];

	for (i = 0; i < USERS; i++) {
		(void)snprintf(user, sizeof user, "user-%u", i);
		n += place(ns, user) < rollout;
	}
	return (n);
}

/* 10,000 users: four standard deviations, sqrt(n p (1 - p)), are 200 at most. */
static void
a_share_of_all_users_is_in(void **state)
{
	static const unsigned shares[] = { 1, 5, 10, 25, 50, 75, 90, 99 };
	const struct conf_namespace ns = named("/chat");
	unsigned i, n, want;

	(void)state;
	assert_int_equal(admitted(&ns, 0), 0);
	assert_int_equal(admitted(&ns, 100), USERS);
	for (i = 0; i < nitems(shares); i++) {
		n = admitted(&ns, shares[i]);
		want = USERS / 100 * shares[i];
		assert_in_range(n, want - (want < 200 ? want : 200),
		    want + 200);
		if (shares[i] == 1)
			assert_in_range(n, 60, 140);
	}
}

/* What all hosts and all versions say: a change of these would move users. */
static void
places_stay_as_they_are(void **state)
{
	static const struct {
		const char	*ns, *user;
		unsigned	 place;
	} rows[] = {
		{ "/chat", "ann", 12 },
		{ "/chat", "bob", 29 },
		{ "/", "ann", 68 },
		{ "/chat", "7f3a", 94 },
		{ "/chat", "", 13 },
	};
	struct conf_namespace ns;
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		ns = named(rows[i].ns);
		assert_int_equal(place(&ns, rows[i].user), rows[i].place);
	}
}

/* Who is among the first in one namespace is not so in each. */
static void
namespaces_choose_apart(void **state)
{
	const struct conf_namespace a = named("/a"), b = named("/b");
	unsigned i, both = 0;
	char user[32];

	(void)state;
	for (i = 0; i < USERS; i++) {
		(void)snprintf(user, sizeof user, "user-%u", i);
		both += place(&a, user) < 10 && place(&b, user) < 10;
	}
	assert_in_range(both, 50, 150);	/* 100 by chance, 1000 if they were */
}

static void
who_is_nobody_is_his_address(void **state)
{
	const struct conf_namespace ns = named("/chat");
	unsigned in = 0;
	uint64_t a;

	(void)state;
	for (a = 1; a <= USERS; a++) {
		assert_int_equal(rollout_place(&ns, NULL, a),
		    rollout_place(&ns, NULL, a));
		in += rollout_place(&ns, NULL, a) < 50;
	}
	assert_in_range(in, USERS / 2 - 200, USERS / 2 + 200);
}

static void
where_to_poll_is_a_path_and_json(void **state)
{
	static const struct {
		const char	*ns, *path;
	} rows[] = {
		{ "/", "\"/poll/\"" }, { "/chat", "\"/poll/chat\"" },
		{ "/a/b.c", "\"/poll/a/b.c\"" },
		{ "/50%", "\"/poll/50%25\"" },
		{ "/\xc3\xa9<", "\"/poll/%C3%A9%3C\"" },
	};
	struct conf_namespace ns;
	struct buf b;
	unsigned i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		ns = named(rows[i].ns);
		buf_init(&b);
		refusal_poll_path(&b, &ns);
		assert_slices(buf_unread(&b), slice_str(rows[i].path));
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_share_of_all_users_is_in),
		cmocka_unit_test(places_stay_as_they_are),
		cmocka_unit_test(namespaces_choose_apart),
		cmocka_unit_test(who_is_nobody_is_his_address),
		cmocka_unit_test(where_to_poll_is_a_path_and_json),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
