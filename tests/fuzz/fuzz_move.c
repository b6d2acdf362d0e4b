/*
 * A client, or sessions that wait for one, that another worker is said to have
 * given away: they are refused, or go on, are spoken to, sent to, saved again,
 * cut off, and leave nothing behind.
 *
 * The first byte says what is loaded, and what happens to it.
 */
#include <sys/uio.h>

#include <stdlib.h>

#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "hub/api.h"
#include "hub/audience/room.h"
#include "hub/audience/sids.h"
#include "hub/hub_int.h"
#include "hub/move.h"
#include "shm/count.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"

#define CONF \
	"limits { per_user = 2 }\n" \
	"recovery { window = 2m }\n" \
	"namespace \"/n\" { auth = optional presence = rooms idle_after = 1m\n" \
	"  room \"{r}\" { join = open }\n" \
	"  event \"m\" { to = room:room meta = off }\n" \
	"  event \"e\" { to = sender meta = off ack = echo } }\n" \
	"namespace \"/o\" { auth = optional room \"{r}\" { join = open } }\n" \
	"route \"/ws/{r}\" { namespace = \"/n\" join = \"{r}\" }\n" \
	"route \"/bare/{r}\" { namespace = \"/n\" join = \"{r}\"\n" \
	"  format = bare }\n" \
	"route \"/eio/{r}\" { namespace = \"/n\" join = \"{r}\"\n" \
	"  format = engine }\n" \
	"jwt { secret = \"0123456789abcdef0123456789abcdef\" }\n"

#define PARKED	1	/* else a client */
#define UNLOAD	2	/* else it goes on */
#define TAKEN	28	/* how much of a queue the socket takes, / 4 */
#define CUT	32	/* it ends as one that may come back */

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static struct hub *hub;
static struct mono now = { 1000000000 };
static struct wall wall = { UINT64_C(1800000000000) };
static struct outq out;
static bool closing;
static unsigned take;

static const char *
no_env(const char *name)
{
	(void)name;
	return (NULL);
}

static void
on_close(void *host, struct client *c, enum reason r)
{
	(void)host;
	(void)c;
	(void)r;
	closing = true;
}

static void
on_rearm(void *host, struct client *c)
{
	(void)host;
	(void)c;
}

static bool
on_bus(void *host, const struct bus_envelope *e)
{
	(void)host;
	(void)e;
	return (true);
}

static bool
on_behind(void *host)
{
	(void)host;
	return (false);
}

static void
on_flush(void *host, struct outq *q)
{
	(void)host;
	outq_sent(hub_out(hub), q, (size_t)(outq_bytes(q) * take / 7));
}

static void
on_answered(void *host, void *asker, int status, struct slice body)
{
	(void)host;
	(void)asker;
	(void)status;
	(void)body;
}

static void
on_random(void *host, void *p, size_t n)
{
	(void)host;
	memset(p, 'r', n);
}

static void
start(void)
{
	static struct conf *conf;
	struct conf_source src = { .file = "fuzz.conf",
		.text = slice_str(CONF), .env = no_env };
	struct conf_errors errors;
	struct segment *g;

	if (hub != NULL)
		return;
	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	MUST(conf != NULL);
	conf_errors_fini(&errors);
	g = segment_create(&(struct segment_params){ .max_workers = 2,
	    .presence_max = 1000, .interest_max = 1000, .rate_ways = 64,
	    .max_ns = 16, .count_max = 64,
	    .presence_key_max = conf_presence_key_max(conf) });
	MUST(g != NULL && slot_assign(g, SLOT_WORKER, 1) > 0);
	slot_live(g, 1, 1);
	hub = hub_new(&(struct hub_params){ .conf = conf,
	    .interest = interest_open(g, 1), .presence = presence_open(g, 1),
	    .count = count_open(g, 1), .segment = g,
	    .hash_key = segment_key(g), .slot = 1, .generation = 1,
	    .node_id = 1, .ports = { .close = on_close, .rearm = on_rearm,
	    .bus_send = on_bus, .bus_is_behind = on_behind,
	    .flush = on_flush, .answered = on_answered,
	    .random = on_random } });
	MUST(hub != NULL);
}

static void
later(uint64_t ms)
{
	now.us += ms * 1000;
	wall.ms += ms;
	hub_time(hub, now, wall);
	hub_tick(hub);
}

static void
publish(void)
{
	static const char body[] = "{\"namespace\":\"n\",\"event\":\"p\","
	    "\"data\":1,\"room\":\"r\",\"ack\":true,\"timeout\":100}";
	static char asker;
	struct ask *ask;
	struct buf b;

	buf_init(&b);
	if (api_publish(hub, slice_str(body), &asker, &b, &ask) == 0)
		MUST(ask != NULL);
	buf_fini(&b);
	hub_turn_end(hub);
}

static void
say(struct client *c, const char *text)
{
	uint8_t copy[64];
	size_t n = strlen(text);

	memcpy(copy, text, n);
	client_text(c, copy, n);
	hub_turn_end(hub);
}

static void
save_again(struct client *c)
{
	struct hub_move *m = hub_move_new(hub, true, 2);
	struct buf b;

	MUST(m != NULL);
	buf_init(&b);
	if (client_may_move(c))
		MUST(client_save(m, c, &b));
	buf_fini(&b);
	hub_move_free(&m);
}

static void
goes_on(struct client *c, enum reason why, unsigned how)
{
	hub_turn_end(hub);
	save_again(c);
	if (why == REASON__MAX) {
		publish();
		say(c, client_is_engine(c) ?
		    "42/n,1[\"e\",{\"room\":\"r\"}]" :
		    "{\"event\":\"e\",\"data\":1,\"id\":1}");
		(void)client_binary;
		later(200);
		client_tick(c);
		hub_turn_end(hub);
		save_again(c);
		publish();
	} else
		MUST(why == REASON_rights_lost);
	client_gone(&c, how & CUT ? REASON_client_gone : REASON_kicked);
	outq_kill(hub_out(hub), &out);
	hub_turn_end(hub);
	publish();
}

static void
load_client(struct hub_move *m, struct state_in *in, unsigned how)
{
	enum reason why;
	struct client *c = client_load(m, in, &out, &why);

	if (c == NULL)
		return;
	if (how & UNLOAD)
		client_unload(&c);
	else
		goes_on(c, why, how);
}

static void
load_parked(struct hub_move *m, struct state_in *in, unsigned how)
{
	struct recover *r;
	struct hub_move *again;
	struct buf b;
	bool none;

	r = parked_load(m, in, &none);
	MUST(r == NULL || !none);
	if (r == NULL)
		return;
	if (how & UNLOAD) {
		parked_unload(&r);
		return;
	}
	hub_turn_end(hub);
	publish();
	again = hub_move_new(hub, true, 2);
	MUST(again != NULL);
	buf_init(&b);
	r = parked_first(hub);
	MUST(r == NULL || parked_save(again, r, &b));
	buf_fini(&b);
	hub_move_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct hub_move *m;
	struct state_in in;

	if (n == 0)
		return (0);
	start();
	memset(&out, 0, sizeof out);
	closing = false;
	take = (data[0] & TAKEN) / 4;
	hub_time(hub, now, wall);
	in = state_in(slice_of(data + 1, n - 1));
	m = hub_move_new(hub, false, 2);
	MUST(m != NULL);
	if (data[0] & PARKED)
		load_parked(m, &in, data[0]);
	else
		load_client(m, &in, data[0]);
	hub_move_free(&m);
	hub_turn_end(hub);
	later(200000);		/* who does not come back */
	hub_turn_end(hub);
	MUST(sid_count(hub) == 0 && room_count(hub) == 0);
	MUST(hub_parked(hub) == 0 && !hub_has_questions(hub));
	return (0);
}
