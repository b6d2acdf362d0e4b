/* What Accept-Encoding and Content-Encoding say. */
#include "proto/coding.h"

#include "tests/lib/check.h"

static struct http_request rq;
static uint8_t *copies[2];

/* One more line, in a buffer that ends with it: sanitizers see a byte more. */
static void
field(const char *name, const char *value)
{
	size_t i = rq.nfields++;

	copies[i] = check_copy(slice_str(value));
	rq.fields[i] = (struct http_field){ slice_str(name),
		slice_of(copies[i], strlen(value)) };
}

static void
fields(const char *name, const char *a, const char *b)
{
	size_t i;

	for (i = 0; i < nitems(copies); i++) {
		free(copies[i]);
		copies[i] = NULL;
	}
	memset(&rq, 0, sizeof rq);
	if (a != NULL)
		field(name, a);
	if (b != NULL)
		field(name, b);
}

static void
the_heaviest_coding_is_chosen(void **state)
{
	static const struct {
		const char	*a, *b;
		enum coding	 want;
		bool		 must;
	} rows[] = {
		{ NULL, NULL, CODING_IDENTITY, false },
		{ "", NULL, CODING_IDENTITY, false },
		{ "gzip", NULL, CODING_GZIP, false },
		{ "GZip", NULL, CODING_GZIP, false },
		{ "x-gzip", NULL, CODING_GZIP, false },
		{ "gzip, deflate", NULL, CODING_GZIP, false },
		{ "deflate, gzip", NULL, CODING_GZIP, false },
		{ "deflate,br", NULL, CODING_DEFLATE, false },
		{ "gzip;q=0.5, deflate;q=0.6", NULL, CODING_DEFLATE, false },
		{ "gzip;q=0.5", "deflate", CODING_DEFLATE, false },
		{ "gzip ; q=1.000 ,", NULL, CODING_GZIP, false },
		{ "gzip;Q=1", NULL, CODING_GZIP, false },
		{ "gzip;q=0", NULL, CODING_IDENTITY, false },
		{ "gzip;q=0, *", NULL, CODING_DEFLATE, false },
		{ "*", NULL, CODING_GZIP, false },
		{ "*;q=0", NULL, CODING_IDENTITY, true },
		{ "gzip, *;q=0", NULL, CODING_GZIP, true },
		{ "gzip;q=0.001, identity;q=0", NULL, CODING_GZIP, true },
		{ "identity;q=0", NULL, CODING_IDENTITY, true },
		{ "identity, *;q=0", NULL, CODING_IDENTITY, false },
		{ "identity, gzip;q=0.5", NULL, CODING_IDENTITY, false },
		{ "identity;q=0.5, gzip;q=0.5", NULL, CODING_GZIP, false },
		{ "br, zstd", NULL, CODING_IDENTITY, false },
		{ "gzip-x, xgzip", NULL, CODING_IDENTITY, false },
		{ ",,gzip,,", NULL, CODING_GZIP, false },
	};
	bool must;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		fields("accept-encoding", rows[i].a, rows[i].b);
		assert_int_equal(coding_choose(&rq, &must), rows[i].want);
		assert_int_equal(must, rows[i].must);
	}
}

static void
elements_with_a_bad_weight_are_not_there(void **state)
{
	static const char *const rows[] = {
		"gzip;q", "gzip;q=", "gzip;q=2", "gzip;q=1.001", "gzip;q=.5",
		"gzip;q=0.1234", "gzip;q=-1", "gzip;q=0,5", "gzip;q=1x",
		"gzip;level=9", "gzip;q=1;level=9", "gzip;q= 1", "gz ip",
		"gzip;q=\"1\"", "gzip q=1",
	};
	bool must;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++) {
		fields("Accept-Encoding", rows[i], NULL);
		assert_int_equal(coding_choose(&rq, &must), CODING_IDENTITY);
		assert_false(must);
	}
}

static void
a_body_is_coded_unless_it_says_identity(void **state)
{
	(void)state;
	fields("content-encoding", NULL, NULL);
	assert_false(coding_of_body(&rq));
	fields("content-encoding", "", NULL);
	assert_false(coding_of_body(&rq));
	fields("Content-Encoding", "Identity", " , identity");
	assert_false(coding_of_body(&rq));
	fields("Content-Encoding", "gzip", NULL);
	assert_true(coding_of_body(&rq));
	fields("Content-Encoding", "identity, br", NULL);
	assert_true(coding_of_body(&rq));
	fields("Content-Encoding", "identity", "x");
	assert_true(coding_of_body(&rq));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_heaviest_coding_is_chosen),
		cmocka_unit_test(elements_with_a_bad_weight_are_not_there),
		cmocka_unit_test(a_body_is_coded_unless_it_says_identity),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
