/*
 * For tests that need a configuration: text in, struct or errors out, with an
 * environment of the test's own.
 */
#ifndef TESTS_LIB_CONF_TEXT_H
#define TESTS_LIB_CONF_TEXT_H

#include "conf/conf.h"
#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "tests/lib/check.h"

/* "SECRET" is set, "EMPTY" is, to nothing; no others are. */
static inline const char *
conf_text_env(const char *name)
{
	if (strcmp(name, "SECRET") == 0)
		return ("0123456789abcdef0123456789abcdef");
	return (strcmp(name, "EMPTY") == 0 ? "" : NULL);
}

/* The configuration; what is wrong with it is printed and fails the test. */
static inline struct conf *
conf_text(const char *text)
{
	struct conf_source src = { .file = "t", .text = slice_str(text),
		.env = conf_text_env };
	struct conf_errors errors;
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	if (conf == NULL)
		check_print("errors", buf_unread(&errors.text));
	assert_non_null(conf);
	assert_int_equal(errors.count, 0);
	conf_errors_fini(&errors);
	return (conf);
}

/* The text is refused with just these lines. */
static inline void
check_conf_errors(const struct conf_source *src, const char *want,
    const char *file, int line)
{
	struct conf_errors errors;
	struct conf *conf;
	unsigned lines = 0;

	conf_errors_init(&errors);
	conf = conf_parse(src, &errors);
	check_slices(buf_unread(&errors.text), slice_str(want), file, line);
	for (; *want != '\0'; want++)
		lines += *want == '\n';
	assert_int_equal(errors.count, lines);
	assert_null(conf);
	conf_errors_fini(&errors);
}

#define assert_conf_errors(string, want) do {				\
	const struct conf_source src_ = { .file = "t",			\
	    .text = slice_str(string), .env = conf_text_env };		\
	check_conf_errors(&src_, want, __FILE__, __LINE__);		\
} while (0)

#endif
