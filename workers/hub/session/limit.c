/*
 * Rates and connections of a user; see limit.h.  Called by inbound.c and
 * rule.c with each event, by admit.c with tokens and when somebody comes in, by
 * socketio.c with packets that are no events, by the host at the handshake.
 */
#include "hub/session/limit.h"

#include <stdlib.h>

#include "hub/hub_int.h"
#include "hub/session/client.h"
#include "hub/session/note.h"
#include "hub/session/principal.h"
#include "proto/sio.h"
#include "shm/count.h"

/* Who has an allowance.  Users are their id; no id begins with a NUL. */
struct payer {
	struct slice	 key;
	uint8_t		 bytes[16];
};

/* The configured rates as buckets have them. */
struct limits {
	struct bucket_rate rates[CONF_RATES_MAX];
	uint64_t	 retry_ms;	/* of the last refusal, 1 or more */
};

struct limits *
limits_new(const struct conf *conf)
{
	struct limits *l = calloc(1, sizeof *l);
	const struct conf_rate *r;
	size_t i;

	if (l == NULL)
		return (NULL);
	for (i = 0; i < conf->nrates; i++) {
		r = &conf->rates[i];
		/* the configuration has been held against these bounds */
		MUST(bucket_rate_init(&l->rates[r->index], r->index, r->allow,
		    r->period_ms * 1000, r->burst));
	}
	l->retry_ms = 1;
	return (l);
}

void
limits_free(struct hub *h)
{
	free(h->limits);
	h->limits = NULL;
}

uint64_t
limit_address(const uint8_t address[16])
{
	static const uint8_t network[8];
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	uint8_t key[8];
	uint64_t number;

	memcpy(key, address, sizeof key);
	if (memcmp(address, nat64, sizeof nat64) == 0)
		memcpy(key + 4, address + 12, 4);
	else if (memcmp(address, network, sizeof network) == 0)
		memcpy(key, address + 8, sizeof key);
	memcpy(&number, key, sizeof number);
	return (number);
}

/* --- charging ------------------------------------------------------------- */

static void
limit_payer_bytes(struct payer *p, char kind, uint64_t id, uint32_t where)
{
	p->bytes[0] = 0;
	p->bytes[1] = (uint8_t)kind;
	memcpy(p->bytes + 2, &id, sizeof id);
	memcpy(p->bytes + 10, &where, sizeof where);
	p->key = slice_of(p->bytes, 14);
}

static void
limit_payer_address(struct payer *p, uint64_t address)
{
	limit_payer_bytes(p, 'a', address, 0);
}

static void
limit_payer(struct payer *p, const struct conf_rate *r, const struct client *c,
    const struct principal *who)
{
	const struct hub *h = c->hub;

	if (r->per == CONF_PER_USER && who != NULL)
		p->key = principal_user(who);
	else if (r->per == CONF_PER_ADDRESS && c->address != 0)
		limit_payer_address(p, c->address);
	else
		limit_payer_bytes(p, 'c', c->serial,
		    (uint32_t)h->slot << 16 | h->generation);
}

/* The answer, and when to ask again if it is no. */
static bool
limit_verdict(struct hub *h, enum bucket_verdict v, uint64_t retry_us)
{
	if (v == BUCKET_ALLOW)
		return (true);
	h->limits->retry_ms = retry_us / 1000 + 1;
	counter_add(COUNTER_rate_limited, 1);
	return (false);
}

static bool
limit_charge(struct hub *h, const struct conf_rate *r, const struct payer *p)
{
	enum bucket_verdict v;
	uint64_t retry_us;

	v = bucket_check(h->segment, &h->limits->rates[r->index], p->key, 1,
	    h->now, &retry_us);
	return (limit_verdict(h, v, retry_us));
}

static bool
limit_peek(struct hub *h, const struct conf_rate *r, const struct payer *p)
{
	enum bucket_verdict v;
	uint64_t retry_us;

	v = bucket_peek(h->segment, &h->limits->rates[r->index], p->key, 1,
	    h->now, &retry_us);
	return (limit_verdict(h, v, retry_us));
}

/* --- at the handshake ----------------------------------------------------- */

bool
limit_connect_asks(struct hub *h, uint64_t address)
{
	const struct conf_rate *r = h->conf->rate_connects;
	struct payer p;

	CHECK_MAGIC(h, HUB_MAGIC);
	if (r == NULL || address == 0)
		return (true);
	limit_payer_address(&p, address);
	return (limit_peek(h, r, &p));
}

bool
limit_connect(struct hub *h, uint64_t address)
{
	const struct conf_rate *r = h->conf->rate_connects;
	struct payer p;

	CHECK_MAGIC(h, HUB_MAGIC);
	if (r == NULL || address == 0)
		return (true);
	limit_payer_address(&p, address);
	return (limit_charge(h, r, &p));
}

bool
limit_token(struct hub *h, uint64_t address)
{
	const struct conf_rate *r = h->conf->rate_auth_failures;
	struct payer p;

	if (r == NULL || address == 0)
		return (true);
	limit_payer_address(&p, address);
	return (limit_peek(h, r, &p));
}

void
limit_token_failed(struct hub *h, uint64_t address)
{
	const struct conf_rate *r = h->conf->rate_auth_failures;
	struct payer p;

	if (r == NULL || address == 0)
		return;
	limit_payer_address(&p, address);
	/* the answer matters to the next one only */
	(void)bucket_check(h->segment, &h->limits->rates[r->index], p.key, 1,
	    h->now, NULL);
}

uint64_t
limit_retry_ms(const struct hub *h)
{
	CHECK_MAGIC(h, HUB_MAGIC);
	return (h->limits->retry_ms);
}

/* --- connections of a user ------------------------------------------------ */

/* A session of this client that is the user's. */
static struct session *
limit_session_of(const struct client *c, const struct principal *who)
{
	struct session *s;

	for (s = c->sessions; s != NULL; s = s->next)
		if (principal_is(s->who, who))
			return (s);
	return (NULL);
}

static bool
limit_enter_user(struct hub *h, const struct client *c,
    const struct principal *who, uint32_t *node)
{
	if (h->conf->limit_per_user == 0 || who == NULL || h->count == NULL ||
	    (c != NULL && limit_session_of(c, who) != NULL))
		return (true);
	if (count_enter_key(h->count, COUNT_USER, principal_user(who),
	    h->conf->limit_per_user, node)) {
		event_user(h->events->user_came, h, who);
		return (true);
	}
	counter_add(COUNTER_refused_user, 1);
	return (false);
}

static bool
limit_enter_namespace(struct hub *h, const struct conf_namespace *ns,
    uint32_t *node)
{
	if (ns->limit_sessions == 0 || h->count == NULL ||
	    count_enter_key(h->count, COUNT_NAMESPACE, slice_of(ns->name,
	    ns->name_len), ns->limit_sessions, node))
		return (true);
	counter_add(COUNTER_refused_namespace, 1);
	return (false);
}

bool
limit_session(struct hub *h, const struct client *c,
    const struct conf_namespace *ns, const struct principal *who,
    struct limit_nodes *nodes, const char **why)
{
	*nodes = (struct limit_nodes){ 0, 0 };
	*why = "too many connections of this user";
	if (!limit_enter_user(h, c, who, &nodes->user))
		return (false);
	*why = "too many clients in this namespace";
	if (limit_enter_namespace(h, ns, &nodes->ns))
		return (true);
	limit_give_back(h->count, nodes);
	return (false);
}

void
limit_give_back(struct count *count, struct limit_nodes *nodes)
{
	if (nodes->user != 0)
		count_leave_key(count, nodes->user);
	if (nodes->ns != 0)
		count_leave_key(count, nodes->ns);
	*nodes = (struct limit_nodes){ 0, 0 };
}

void
limit_take(struct session *s, const struct client *c)
{
	struct hub *h = s->hub;
	const struct conf_namespace *ns = s->ns;

	s->counted = (struct limit_nodes){ 0, 0 };
	if (h->count == NULL)
		return;
	if (h->conf->limit_per_user != 0 && s->who != NULL &&
	    limit_session_of(c, s->who) == NULL &&
	    !count_enter_key(h->count, COUNT_USER, principal_user(s->who),
	    COUNT_KEY_MAX, &s->counted.user))
		s->counted.user = 0;
	if (ns->limit_sessions != 0 && !count_enter_key(h->count,
	    COUNT_NAMESPACE, slice_of(ns->name, ns->name_len), COUNT_KEY_MAX,
	    &s->counted.ns))
		s->counted.ns = 0;
}

void
limit_session_left(struct session *s)
{
	struct session *heir = NULL;

	if (s->counted.user != 0)
		heir = limit_session_of(s->client, s->who);
	if (heir != NULL) {
		heir->counted.user = s->counted.user;
		s->counted.user = 0;
	}
	limit_give_back(s->hub->count, &s->counted);
}

/* --- events --------------------------------------------------------------- */

/* So many refusals in the rate's time are enough. */
static bool
limit_is_struck_out(struct client *c, const struct conf_rate *r)
{
	struct mono now = c->hub->now;

	if (r->strikes == 0)
		return (false);
	if (c->strikes == 0 ||
	    now.us - when_us(c->struck, now) > r->period_ms * 1000) {
		c->strikes = 0;
		c->struck = when_of(now.us);
	}
	return (++c->strikes >= r->strikes);
}

/* A DISCONNECT keeps stock Socket.IO clients from coming back at once. */
static void
limit_strike_out(struct session *s)
{
	struct buf *b = &s->hub->text;

	if (wire_is_socketio(s->wire)) {
		buf_reset(b);
		sio_encode_disconnect(b, slice_of(s->ns->name,
		    s->ns->name_len));
		session_send(s, b);
	}
	client_close(s->client, REASON_too_many_requests);
}

bool
limit_event(struct session *s, const struct inbound *in,
    const struct conf_rate *r)
{
	struct payer p;

	limit_payer(&p, r, s->client, s->who);
	if (likely(limit_charge(s->hub, r, &p)))
		return (true);
	note_rate_limited(s->client, s);
	refuse_rate(s, in, s->hub->limits->retry_ms);
	if (limit_is_struck_out(s->client, r))
		limit_strike_out(s);
	return (false);
}

bool
limit_message(struct session *s, const struct inbound *in)
{
	const struct conf_rate *r = s->hub->conf->rate_messages;

	return (r == NULL || limit_event(s, in, r));
}

bool
limit_packet(struct client *c, const struct principal *who)
{
	const struct conf_rate *r = c->hub->conf->rate_messages;
	struct payer p;

	if (r == NULL)
		return (true);
	limit_payer(&p, r, c, who);
	if (limit_charge(c->hub, r, &p))
		return (true);
	counter_add(COUNTER_rejected_rate, 1);
	note_rate_limited(c, NULL);
	if (limit_is_struck_out(c, r))
		client_close(c, REASON_too_many_requests);
	return (false);
}
