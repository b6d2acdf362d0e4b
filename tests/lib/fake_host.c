/* See fake_host.h. */
#include "fake_host.h"

#include <sys/uio.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/slotset.h"
#include "check.h"
#include "conf/read/free.h"
#include "conf/read/parse.h"
#include "proto/bus.h"
#include "proto/token.h"
#include "shm/count.h"
#include "shm/interest.h"
#include "shm/presence.h"
#include "shm/slots.h"

static const char *
no_env(const char *name)
{
	(void)name;
	return (NULL);
}

struct conf *
fake_conf(const char *text)
{
	struct conf_errors errors;
	struct conf_source src = { .file = "test.conf",
		.text = slice_str(text), .env = no_env };
	struct conf *conf;

	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	if (conf == NULL)
		fprintf(stderr, "%.*s", (int)buf_unread(&errors.text).n,
		    (const char *)buf_unread(&errors.text).p);
	assert_non_null(conf);
	conf_errors_fini(&errors);
	return (conf);
}

struct fake_world *
fake_world_of(const char *text, unsigned workers)
{
	struct fake_world *w = calloc(1, sizeof *w);
	const char *why;

	assert_non_null(w);
	w->conf = fake_conf(text);
	w->keys = token_keys_new(1u << TOKEN_HS256);
	assert_non_null(w->keys);
	assert_int_equal(0, token_keys_secret(w->keys, slice_str(""),
	    slice_str(FAKE_SECRET), &why));
	w->segment = segment_create(&(struct segment_params){
	    .max_workers = workers, .presence_max = 1000, .interest_max = 1000,
	    .rate_ways = 64, .max_ns = 16, .count_max = 64,
	    .presence_key_max = conf_presence_key_max(w->conf) });
	assert_non_null(w->segment);
	w->now.us = 1000000000;
	w->wall.ms = UINT64_C(1800000000000);
	return (w);
}

struct fake_world *
fake_world_new(const char *text)
{
	return (fake_world_of(text, 2));
}

/* --- ports ---------------------------------------------------------------- */

static void
on_close(void *host, struct client *client, enum reason reason)
{
	struct fake_conn *c = container_of(client_out(client),
	    struct fake_conn, out);

	(void)host;
	assert_int_equal(-1, c->closed);
	c->closed = (int)reason;
}

static void
on_rearm(void *host, struct client *client)
{
	(void)host;
	(void)client;
}

static bool
on_is_behind(void *arg)
{
	const struct fake_host *host = arg;

	return (host->bus_behind);
}

static bool
on_redis_is_away(void *arg)
{
	const struct fake_host *host = arg;

	return (host->redis_away);
}

static bool
on_bus(void *arg, const struct bus_envelope *e)
{
	struct fake_host *host = arg;

	if (host->bus_down)
		return (false);
	assert_true(bus_encode(&host->bus, e));
	host->bus_sent++;
	return (true);
}

static void
on_answered(void *arg, void *asker, int status, struct slice body)
{
	struct fake_host *host = arg;

	host->asker = asker;
	host->status = status;
	buf_slice(&host->answers, body);
	buf_byte(&host->answers, '\n');
}

static void
on_flush(void *arg, struct outq *q)
{
	struct fake_host *host = arg;
	struct fake_conn *c = container_of(q, struct fake_conn, out);
	struct out *o = hub_out(host->hub);
	struct iovec iov[8];
	size_t n, take;
	unsigned i, max;

	c->flushes++;
	while ((max = outq_iov(q, iov, 8)) > 0) {
		for (i = 0, n = 0; i < max && n < c->window; i++) {
			take = iov[i].iov_len;
			if (take > c->window - n)
				take = c->window - n;
			buf_append(&c->got, iov[i].iov_base, take);
			n += take;
		}
		if (c->window != SIZE_MAX)
			c->window -= n;
		outq_sent(o, q, n);
		if (c->window == 0) {
			outq_block(o, q);
			return;
		}
	}
	outq_unblock(o, q);
}

static void
on_random(void *arg, void *p, size_t n)
{
	struct fake_host *host = arg;
	uint8_t *b = p;

	while (n-- > 0) {
		host->rnd++;
		*b++ = (uint8_t)(host->rnd * 37 ^ host->rnd >> 8);
	}
}

struct fake_host *
fake_host_new(struct fake_world *w, unsigned slot)
{
	return (fake_host_of(w, slot, w->conf));
}

struct fake_host *
fake_host_of(struct fake_world *w, unsigned slot, const struct conf *conf)
{
	struct fake_host *f = calloc(1, sizeof *f);

	assert_non_null(f);
	assert_true(slot >= 1 && w->nhosts < FAKE_HOSTS);
	f->world = w;
	f->slot = slot;
	w->hosts[w->nhosts++] = f;
	while (slot_state(w->segment, slot) == SLOT_FREE)
		assert_true(slot_assign(w->segment, SLOT_WORKER, slot) > 0);
	slot_live(w->segment, slot, 1);
	f->rnd = slot * 100003;
	buf_init(&f->bus);
	buf_init(&f->relay);
	buf_init(&f->answers);
	f->interest = interest_open(w->segment, slot);
	f->presence = presence_open(w->segment, slot);
	f->count = count_open(w->segment, slot);
	assert_non_null(f->count);
	assert_non_null(f->interest);
	assert_non_null(f->presence);
	f->hub = hub_new(&(struct hub_params){ .conf = conf,
	    .keys = w->keys, .interest = f->interest,
	    .presence = f->presence, .hash_key = segment_key(w->segment),
	    .segment = w->segment, .count = f->count,
	    .slot = (uint16_t)slot, .generation = 1,
	    .node_id = 0xabcdef0123456789,
	    .ports = { .host = f, .close = on_close, .rearm = on_rearm,
	    .bus_send = on_bus, .bus_is_behind = on_is_behind, .flush = on_flush,
	    .redis_is_away = on_redis_is_away,
	    .answered = on_answered, .random = on_random } });
	assert_non_null(f->hub);
	hub_time(f->hub, w->now, w->wall);
	return (f);
}

static void
host_free(struct fake_host *f)
{
	size_t i;

	for (i = 0; i < f->nconns; i++) {
		if (f->conns[i].client != NULL)
			fake_gone(f, &f->conns[i]);
	}
	hub_turn_end(f->hub);
	for (i = 0; i < f->nconns; i++)
		buf_fini(&f->conns[i].got);
	hub_free(&f->hub);
	interest_close(&f->interest);
	presence_close(&f->presence);
	count_close(&f->count);
	buf_fini(&f->bus);
	buf_fini(&f->relay);
	buf_fini(&f->answers);
	free(f);
}

void
fake_world_free(struct fake_world **wp)
{
	struct fake_world *w = *wp;
	size_t i;

	for (i = 0; i < w->nhosts; i++)
		host_free(w->hosts[i]);
	token_keys_free(&w->keys);
	segment_free(&w->segment);
	conf_free(&w->conf);
	if (w->other != NULL)
		conf_free(&w->other);
	free(w);
	*wp = NULL;
}

/* --- connections ---------------------------------------------------------- */

struct fake_conn *
fake_conn_new(struct fake_host *f)
{
	struct fake_conn *c = &f->conns[f->nconns++];

	assert_true(f->nconns <= FAKE_CONNS);
	c->closed = -1;
	c->window = SIZE_MAX;
	buf_init(&c->got);
	return (c);
}

struct fake_conn *
fake_engine(struct fake_host *f, const char *token)
{
	struct fake_conn *c = fake_conn_new(f);
	struct client_request q = { .token = slice_str(token),
		.address = f->address };
	struct admission a;

	engine_admit(f->hub, &q, &a);
	c->client = engine_open(f->hub, &a, false, &c->out);
	admission_fini(&a);
	assert_non_null(c->client);
	return (c);
}

struct fake_conn *
fake_plain(struct fake_host *f, const char *path, const char *token,
    struct refusal *refusal)
{
	struct client_request q = { .token = slice_str(token),
		.address = f->address };
	struct fake_conn *c;
	struct admission a;

	q.route = conf_route_find(f->world->conf, slice_str(path), q.values);
	q.ns = q.route != NULL ? q.route->ns :
	    conf_namespace_find(f->world->conf, slice_str(path));
	assert_non_null(q.ns);
	if (!plain_admit(f->hub, &q, &a, refusal)) {
		admission_fini(&a);
		return (NULL);
	}
	c = fake_conn_new(f);
	c->client = (q.route != NULL && q.route->format == CONF_FORMAT_YJS ?
	    yjs_open : plain_open)(f->hub, &a, &c->out);
	admission_fini(&a);
	assert_non_null(c->client);
	return (c);
}

struct fake_conn *
fake_engine_route(struct fake_host *f, const char *path, bool b64,
    bool polling)
{
	struct client_request q = { .address = f->address };
	struct fake_conn *c = fake_conn_new(f);
	struct refusal refusal;
	struct admission a;

	q.route = conf_route_find(f->world->conf, slice_str(path), q.values);
	assert_non_null(q.route);
	q.ns = q.route->ns;
	assert_true(plain_admit(f->hub, &q, &a, &refusal));
	c->client = polling ?
	    engine_open_polling(f->hub, &a, b64, &c->out) :
	    engine_open(f->hub, &a, b64, &c->out);
	admission_fini(&a);
	assert_non_null(c->client);
	return (c);
}

struct fake_conn *
fake_enter(struct fake_host *f, const char *nsp, const char *token)
{
	struct fake_conn *c = fake_engine(f, token);
	char text[64];

	(void)snprintf(text, sizeof text, "40%s,", nsp);
	fake_say(f, c, text);
	buf_reset(&c->got);
	return (c);
}

void
fake_text(struct fake_host *f, struct fake_conn *c, const char *text)
{
	size_t n = strlen(text);
	uint8_t *copy = malloc(n + 1);

	(void)f;
	assert_non_null(copy);
	memcpy(copy, text, n + 1);
	client_text(c->client, copy, n);
	free(copy);
}

void
fake_gone(struct fake_host *f, struct fake_conn *c)
{
	client_gone(&c->client, c->closed < 0 ? REASON_client_gone :
	    (enum reason)c->closed);
	outq_kill(hub_out(f->hub), &c->out);
}

/* --- turns ---------------------------------------------------------------- */

/* As the relay does it behind a cut. */
static void
follow(const struct fake_world *w, const struct fake_host *from,
    struct slice frame, uint64_t slots[2])
{
	enum bus_kind kind = bus_frame_kind(frame);

	if (w->giver == 0 || !slotset_has(slots, w->giver) ||
	    slotset_has(slots, w->heir) || from->slot == w->heir ||
	    (kind != BUS_PUBLISH && kind != BUS_DISCONNECT &&
	    kind != BUS_ROOMS))
		return;
	slotset_add(slots, w->heir);
	bus_frame_spread((uint8_t *)(uintptr_t)frame.p, slots);
}

static void
deliver(struct fake_world *w, const struct fake_host *from,
    struct slice frame, const uint64_t slots[2])
{
	struct fake_host *to;
	size_t i;

	for (i = 0; i < w->nhosts; i++) {
		to = w->hosts[i];
		if (!slotset_has(slots, to->slot))
			continue;
		assert_ptr_not_equal(to, from);
		hub_bus_frame(to->hub, frame);
	}
}

bool
fake_carry(struct fake_host *f)
{
	struct buf sent = f->bus;
	struct slice in, frame;
	uint64_t slots[2];
	uint16_t flags;
	ssize_t n;

	if (buf_unread(&f->bus).n == 0)
		return (false);
	buf_init(&f->bus);	/* an answer of its own may come at once */
	in = buf_unread(&sent);
	while (in.n > 0) {
		n = bus_frame(in, slots, &flags);
		assert_true(n > 0 && (size_t)n <= in.n);
		frame = slice_of(in.p, (size_t)n);
		follow(f->world, f, frame, slots);
		deliver(f->world, f, frame, slots);
		if (flags & BUS_RELAY)
			buf_slice(&f->relay, frame);
		in = slice_from(in, (size_t)n);
	}
	buf_fini(&sent);
	return (true);
}

void
fake_turn(struct fake_world *w)
{
	bool moved = true;
	size_t i;

	while (moved) {
		moved = false;
		for (i = 0; i < w->nhosts; i++)
			moved |= fake_carry(w->hosts[i]);
		for (i = 0; i < w->nhosts; i++)
			hub_turn_end(w->hosts[i]->hub);
	}
}

static void
tick_due(struct fake_host *f)
{
	struct fake_conn *c;
	size_t i;

	hub_time(f->hub, f->world->now, f->world->wall);
	hub_tick(f->hub);
	for (i = 0; i < f->nconns; i++) {
		c = &f->conns[i];
		if (c->client != NULL &&
		    client_due(c->client).us <= f->world->now.us)
			client_tick(c->client);
	}
}

void
fake_advance(struct fake_world *w, uint64_t ms)
{
	size_t i;

	w->now.us += ms * 1000;
	w->wall.ms += ms;
	for (i = 0; i < w->nhosts; i++)
		tick_due(w->hosts[i]);
	fake_turn(w);
}

const char *
fake_next(struct fake_conn *c)
{
	static char text[70000];
	struct slice in = buf_unread(&c->got);
	size_t head = 2, n;

	if (in.n < 2)
		return ("");
	assert_int_equal(0x81, in.p[0]);
	n = in.p[1];
	if (n == 126) {
		n = (size_t)in.p[2] << 8 | in.p[3];
		head = 4;
	}
	assert_true(n < 65536 && head + n <= in.n);
	memcpy(text, in.p + head, n);
	text[n] = '\0';
	buf_consume(&c->got, head + n);
	return (text);
}

void
fake_say(struct fake_host *f, struct fake_conn *c, const char *text)
{
	fake_text(f, c, text);
	fake_turn(f->world);
}

void
fake_hears(struct fake_conn *c, const char *want)
{
	assert_string_equal(want, fake_next(c));
}

void
fake_starts(struct fake_conn *c, const char *want)
{
	const char *got = fake_next(c);

	if (strncmp(got, want, strlen(want)) != 0)
		assert_string_equal(want, got);
}

const char *
fake_token(const char *claims)
{
	static struct buf b;

	if (b.magic == 0)
		buf_init(&b);
	buf_reset(&b);
	assert_int_equal(0, token_mint(TOKEN_HS256, slice_str(FAKE_SECRET),
	    slice_str(claims), &b));
	buf_byte(&b, '\0');
	return ((const char *)b.data);
}
