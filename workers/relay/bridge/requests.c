/*
 * Requests of the classic adapter; see requests.h.
 */
#include "relay/bridge/requests.h"

#include <stdlib.h>

#include "base/slotset.h"
#include "conf/conf.h"
#include "proto/json.h"
#include "relay/bridge/channel.h"
#include "relay/bridge/home.h"
#include "relay/bridge/members.h"
#include "relay/bridge/message.h"
#include "relay/bridge/socketio.h"
#include "relay/bridge/whom.h"
#include "shm/counters.h"
#include "shm/interest.h"

#define REQUEST_ID_MAX	64	/* bytes, as JSON */

struct requests {
	unsigned	 magic;
#define REQUESTS_MAGIC	0x4e90e575
	struct requests_params p;
	struct interest	*interest;
	struct buf	 names;		/* of an audience */
	struct buf	 channel;
	struct buf	 text;		/* around the answers */
};

/* One request, and what its answers are written in. */
struct request {
	struct requests	*r;
	const struct conf_namespace *ns;
	const struct message *m;
	struct slice	 id;		/* raw JSON string */
	struct members_asker who;
};

/* --- how it is answered ---------------------------------------------------*/

/* The text has room for all of them: it does not move. */
static struct slice
request_put(struct request *q, const char *before, const char *after)
{
	struct buf *b = &q->r->text;
	size_t from = b->wpos;

	buf_str(b, before);
	buf_slice(b, q->id);
	buf_str(b, after);
	return (slice_from(buf_unread(b), from));
}

static bool
request_asker(struct request *q)
{
	struct members_asker *who = &q->who;
	struct requests *r = q->r;
	struct slice nsp = slice_of(q->ns->name, q->ns->name_len);

	buf_reset(&r->text);
	who->channel = channel_name(&r->channel,
	    r->p.home->conf->redis.socketio_prefix, CHANNEL_RESPONSE, nsp);
	if (r->channel.oom || !buf_reserve(&r->text, 512 + 4 * q->id.n)) {
		r->channel.oom = r->text.oom = false;
		return (false);
	}
	who->count.head = request_put(q, "{\"type\":8,\"requestId\":",
	    ",\"clientCount\":");
	who->ack.head = request_put(q, "{\"type\":9,\"requestId\":",
	    ",\"packet\":");
	who->count.tail = who->ack.tail = SLICE("}");
	who->list.tail = SLICE("]}");
	return (true);
}

/* The whole of an answer, behind the id. */
static void
request_say(struct request *q, const char *answer)
{
	members_say(q->r->p.members, &q->who, request_put(q,
	    "{\"requestId\":", answer));
}

/* What cannot be understood has nobody in it, and that is an answer. */
static void
request_nobody(struct request *q, const char *answer)
{
	counter_add(COUNTER_requests_bad, 1);
	request_say(q, answer);
}

/* --- for whom -------------------------------------------------------------*/

static bool
request_whom(struct request *q, struct slice member, struct bus_audience *to,
    uint64_t slots[2])
{
	struct whom w = { .interest = q->r->interest, .ns = q->ns->index,
		.joins = q->r->p.joins, .now = home_now(q->r->p.home),
		.to = to };

	whom_begin(&w);
	if (!message_whom(q->m->json, member, &q->r->names, &w) ||
	    whom_end(&w) == WHOM_MANY)
		return (false);
	slotset_copy(slots, w.slots);
	return (true);
}

/* --- each of them ---------------------------------------------------------*/

static void
request_list(struct request *q, enum bus_members_what what,
    struct slice member)
{
	static struct bus_envelope e;	/* large; one at a time */
	struct bus_members *m = bus_members(&e, what);
	uint64_t slots[2];

	m->nsp = slice_of(q->ns->name, q->ns->name_len);
	if (!request_whom(q, member, &m->to, slots)) {
		request_nobody(q, ",\"sockets\":[]}");
		return;
	}
	q->who.list.head = request_put(q, "{\"requestId\":",
	    what == BUS_MEMBERS_ROOMS ? ",\"rooms\":[" : ",\"sockets\":[");
	members_list(q->r->p.members, &q->who, &e, slots);
}

/* There is no program here that could say more. */
static void
request_servers(struct request *q)
{
	request_say(q, ",\"type\":6,\"data\":null}");
}

static void
request_broadcast(struct request *q, bool refused)
{
	static const char none[] = ",\"type\":8,\"clientCount\":0}";
	static struct bus_envelope e;	/* large; one at a time */
	uint64_t slots[2], wait_ms;

	if (refused)
		request_say(q, none);
	else if (message_publish(q->m, q->m->json, q->ns, &e, &wait_ms) &&
	    request_whom(q, SLICE("opts"), &e.publish.to, slots))
		members_ask(q->r->p.members, &q->who, &e, slots, wait_ms);
	else
		request_nobody(q, none);
}

static void
request_answer(struct request *q, enum socketio_request type, bool refused)
{
	counter_add(COUNTER_requests, 1);
	switch (type) {
	case SOCKETIO_SOCKETS:	/* of older versions: rooms beside the id */
		request_list(q, BUS_MEMBERS_SIDS, slice_of(NULL, 0));
		break;
	case SOCKETIO_ALL_ROOMS:
		request_list(q, BUS_MEMBERS_ROOMS, SLICE("opts"));
		break;
	case SOCKETIO_FETCH:
		request_list(q, BUS_MEMBERS_WHOLE, SLICE("opts"));
		break;
	case SOCKETIO_EVENT:
		request_servers(q);
		break;
	case SOCKETIO_BROADCAST:
		request_broadcast(q, refused);
		break;
	case SOCKETIO_JOIN:
	case SOCKETIO_LEAVE:
	case SOCKETIO_DISCONNECT:
		break;		/* not to be answered */
	}
}

void
requests_take(struct requests *r, const struct socketio_question *question)
{
	struct request q = { .r = r, .ns = question->ns,
		.m = question->message };

	CHECK_MAGIC(r, REQUESTS_MAGIC);
	if (!json_get(q.m->json, SLICE("requestId"), &q.id) ||
	    json_type(q.id) != JSON_STRING || q.id.n > REQUEST_ID_MAX)
		return;		/* nobody waits for it */
	if (request_asker(&q))
		request_answer(&q, question->type, question->refused);
	else
		counter_add(COUNTER_memory_failures, 1);
}

/* --- birth and death ------------------------------------------------------*/

struct requests *
requests_new(const struct requests_params *p)
{
	struct requests *r = calloc(1, sizeof *r);

	if (r == NULL)
		return (NULL);
	r->magic = REQUESTS_MAGIC;
	r->p = *p;
	buf_init(&r->names);
	buf_init(&r->channel);
	buf_init(&r->text);
	r->interest = interest_open(p->home->segment, 0);
	if (r->interest == NULL)
		requests_free(&r);
	return (r);
}

void
requests_free(struct requests **rp)
{
	struct requests *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	CHECK_MAGIC(r, REQUESTS_MAGIC);
	if (r->interest != NULL)
		interest_close(&r->interest);
	buf_fini(&r->names);
	buf_fini(&r->channel);
	buf_fini(&r->text);
	r->magic = 0;
	free(r);
}
