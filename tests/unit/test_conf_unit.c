/* Durations, sizes and counts, as people write them. */
#include "conf/value/unit.h"

#include "tests/lib/check.h"

struct row {
	enum conf_unit	 unit;
	const char	*text;
	uint64_t	 value;
	const char	*printed;	/* NULL: as text */
};

static void
quantities_read_and_print(void **state)
{
	static const struct row rows[] = {
		{ CONF_UNIT_DURATION, "1ms", 1, NULL },
		{ CONF_UNIT_DURATION, "25s", 25000, NULL },
		{ CONF_UNIT_DURATION, "1m30s", 90000, NULL },
		{ CONF_UNIT_DURATION, "90s", 90000, "1m30s" },
		{ CONF_UNIT_DURATION, "24h", 86400000, "1d" },
		{ CONF_UNIT_DURATION, "1d2h3m4s5ms", 93784005, NULL },
		{ CONF_UNIT_DURATION, "0", 0, "0s" },
		{ CONF_UNIT_DURATION, "0ms", 0, "0s" },
		{ CONF_UNIT_SIZE, "1MB", 1000000, NULL },
		{ CONF_UNIT_SIZE, "1MiB", 1048576, NULL },
		{ CONF_UNIT_SIZE, "64KiB", 65536, NULL },
		{ CONF_UNIT_SIZE, "64kB", 64000, "64KB" },
		{ CONF_UNIT_SIZE, "4000", 4000, "4KB" },
		{ CONF_UNIT_SIZE, "4001B", 4001, NULL },
		{ CONF_UNIT_SIZE, "4GB", 4000000000, NULL },
		{ CONF_UNIT_SIZE, "0", 0, "0B" },
		{ CONF_UNIT_COUNT, "100k", 100000, "100000" },
		{ CONF_UNIT_COUNT, "16M", 16000000, "16000000" },
		{ CONF_UNIT_COUNT, "18446744073709551615", UINT64_MAX, NULL },
		{ CONF_UNIT_OCTAL, "0660", 0660, NULL },
		{ CONF_UNIT_OCTAL, "7", 7, "0007" },
	};
	struct buf b;
	uint64_t value;

	(void)state;
	buf_init(&b);
	for (size_t i = 0; i < nitems(rows); i++) {
		struct slice text = slice_str(rows[i].text);

		assert_row(conf_unit_parse(rows[i].unit, text, &value), text);
		assert_row(value == rows[i].value, text);
		conf_unit_print(rows[i].unit, value, &b);
		assert_text(buf_unread(&b), rows[i].printed == NULL ?
		    rows[i].text : rows[i].printed);
		buf_reset(&b);
	}
	buf_fini(&b);
}

static void
anything_else_is_refused(void **state)
{
	static const struct row rows[] = {
		{ CONF_UNIT_DURATION, "", 0, NULL },
		{ CONF_UNIT_DURATION, "25", 0, NULL },
		{ CONF_UNIT_DURATION, "s", 0, NULL },
		{ CONF_UNIT_DURATION, "1.5s", 0, NULL },
		{ CONF_UNIT_DURATION, "-1s", 0, NULL },
		{ CONF_UNIT_DURATION, "1 s", 0, NULL },
		{ CONF_UNIT_DURATION, "1S", 0, NULL },
		{ CONF_UNIT_DURATION, "1m30", 0, NULL },
		{ CONF_UNIT_DURATION, "213503982335d", 0, NULL },
		{ CONF_UNIT_SIZE, "1mb", 0, NULL },
		{ CONF_UNIT_SIZE, "1MB1KB", 0, NULL },
		{ CONF_UNIT_SIZE, "18446744073709551616", 0, NULL },
		{ CONF_UNIT_SIZE, "18446744074GB", 0, NULL },
		{ CONF_UNIT_COUNT, "1K", 0, NULL },
		{ CONF_UNIT_COUNT, "0x10", 0, NULL },
		{ CONF_UNIT_OCTAL, "0668", 0, NULL },
		{ CONF_UNIT_OCTAL, "", 0, NULL },
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++)
		assert_row(!conf_unit_parse(rows[i].unit,
		    slice_str(rows[i].text), &value), slice_str(rows[i].text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantities_read_and_print),
		cmocka_unit_test(anything_else_is_refused),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
