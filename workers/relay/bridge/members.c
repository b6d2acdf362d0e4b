/*
 * Answers to servers of Socket.IO; see members.h.
 */
#include "relay/bridge/members.h"

#include <sys/queue.h>

#include <stdlib.h>

#include "base/digest.h"
#include "proto/json.h"
#include "relay/bridge/msgpack.h"
#include "relay/bridge/questions.h"
#include "relay/redis/redis.h"
#include "shm/counters.h"

#define MEMBERS_GRACE_MS	1000	/* for what the workers have to say
					 * when their clients' time is over */

enum members_part {
	PART_CHANNEL, PART_HEAD, PART_TAIL, PART_ACK_HEAD, PART_ACK_TAIL,
	PART__MAX
};

/* A question that is being answered. */
struct member {
	unsigned	 magic;
#define MEMBER_MAGIC	0x3e3be201
	TAILQ_ENTRY(member) link;
	struct members	*members;
	bool		 sharded;
	bool		 partly;	/* elements were left out */
	struct buf	 parts;		/* one after the other */
	size_t		 ends[PART__MAX];
	struct buf	 list;		/* so far, head included */
	size_t		 elements;	/* bytes of them */
};

struct members {
	unsigned	 magic;
#define MEMBERS_MAGIC	0x3e3be205
	struct members_params p;
	TAILQ_HEAD(, member) open;
	size_t		 bytes;		/* of all lists */
	struct buf	 text, packed, bin; /* scratch */
};

struct members *
members_new(const struct members_params *p)
{
	struct members *m = calloc(1, sizeof *m);

	if (m == NULL)
		return (NULL);
	m->magic = MEMBERS_MAGIC;
	m->p = *p;
	TAILQ_INIT(&m->open);
	buf_init(&m->text);
	buf_init(&m->packed);
	buf_init(&m->bin);
	return (m);
}

static void
member_free(struct member *a)
{
	CHECK_MAGIC(a, MEMBER_MAGIC);
	TAILQ_REMOVE(&a->members->open, a, link);
	a->members->bytes -= a->elements;
	buf_fini(&a->parts);
	buf_fini(&a->list);
	a->magic = 0;
	free(a);
}

void
members_free(struct members **mp)
{
	struct members *m = *mp;
	struct member *a;

	if (m == NULL)
		return;
	*mp = NULL;
	CHECK_MAGIC(m, MEMBERS_MAGIC);
	while ((a = TAILQ_FIRST(&m->open)) != NULL)
		member_free(a);
	buf_fini(&m->text);
	buf_fini(&m->packed);
	buf_fini(&m->bin);
	m->magic = 0;
	free(m);
}

/* --- saying ---------------------------------------------------------------*/

static void
members_publish(struct members *m, bool sharded, struct slice channel,
    const struct buf *what)
{
	bool sent = false;

	if (what->oom)
		counter_add(COUNTER_memory_failures, 1);
	else if (sharded)
		sent = redis_spublish_raw(m->p.redis, channel,
		    buf_unread(what), NULL, NULL);
	else
		sent = redis_publish_classic(m->p.redis, channel,
		    buf_unread(what), NULL, NULL);
	counter_add(sent ? COUNTER_member_answers :
	    COUNTER_member_answers_lost, 1);
}

static struct slice
member_part(const struct member *a, enum members_part part)
{
	size_t from = part == 0 ? 0 : a->ends[part - 1];

	return (slice_of(a->parts.data + from, a->ends[part] - from));
}

void
members_say(struct members *m, const struct members_asker *who,
    struct slice json)
{
	CHECK_MAGIC(m, MEMBERS_MAGIC);
	buf_reset(&m->text);
	buf_slice(&m->text, json);
	members_publish(m, who->sharded, who->channel, &m->text);
	m->text.oom = false;
}

/* --- who asks -------------------------------------------------------------*/

static struct member *
member_new(struct members *m, const struct members_asker *who,
    const struct members_frame *first)
{
	const struct slice parts[PART__MAX] = { [PART_CHANNEL] = who->channel,
		[PART_HEAD] = first->head, [PART_TAIL] = first->tail,
		[PART_ACK_HEAD] = who->ack.head,
		[PART_ACK_TAIL] = who->ack.tail };
	struct member *a = calloc(1, sizeof *a);
	unsigned i;

	if (a == NULL) {
		counter_add(COUNTER_memory_failures, 1);
		return (NULL);
	}
	a->magic = MEMBER_MAGIC;
	a->members = m;
	a->sharded = who->sharded;
	buf_init(&a->parts);
	buf_init(&a->list);
	TAILQ_INSERT_TAIL(&m->open, a, link);
	for (i = 0; i < PART__MAX; i++) {
		buf_slice(&a->parts, parts[i]);
		a->ends[i] = a->parts.wpos;
	}
	buf_slice(&a->list, first->head);
	if (a->parts.oom || a->list.oom) {
		counter_add(COUNTER_memory_failures, 1);
		member_free(a);
		return (NULL);
	}
	return (a);
}

/* --- lists ----------------------------------------------------------------*/

static void
member_on_elements(void *arg, struct slice elements)
{
	struct member *a = arg;
	struct members *m = a->members;
	size_t n = elements.n + 1, tail = member_part(a, PART_TAIL).n;

	CHECK_MAGIC(a, MEMBER_MAGIC);
	if (a->elements + n > MEMBERS_BYTES_MAX ||
	    m->bytes + n > MEMBERS_BYTES_ALL ||
	    !buf_reserve(&a->list, n + tail)) {
		a->list.oom = false;
		a->partly = true;
		return;
	}
	if (a->elements > 0)
		buf_byte(&a->list, ',');
	buf_slice(&a->list, elements);
	a->elements += n;
	m->bytes += n;
}

static void
member_on_list(void *arg, const struct question_end *end)
{
	struct member *a = arg;

	CHECK_MAGIC(a, MEMBER_MAGIC);
	if (end->partly || a->partly)
		counter_add(COUNTER_member_answers_partly, 1);
	buf_slice(&a->list, member_part(a, PART_TAIL));
	members_publish(a->members, a->sharded, member_part(a, PART_CHANNEL),
	    &a->list);
	member_free(a);
}

void
members_list(struct members *m, const struct members_asker *who,
    struct bus_envelope *e, const uint64_t slots[2])
{
	static const struct question_calls calls = {
		.answers = member_on_elements, .done = member_on_list };
	struct member *a;

	CHECK_MAGIC(m, MEMBERS_MAGIC);
	MUST(e->kind == BUS_MEMBERS);
	a = member_new(m, who, &who->list);
	if (a != NULL)
		questions_ask(m->p.questions, e, slots, MEMBERS_LIST_MS,
		    &calls, a);
}

/* --- acknowledgements -----------------------------------------------------*/

/* The attachments of an answer, base64 in JSON, as bytes in m->bin. */
static size_t
members_attachments(struct members *m, struct slice answer,
    struct slice list[BUS_ATTACHMENTS_MAX])
{
	struct slice v, key, element;
	struct json_iter it;
	size_t n = 0;
	ssize_t len;

	buf_reset(&m->bin);
	if (!json_get(answer, SLICE("attachments"), &v) ||
	    !json_enter(v, &it) || !buf_reserve(&m->bin, v.n + 2))
		return (0);
	while (n < BUS_ATTACHMENTS_MAX && json_next(&it, &key, &element)) {
		if (element.n < 2)
			break;
		len = digest_base64_decode(slice_of(element.p + 1,
		    element.n - 2), m->bin.data + m->bin.wpos);
		if (len < 0)
			break;
		list[n++] = slice_of(m->bin.data + m->bin.wpos, (size_t)len);
		m->bin.wpos += (size_t)len;
	}
	return (n);
}

/* {"sid","user","args":[...][,"attachments"]}: what a client said. */
static void
member_say_ack(struct member *a, struct slice answer)
{
	struct slice args, key, first = SLICE("null");
	struct slice list[BUS_ATTACHMENTS_MAX];
	struct members *m = a->members;
	struct buf *b = &m->text;
	struct json_iter it;
	size_t n;

	if (json_get(answer, SLICE("args"), &args) &&
	    json_enter(args, &it) && !json_next(&it, &key, &first))
		first = SLICE("null");
	buf_reset(b);
	buf_slice(b, member_part(a, PART_ACK_HEAD));
	buf_slice(b, first);
	buf_slice(b, member_part(a, PART_ACK_TAIL));
	n = members_attachments(m, answer, list);
	if (n > 0 && !b->oom) {
		buf_reset(&m->packed);
		(void)msgpack_put_elements(&m->packed, buf_unread(b), list, n);
		b = &m->packed;
	}
	members_publish(m, a->sharded, member_part(a, PART_CHANNEL), b);
	m->text.oom = m->packed.oom = m->bin.oom = false;
}

static void
member_on_acks(void *arg, struct slice elements)
{
	struct member *a = arg;
	struct slice answer;
	ssize_t n;

	CHECK_MAGIC(a, MEMBER_MAGIC);
	while (elements.n > 0) {
		n = json_value(elements, &answer);
		if (n <= 0)
			return;
		member_say_ack(a, answer);
		elements = slice_from(elements, (size_t)n);
		if (elements.n > 0)
			elements = slice_from(elements, 1);	/* comma */
	}
}

static void
member_on_counted(void *arg, uint32_t n)
{
	struct member *a = arg;
	struct buf *b = &a->members->text;

	CHECK_MAGIC(a, MEMBER_MAGIC);
	buf_reset(b);
	buf_slice(b, member_part(a, PART_HEAD));
	buf_u64(b, n);
	buf_slice(b, member_part(a, PART_TAIL));
	members_publish(a->members, a->sharded, member_part(a, PART_CHANNEL),
	    b);
	b->oom = false;
}

static void
member_on_asked(void *arg, const struct question_end *end)
{
	struct member *a = arg;

	if (end->partly)
		counter_add(COUNTER_member_answers_partly, 1);
	member_free(a);
}

void
members_ask(struct members *m, const struct members_asker *who,
    struct bus_envelope *e, const uint64_t slots[2], uint64_t wait_ms)
{
	static const struct question_calls calls = {
		.answers = member_on_acks, .counted = member_on_counted,
		.done = member_on_asked };
	struct member *a;

	CHECK_MAGIC(m, MEMBERS_MAGIC);
	MUST(e->kind == BUS_PUBLISH);
	a = member_new(m, who, &who->count);
	if (a == NULL)
		return;
	if (wait_ms == 0 || wait_ms > MEMBERS_ACK_MS)
		wait_ms = MEMBERS_ACK_MS;
	e->flags |= BUS_WANT_ANSWERS;
	e->publish.timeout_ms = wait_ms;
	questions_ask(m->p.questions, e, slots, wait_ms + MEMBERS_GRACE_MS,
	    &calls, a);
}
