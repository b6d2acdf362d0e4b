/* Blocks of one size: alignment, reuse, memory given back. */
#include "base/slab.h"

#include "tests/lib/check.h"

static void
blocks_are_zeroed_and_on_a_cache_line(void **state)
{
	struct slab s;
	uint8_t *p, zero[256] = { 0 };
	unsigned i;

	(void)state;
	slab_init(&s, 200, SLAB_LINE);
	for (i = 0; i < 3; i++) {
		p = slab_get(&s);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % SLAB_LINE, 0);
		assert_memory_equal(p, zero, 200);
		memset(p, 0xaa, 200);
		slab_put(&s, p);
	}
	assert_int_equal(s.used, 0);
	slab_fini(&s);
}

static void
neighbours_in_time_are_neighbours_in_memory(void **state)
{
	struct slab s;
	uint8_t *a, *b;

	(void)state;
	slab_init(&s, 256, SLAB_LINE);
	a = slab_get(&s);
	b = slab_get(&s);
	assert_ptr_equal(b, a + 256);
	slab_put(&s, a);
	slab_put(&s, b);
	slab_fini(&s);
}

static void
many_blocks_do_not_overlap(void **state)
{
	enum { N = 2000 };
	static uint32_t *v[N];
	struct slab s;
	uint32_t i;

	(void)state;
	slab_init(&s, 64, SLAB_LINE);
	for (i = 0; i < N; i++) {
		v[i] = slab_get(&s);
		assert_non_null(v[i]);
		v[i][0] = i;
		v[i][15] = ~i;
	}
	for (i = 0; i < N; i++)
		assert_true(v[i][0] == i && v[i][15] == ~i);
	assert_int_equal(s.used, N);
	for (i = 0; i < N; i++)
		slab_put(&s, v[i]);
	slab_fini(&s);
}

static void
empty_chunks_go_back_but_for_one(void **state)
{
	enum { N = 1024 };	/* more than four chunks of 255 */
	static void *v[N];
	struct slab s;
	size_t i;

	(void)state;
	slab_init(&s, 256, SLAB_LINE);
	for (i = 0; i < N; i++)
		v[i] = slab_get(&s);
	assert_int_equal(slab_bytes(&s), 5 * SLAB_CHUNK);
	for (i = 0; i < N; i++)
		slab_put(&s, v[N - 1 - i]);
	assert_int_equal(slab_bytes(&s), SLAB_CHUNK);
	slab_fini(&s);
}

static void
a_full_chunk_takes_back_and_gives_again(void **state)
{
	static void *v[255];
	struct slab s;
	void *again;
	size_t i;

	(void)state;
	slab_init(&s, 256, SLAB_LINE);
	for (i = 0; i < nitems(v); i++)
		v[i] = slab_get(&s);
	assert_int_equal(slab_bytes(&s), SLAB_CHUNK);
	slab_put(&s, v[100]);
	again = slab_get(&s);
	assert_ptr_equal(again, v[100]);
	for (i = 0; i < nitems(v); i++)
		slab_put(&s, v[i]);
	slab_fini(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_zeroed_and_on_a_cache_line),
		cmocka_unit_test(neighbours_in_time_are_neighbours_in_memory),
		cmocka_unit_test(many_blocks_do_not_overlap),
		cmocka_unit_test(empty_chunks_go_back_but_for_one),
		cmocka_unit_test(a_full_chunk_takes_back_and_gives_again),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
