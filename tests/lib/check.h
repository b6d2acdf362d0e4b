/*
 * Helpers for cmocka tests: slices compared with a readable difference, and
 * input placed so that a sanitizer sees the first byte read beyond it.
 */
#ifndef TESTS_LIB_CHECK_H
#define TESTS_LIB_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/slice.h"

/* without the casts of older versions of cmocka: what one takes all take */
#undef assert_string_equal
#define assert_string_equal(a, b) \
	_assert_string_equal((a), (b), __FILE__, __LINE__)

/* cmocka 2 has two others in its place */
#undef assert_in_range
#define assert_in_range(value, least, most) \
	check_in_range((uint64_t)(value), (uint64_t)(least), \
	    (uint64_t)(most), __FILE__, __LINE__)

static inline void
check_in_range(uint64_t value, uint64_t least, uint64_t most,
    const char *file, int line)
{
	if (value >= least && value <= most)
		return;
	fprintf(stderr, "%llu is not from %llu to %llu\n",
	    (unsigned long long)value, (unsigned long long)least,
	    (unsigned long long)most);
	_fail(file, line);
}

/* Bytes as a C string literal would show them, on stderr. */
static inline void
check_print(const char *label, struct slice s)
{
	size_t i;

	fprintf(stderr, "%s %zu \"", label, s.n);
	for (i = 0; i < s.n && i < 512; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			fprintf(stderr, "\\%c", s.p[i]);
		else if (s.p[i] >= 0x20 && s.p[i] < 0x7f)
			fputc(s.p[i], stderr);
		else
			fprintf(stderr, "\\x%02x", s.p[i]);
	}
	fprintf(stderr, i < s.n ? "\"...\n" : "\"\n");
}

static inline void
check_slices(struct slice got, struct slice want, const char *file, int line)
{
	size_t i = 0;

	if (slice_eq(got, want))
		return;
	while (i < got.n && i < want.n && got.p[i] == want.p[i])
		i++;
	check_print("got ", got);
	check_print("want", want);
	fprintf(stderr, "they differ at byte %zu\n", i);
	_fail(file, line);
}

#define assert_slices(got, want) check_slices(got, want, __FILE__, __LINE__)
#define assert_slice(got, literal) assert_slices(got, SLICE(literal))
#define assert_text(got, string) assert_slices(got, slice_str(string))
/* What a buf holds; it is emptied for the next. */
#define assert_buf(b, literal) do {					\
	assert_false((b)->oom);						\
	assert_slice(buf_unread(b), literal);				\
	buf_reset(b);							\
} while (0)

/* A failing row of a table names itself. */
static inline void
check_row(bool ok, const char *what, struct slice row, const char *file,
    int line)
{
	if (ok)
		return;
	check_print(what, row);
	_fail(file, line);
}

#define assert_row(ok, row) check_row(ok, #ok, row, __FILE__, __LINE__)

/* A copy on the heap, of exactly that size; never NULL. */
static inline uint8_t *
check_copy(struct slice s)
{
	uint8_t *p = malloc(s.n == 0 ? 1 : s.n);

	assert_non_null(p);
	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return (p);
}

#endif
