/* The demo page's Content-Security-Policy. */
#include "worker/endpoint/demo.h"

#include "tests/lib/check.h"

static void
inline_parts_are_allowed_by_digest(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	/* SHA-256 of "hi" and of the empty text, as sha256sum(1) has them */
	demo_policy(&b, SLICE("<style></style><b><script>hi</script>"));
	assert_buf(&b, "Content-Security-Policy: default-src 'none'; "
	    "script-src 'sha256-j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ="
	    "'; style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	    "'; connect-src 'self'; img-src data:; base-uri 'none'; "
	    "form-action 'none'; frame-ancestors 'none'\r\n");
	buf_fini(&b);
}

static void
a_page_without_any_allows_none(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b);
	demo_policy(&b, SLICE("<p>plain</p><script>never closed"));
	assert_buf(&b, "Content-Security-Policy: default-src 'none'; "
	    "script-src 'none'; style-src 'none'; connect-src 'self'; "
	    "img-src data:; base-uri 'none'; form-action 'none'; "
	    "frame-ancestors 'none'\r\n");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inline_parts_are_allowed_by_digest),
		cmocka_unit_test(a_page_without_any_allows_none),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
