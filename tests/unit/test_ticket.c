/*
 * Keys of session tickets: the same for all who have the secret, another one
 * each period, and opened for one period more.
 */
#include "worker/net/ticket.h"

#include "tests/lib/check.h"

#define PERIOD	UINT64_C(3600000)

static struct wall
at(uint64_t periods, uint64_t ms)
{
	return ((struct wall){ periods * PERIOD + ms });
}

static struct tickets *
of(const char *a, const char *b)
{
	struct slice s[2] = { slice_str(a), slice_str(b == NULL ? "" : b) };
	struct tickets *t = tickets_new(s, b == NULL ? 1 : 2, PERIOD);

	assert_non_null(t);
	return (t);
}

static void
all_who_have_the_secret_have_the_same_keys(void **state)
{
	struct tickets *one = of("0123456789abcdef", NULL);
	struct tickets *two = of("0123456789abcdef", NULL);
	struct tickets *other = of("0123456789abcdeF", NULL);
	struct ticket_key k = *tickets_seal(one, at(500000, 7));

	(void)state;
	assert_memory_equal(&k, tickets_seal(two, at(500000, 3599999)),
	    sizeof k);
	assert_memory_equal(&k, tickets_open(two, at(500000, 0), k.name),
	    sizeof k);
	assert_null(tickets_open(other, at(500000, 0), k.name));
	assert_memory_not_equal(k.hmac, k.aes, sizeof k.aes);
	assert_memory_not_equal(k.hmac, tickets_seal(other,
	    at(500000, 0))->hmac, sizeof k.hmac);
	tickets_free(&one);
	tickets_free(&two);
	tickets_free(&other);
	assert_null(one);
	tickets_free(&one);
}

static void
a_key_seals_for_a_period_and_opens_for_one_more(void **state)
{
	struct tickets *t = of("0123456789abcdef", NULL);
	struct ticket_key k = *tickets_seal(t, at(10, 0)), next;

	(void)state;
	next = *tickets_seal(t, at(11, 0));
	assert_memory_not_equal(&k, &next, sizeof k);
	assert_non_null(tickets_open(t, at(11, PERIOD - 1), k.name));
	assert_null(tickets_open(t, at(12, 0), k.name));
	/* set back, the clock has the same keys again; and a host that is
	 * ahead seals with the next */
	assert_memory_equal(&k, tickets_seal(t, at(10, 5)), sizeof k);
	assert_non_null(tickets_open(t, at(10, 5), next.name));
	assert_null(tickets_open(t, at(9, 5), next.name));
	tickets_free(&t);
}

static void
the_first_secret_seals_and_all_open(void **state)
{
	struct tickets *was = of("the secret before", NULL);
	struct tickets *both = of("the secret after", "the secret before");
	struct tickets *now = of("the secret after", NULL);
	struct ticket_key old = *tickets_seal(was, at(3, 0));
	struct ticket_key new = *tickets_seal(both, at(3, 0));

	(void)state;
	assert_memory_equal(&new, tickets_seal(now, at(3, 0)), sizeof new);
	assert_non_null(tickets_open(both, at(3, 0), old.name));
	assert_null(tickets_open(now, at(3, 0), old.name));
	assert_null(tickets_open(was, at(3, 0), new.name));
	tickets_free(&was);
	tickets_free(&both);
	tickets_free(&now);
}

static void
another_period_has_other_keys(void **state)
{
	struct slice s = SLICE("0123456789abcdef");
	struct tickets *a = tickets_new(&s, 1, 1000);
	struct tickets *b = tickets_new(&s, 1, 2000);
	const struct ticket_key *k;

	(void)state;
	assert_int_equal(tickets_period_ms(a), 1000);
	k = tickets_seal(a, (struct wall){ 10000 });
	assert_null(tickets_open(b, (struct wall){ 20000 }, k->name));
	assert_null(tickets_open(b, (struct wall){ 10000 }, k->name));
	tickets_free(&a);
	tickets_free(&b);
}

/* 1970 is a time like others. */
static void
a_clock_that_was_never_set_has_keys_too(void **state)
{
	static const struct ticket_key none;
	struct tickets *t = of("0123456789abcdef", NULL);
	struct tickets *late = of("0123456789abcdef", NULL);
	struct ticket_key k = *tickets_seal(t, at(0, 0));

	(void)state;
	assert_memory_not_equal(&k, &none, sizeof k);
	assert_memory_not_equal(k.aes, none.aes, sizeof k.aes);
	assert_null(tickets_open(t, at(0, 0), none.name));
	assert_non_null(tickets_open(late, at(1, 0), k.name));
	assert_memory_equal(&k, tickets_seal(late, at(0, 5)), sizeof k);
	tickets_free(&t);
	tickets_free(&late);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_who_have_the_secret_have_the_same_keys),
		cmocka_unit_test(
		    a_key_seals_for_a_period_and_opens_for_one_more),
		cmocka_unit_test(the_first_secret_seals_and_all_open),
		cmocka_unit_test(another_period_has_other_keys),
		cmocka_unit_test(a_clock_that_was_never_set_has_keys_too),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
