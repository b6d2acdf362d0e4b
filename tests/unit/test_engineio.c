/* The checks of an Engine.IO request, in their order. */
#include "worker/engineio/engineio.h"

#include "tests/lib/check.h"

static int
check(const char *line, const char *fields, bool origin_allowed)
{
	static uint8_t scratch[HTTP_LINE_MAX];
	const struct engineio_door door = { true, true, origin_allowed };
	struct http_request rq;
	struct engineio e;
	struct buf b;
	ssize_t n;

	buf_init(&b);
	buf_printf(&b, "%s HTTP/1.1\r\nHost: h\r\n%s\r\n", line, fields);
	n = http_decode_request(buf_unread(&b), &rq);
	assert_true(n > 0);
	n = engineio_check(&rq, &door, scratch, &e);
	buf_fini(&b);
	return ((int)n);
}

#define UPGRADE	"Connection: Upgrade\r\nUpgrade: websocket\r\n"

static void
each_fault_has_its_error(void **state)
{
	static const struct {
		const char	*line;
		const char	*fields;
		bool		 origin;
		int		 want;
	} rows[] = {
		{ "GET /socket.io/?EIO=4&transport=websocket", UPGRADE, true,
		    ENGINEIO_WEBSOCKET },
		{ "GET /socket.io/?transport=websocket&EIO=4&t=x&sid=",
		    UPGRADE, true, ENGINEIO_WEBSOCKET },
		{ "GET /socket.io/?EIO=4&transport=carrier-pigeon", "", true,
		    EIO_TRANSPORT_UNKNOWN },
		{ "GET /socket.io/?EIO=4", "", true, EIO_TRANSPORT_UNKNOWN },
		{ "GET /socket.io/", "", true, EIO_TRANSPORT_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=__proto__", UPGRADE, true,
		    EIO_TRANSPORT_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=%zz", UPGRADE, true,
		    EIO_TRANSPORT_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=websocket&sid=__proto__",
		    UPGRADE, true, EIO_SID_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAA",
		    "", true, EIO_SID_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=websocket&sid=%00", UPGRADE,
		    true, EIO_SID_UNKNOWN },
		{ "POST /socket.io/?EIO=4&transport=polling", "", true,
		    EIO_BAD_HANDSHAKE_METHOD },
		{ "OPTIONS /socket.io/?EIO=4&transport=polling", "", true,
		    EIO_BAD_HANDSHAKE_METHOD },
		{ "GET /socket.io/?EIO=4&transport=polling", "", true,
		    ENGINEIO_POLLING },
		{ "GET /socket.io/?EIO=4&transport=polling", "", false,
		    EIO_FORBIDDEN },
		{ "GET /socket.io/?EIO=3&transport=polling", "", true,
		    EIO_UNSUPPORTED_VERSION },
		{ "GET /socket.io/?EIO=4&transport=polling", UPGRADE, true,
		    EIO_BAD_REQUEST },
		{ "POST /socket.io/?EIO=4&transport=polling&sid="
		    "AAAAAAAAAAAAAAAAAAAAAAAA", "", false, ENGINEIO_SESSION },
		{ "GET /socket.io/?EIO=3&transport=websocket&sid="
		    "AAAAAAAAAAAAAAAAAAAAAAAA", UPGRADE, true, ENGINEIO_SESSION },
		{ "GET /socket.io/?EIO=4&transport=polling&sid="
		    "AAAAAAAAAAAAAAAAAAAAAAAAA", "", true, EIO_SID_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=polling&sid="
		    "AAAAAAAAAAAAAAAAAAAAAAA%20", "", true, EIO_SID_UNKNOWN },
		{ "GET /socket.io/?EIO=4&transport=websocket", "", true,
		    EIO_BAD_REQUEST },
		{ "GET /socket.io/?EIO=4&transport=websocket", UPGRADE, false,
		    EIO_FORBIDDEN },
		{ "GET /socket.io/?EIO=3&transport=websocket", UPGRADE, false,
		    EIO_FORBIDDEN },
		{ "GET /socket.io/?EIO=3&transport=websocket", UPGRADE, true,
		    EIO_UNSUPPORTED_VERSION },
		{ "GET /socket.io/?transport=websocket", UPGRADE, true,
		    EIO_UNSUPPORTED_VERSION },
		{ "GET /socket.io/?EIO=4&EIO=5&transport=websocket", UPGRADE,
		    true, EIO_UNSUPPORTED_VERSION },
		{ "GET /socket.io/?EIO=44&transport=websocket", UPGRADE, true,
		    EIO_UNSUPPORTED_VERSION },
	};
	size_t i;

	(void)state;
	for (i = 0; i < nitems(rows); i++)
		assert_row(check(rows[i].line, rows[i].fields,
		    rows[i].origin) == rows[i].want,
		    slice_str(rows[i].line));
}

static void
a_session_names_its_owner(void **state)
{
	static const char query[] = "transport=polling&EIO=4&b64=1&sid="
	    "ggMAAAAAAAAAAAAAAAAAAAAA";
	const struct engineio_door all = { true, true, true };
	static uint8_t scratch[HTTP_LINE_MAX];
	struct http_request rq = { .method = HTTP_GET };
	struct engineio e;

	(void)state;
	rq.query = SLICE(query);
	assert_int_equal(ENGINEIO_SESSION, engineio_check(&rq, &all, scratch,
	    &e));
	assert_int_equal(3, e.owner.slot);
	assert_int_equal(3, e.owner.generation);
	assert_true(e.owner.websocket);
	assert_string_equal("ggMAAAAAAAAAAAAAAAAAAAAA", e.sid);
	assert_true(e.polling && e.version && e.b64);
}

static void
a_transport_that_is_off_is_unknown(void **state)
{
	struct engineio_door door = { .polling = true, .origin = true };
	static uint8_t scratch[HTTP_LINE_MAX];
	struct http_request rq = { .method = HTTP_GET };
	struct engineio e;

	(void)state;
	rq.query = SLICE("EIO=4&transport=websocket");
	rq.upgrade_websocket = true;
	assert_int_equal(EIO_TRANSPORT_UNKNOWN, engineio_check(&rq, &door,
	    scratch, &e));
	door = (struct engineio_door){ .websocket = true, .origin = true };
	assert_int_equal(ENGINEIO_WEBSOCKET, engineio_check(&rq, &door,
	    scratch, &e));
	rq.query = SLICE("EIO=4&transport=polling&sid=ggMAAAAAAAAAAAAAAAAAAAAA");
	rq.upgrade_websocket = false;
	assert_int_equal(EIO_TRANSPORT_UNKNOWN, engineio_check(&rq, &door,
	    scratch, &e));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fault_has_its_error),
		cmocka_unit_test(a_session_names_its_owner),
		cmocka_unit_test(a_transport_that_is_off_is_unknown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
