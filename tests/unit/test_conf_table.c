/* The table of directives itself. */
#include "conf/text/table.h"

#include "tests/lib/conf_text.h"

static void
names_are_found_in_their_section_only(void **state)
{
	int row = conf_directive_find(CONF_SEC_LIMITS, SLICE("fragments"));

	(void)state;
	assert_true(row >= 0);
	assert_string_equal(conf_directives[row].name, "fragments");
	assert_int_equal(conf_directive_find(CONF_SEC_TOP,
	    SLICE("fragments")), -1);
	assert_int_equal(conf_section_find(CONF_SEC_NAMESPACE, SLICE("room")),
	    CONF_SEC_ROOM);
	assert_int_equal(conf_section_find(CONF_SEC_TOP, SLICE("room")), -1);
	assert_int_equal(conf_section_find(CONF_SEC_TOP, SLICE("")), -1);
	assert_string_equal(conf_name_home(SLICE("fragments")), "limits");
	assert_string_equal(conf_name_home(SLICE("workers")), "");
	assert_null(conf_name_home(SLICE("roles")));
	assert_null(conf_name_home(SLICE("nothing")));
}

static void
misspelt_names_have_a_nearest(void **state)
{
	static const struct {
		const char	*name, *nearest;
	} rows[] = {
		{ "wrokers", "workers" }, { "worker", "workers" },
		{ "loglevel", "log_level" }, { "namespaces", "namespace" },
		{ "lisen", "listen" }, { "allowed_origin", "allowed_origins" },
		{ "xyz", NULL }, { "", NULL },
		{ "a_name_that_is_longer_than_any_that_we_have", NULL },
	};
	const char *nearest;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		nearest = conf_name_nearest(CONF_SEC_TOP,
		    slice_str(rows[i].name));
		assert_row(nearest == rows[i].nearest || (nearest != NULL &&
		    rows[i].nearest != NULL &&
		    strcmp(nearest, rows[i].nearest) == 0),
		    slice_str(rows[i].name));
	}
}

static void
rows_are_complete_and_unique(void **state)
{
	const struct conf_directive *d;
	size_t n;

	(void)state;
	for (size_t i = 0; i < CONF_NDIRECTIVES; i++) {
		d = &conf_directives[i];
		n = strlen(d->doc);
		assert_row(n > 0 && d->doc[n - 1] == '.', slice_str(d->name));
		assert_int_equal(conf_directive_find(d->section,
		    slice_str(d->name)), (int)i);
		assert_int_equal(conf_section_find(d->section,
		    slice_str(d->name)), -1);
		assert_non_null(conf_type_name(d->type));
	}
}

/* A default that its own type refused would fail each parse. */
static void
defaults_are_valid(void **state)
{
	struct conf *conf = conf_text("jwt { key k { file = f } }"
	    "listen '*:0' {} namespace '/n' { room r {} event e {} }"
	    "route '/r' { namespace = '/n' }");

	(void)state;
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found_in_their_section_only),
		cmocka_unit_test(misspelt_names_have_a_nearest),
		cmocka_unit_test(rows_are_complete_and_unique),
		cmocka_unit_test(defaults_are_valid),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
