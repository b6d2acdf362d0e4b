/* What hooks are sent, and how it is signed. */
#include "relay/hooks/body.h"

#include "proto/bus.h"
#include "proto/json.h"
#include "tests/lib/check.h"

static struct entry_parts parts;

static struct entry *
made(uint64_t number)
{
	struct entry *e = entry_new(&parts);

	assert_non_null(e);
	e->number = number;
	return (e);
}

static void
entries_are_json(void **state)
{
	const struct body_source source = { "0123", "4567", SLICE("/a\"b") };
	static const uint8_t bytes[] = { 0, 255 };
	struct bus_envelope b;
	struct bus_publish *p = bus_forward(&b);
	struct entry *one, *two;
	struct buf out;

	(void)state;
	entry_begin(&parts, SLICE("begin"), 7);
	one = made(1);
	p->once = SLICE("id");
	p->event = SLICE("\"say\\n\"");
	p->args = SLICE("{\"a\":1},2");
	p->trace = SLICE("{\"request_id\":\"r\"}");
	p->attachments[0] = SLICE("bytes");
	p->attachments[1] = slice_of(bytes, sizeof bytes);
	p->nattach = 2;
	p->to.users[p->to.nusers++] = SLICE("a\"\xc3\xa9");
	entry_begin(&parts, SLICE("event"), 8);
	entry_put_event(&parts, p);
	two = made(3);
	one->next.stqe_next = two;
	buf_init(&out);
	body_put(&out, &source, one, 2);
	check_slices(buf_unread(&out), SLICE("{\"namespace\":\"/a\\\"b\","
	    "\"source\":\"0123\",\"epoch\":\"4567\",\"entries\":["
	    "{\"seq\":1,\"type\":\"begin\",\"ts\":7},"
	    "{\"seq\":3,\"type\":\"event\",\"ts\":8,\"id\":\"id\","
	    "\"user\":\"a\\\"\xc3\xa9\","
	    "\"trace\":{\"request_id\":\"r\"},\"event\":\"say\\n\","
	    "\"data\":[{\"a\":1},2],\"attachments\":[\"Ynl0ZXM=\","
	    "\"AP8=\"]}]}"), __FILE__, __LINE__);
	assert_true(json_valid(buf_unread(&out)));
	buf_reset(&out);
	body_put_entry(&out, two, false);
	check_slices(buf_unread(&out), SLICE("{\"seq\":3,\"type\":\"event\","
	    "\"ts\":8,\"id\":\"id\",\"user\":\"a\\\"\xc3\xa9\","
	    "\"trace\":{\"request_id\":\"r\"},\"event\":\"say\\n\"}"),
	    __FILE__, __LINE__);
	buf_fini(&out);
	free(one);
	free(two);
}

/* printf 1700000000.BODY | openssl dgst -sha256 -hmac SECRET */
static void
a_signature_is_of_time_and_body(void **state)
{
	char sign[BODY_SIGNATURE];

	(void)state;
	body_sign(sign, SLICE("secret"), 1700000000, SLICE("{\"a\":1}"));
	assert_string_equal(sign, "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_json),
		cmocka_unit_test(a_signature_is_of_time_and_body),
	};

	int failed;

	buf_init(&parts.bytes);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_fini(&parts.bytes);
	return (failed);
}
