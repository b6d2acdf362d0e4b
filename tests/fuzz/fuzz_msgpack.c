/*
 * Any bytes as MessagePack: what is one value can be walked to its leaves and
 * becomes JSON; and that, written again, is a value which becomes the same.
 */
#include "relay/bridge/msgpack.h"

#include "proto/json.h"
#include "proto/sio.h"

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define TEXT_MAX	(1u << 20)

/* What is inside is there, and nothing behind it. */
static void
visit(const struct msgpack_value *v)
{
	struct msgpack_value key, value, got;
	char digits[MSGPACK_NAME_MAX];
	const uint8_t *end = v->bytes.p;
	struct msgpack_iter it;
	struct slice name;

	MUST(msgpack_name(v, digits, &name) || v->type != MSGPACK_UINT);
	if (!msgpack_enter(v, &it)) {
		MUST(!msgpack_get(v, SLICE("type"), &got));
		return;
	}
	while (msgpack_next(&it, &key, &value)) {
		end = slice_end(value.raw);
		MUST(!it.map || value.raw.p == slice_end(key.raw));
		if (it.map && key.type == MSGPACK_STR)
			MUST(msgpack_get(v, key.bytes, &got));
	}
	MUST(it.rest.n == 0);
	MUST(v->count == 0 || end == slice_end(v->raw));
}

static void
again(const struct msgpack_text *t)
{
	struct slice text = buf_unread(t->out);
	struct msgpack_text back = { .max = t->max };
	struct msgpack_value v;
	struct buf packed, out;

	buf_init(&packed);
	buf_init(&out);
	back.out = &out;
	MUST(msgpack_count_elements(text) == 1);
	MUST(msgpack_put_elements(&packed, text, t->attachments,
	    t->nattach) == 1);
	MUST(!packed.oom);
	MUST(msgpack_value(buf_unread(&packed), &v) == (ssize_t)packed.wpos);
	/* a placeholder that came as such may count twice */
	if (t->nattach == 0) {
		MUST(msgpack_text(&back, &v) == MSGPACK_OK);
		MUST(slice_eq(text, buf_unread(&out)));
		MUST(back.nattach == 0);
	}
	buf_fini(&packed);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct msgpack_text t = { .max = TEXT_MAX };
	struct msgpack_value v;
	enum msgpack_result res;
	struct buf out;
	ssize_t got;

	got = msgpack_value(slice_of(data, n), &v);
	if (got == CODEC_BAD)
		return (0);
	MUST(got > 0 && (size_t)got <= n && v.raw.n == (size_t)got);
	visit(&v);
	buf_init(&out);
	t.out = &out;
	res = msgpack_text(&t, &v);
	if (res == MSGPACK_OK) {
		MUST(json_valid(buf_unread(&out)));
		again(&t);
	}
	buf_fini(&out);
	return (0);
}
