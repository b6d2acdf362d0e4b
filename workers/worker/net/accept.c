/*
 * New connections.  Level-triggered, a limited number per turn, so that a
 * storm of connects leaves time for those who are connected.
 */
#include "worker/net/accept.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/key/identity.h"
#include "base/secrets.h"
#include "conf/network.h"
#include "hub/session/limit.h"
#include "proto/proxy.h"
#include "shm/count.h"
#include "shm/slots.h"
#include "sys/log.h"
#include "sys/plat.h"
#include "worker/net/bus_port.h"
#include "worker/net/conn.h"
#include "worker/net/counted.h"
#include "worker/net/ticket.h"
#include "worker/net/tls.h"
#include "worker/worker.h"

#define ACCEPT_BUDGET	128	/* per listener and turn */
#define ACCEPT_BUDGET_TLS 16	/* each costs a handshake */
#define ACCEPT_REST	4096	/* ... and at the end: about a queue */
#define ACCEPT_REFUSALS	256	/* refused ones told at the same time */
#define ACCEPT_REFUSE_MS 1000	/* given to read that */
#define ACCEPT_BACKOFF_MS 100

struct accept_refusal {
	enum counter	 counter;
	enum counter	 class;
	const char	*response;
};

#define ACCEPT_FULL							\
	"HTTP/1.1 503 Service Unavailable\r\n"				\
	"Connection: close\r\n"						\
	"Content-Type: application/json\r\n"				\
	"Content-Length: 67\r\n"					\
	"Retry-After: 5\r\n"						\
	"\r\n"								\
	"{\"error\":{\"code\":\"unavailable\","				\
	"\"message\":\"too many connections\"}}\r\n"

static const struct accept_refusal accept_full = {
	COUNTER_refused_limit, COUNTER_http_5xx, ACCEPT_FULL
};

static const struct accept_refusal accept_address_full = {
	COUNTER_refused_address, COUNTER_http_4xx,
	"HTTP/1.1 429 Too Many Requests\r\n"
	"Connection: close\r\n"
	"Content-Type: application/json\r\n"
	"Content-Length: 77\r\n"
	"Retry-After: 5\r\n"
	"\r\n"
	"{\"error\":{\"code\":\"limit\","
	"\"message\":\"too many connections of your address\"}}\r\n"
};

static const struct accept_refusal accept_short_of_files = {
	COUNTER_refused_memory, COUNTER_http_5xx, ACCEPT_FULL
};

static void
accept_watch(struct worker *w, bool on)
{
	struct listener *l;
	size_t i;

	if (w->listening == on)
		return;
	w->listening = on;
	for (i = 0; i < w->nlisteners; i++) {
		l = &w->listeners[i];
		if (loop_mod(w->loop, &l->io, on ? LOOP_IN : 0) == 0)
			continue;
		log_warn("listener_watch");
		w->listening = false;	/* the tick tries again */
		w->accept_again = mono_add_ms(w->now, ACCEPT_BACKOFF_MS);
	}
}

/* --- too many ------------------------------------------------------------ */

/* Where each kind of connection stops: role_kept_files() are not for clients;
 * a quarter of these serve sessions that other workers pass on, half of them
 * status pages, and the rest is ours. */
static void
accept_plan(struct worker *w)
{
	uint64_t files = plat_nofile();
	unsigned kept = role_kept_files(files), n = (unsigned)w->h->nlisteners;
	int last;

	last = files > INT_MAX ? INT_MAX : (int)files;
	w->fd_clients = last - (int)kept;
	w->fd_passed = last - (int)kept * 3 / 4;
	w->fd_status = last - (int)kept / 4;
	w->max_guests = n == 0 || kept / 4 / n == 0 ? 1 : kept / 4 / n;
}

/*
 * One more of the host and of its address: counted before it is let in, so
 * that workers that accept at the same time can't go beyond the limit
 * together.  NULL: it may come in, *node is its address's count.
 */
static const struct accept_refusal *
accept_enter(struct worker *w, const struct sockaddr_storage *ss,
    uint32_t *node)
{
	uint8_t address[16];
	uint64_t key;

	*node = 0;
	if (!count_enter(w->count, w->conf->limit_connections))
		return (&accept_full);
	(void)conn_address(ss, address);
	key = limit_address(address);
	/* a proxy is many clients: each request tells whose it is */
	if (w->conf->limit_per_address == 0 || key == 0 ||
	    conf_network_listed(w->conf->proxies, w->conf->nproxies,
	    address) ||
	    count_enter_key(w->count, COUNT_ADDRESS,
	    slice_of(&key, sizeof key), w->conf->limit_per_address, node))
		return (NULL);
	count_leave(w->count);
	return (&accept_address_full);
}

/* A connection that we have; one that we can't have is not counted. */
static struct conn *
accept_take(struct worker *w, int fd, struct tls_ctx *tls,
    const struct sockaddr_storage *ss)
{
	struct conn *c;

	c = conn_new(w, fd, tls, ss);
	if (c != NULL)
		counter_add(COUNTER_connections_accepted, 1);
	return (c);
}

/* Whose it is comes first. */
static void
accept_expect(struct conn *c, const struct listener *l)
{
	if (l->proxy == PROXY_OFF)
		return;
	c->proxy = l->proxy & 3u;
	c->state = CONN_PREAMBLE;
}

static void
accept_told(struct conn *c)
{
	conn_record_refused(c, c->address, c->port, slice_of(NULL, 0),
	    "limit");
}

/* Tell the client and close.  What it has sent already is read first, or it
 * would reset the answer away. */
static void
accept_turn_away(struct worker *w, int fd, bool tls,
    const struct accept_refusal *why)
{
	counter_add(why->counter, 1);
	if (!tls) {
		(void)recv(fd, w->rbuf, WORKER_RBUF, MSG_DONTWAIT);
		(void)send(fd, why->response, strlen(why->response),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		counter_add(why->class, 1);
	}
	(void)close(fd);
}

/* Beyond the limit, but status pages must be told: the request decides. */
static bool
accept_guest(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *ss)
{
	struct conn *c;

	if (!l->status || l->tls != NULL || l->guests >= w->max_guests ||
	    fd >= w->fd_status)
		return (false);
	c = accept_take(w, fd, NULL, ss);
	if (c == NULL)
		return (true);
	accept_expect(c, l);
	c->guest = true;
	c->no_clients = !l->clients;
	c->no_api = !l->api;
	c->address_node = (uint32_t)(l - w->listeners);
	l->guests++;
	c->deadline = mono_add_ms(w->now, ACCEPT_REFUSE_MS);
	conn_rearm(c);
	return (true);
}

static const struct accept_refusal *
accept_why_guest(const struct conn *c)
{
	return (c->io.fd >= c->w->fd_clients ? &accept_short_of_files :
	    &accept_full);
}

void
accept_note_guest(struct conn *c)
{
	counter_add(accept_why_guest(c)->counter, 1);
	accept_told(c);
}

void
accept_refuse_guest(struct conn *c)
{
	const struct accept_refusal *why = accept_why_guest(c);

	accept_note_guest(c);
	counter_add(why->class, 1);
	c->half = true;
	conn_say(c, slice_str(why->response));
	conn_close(c, REASON_too_many_requests);
}

void
accept_refuse_address(struct conn *c)
{
	struct worker *w = c->w;

	counter_add(accept_address_full.counter, 1);
	accept_told(c);
	if (c->tls != NULL || w->refusals >= ACCEPT_REFUSALS) {
		conn_abort(c, REASON_too_many_requests);
		return;
	}
	c->refused = true;
	w->refusals++;
	c->half = true;
	counter_add(accept_address_full.class, 1);
	conn_say(c, slice_str(accept_address_full.response));
	conn_close(c, REASON_too_many_requests);
}

/* Of a client that has no connection here. */
static void
accept_note_turned_away(struct worker *w, const struct sockaddr_storage *ss)
{
	const struct client_noted n = { .note = CLIENT_REFUSED,
		.what = SLICE("limit") };
	uint8_t address[16];
	struct record r = { .w = w, .address = address };

	r.port = conn_address(ss, address);
	record_note(&r, TRAIL_REFUSED, &n);
}

/*
 * Tell the client, then wait a little for it to go: bytes that nobody read
 * would reset the answer away.  Over TLS that is not worth a handshake.
 */
static void
accept_refuse(struct worker *w, struct listener *l, int fd,
    const struct sockaddr_storage *ss, const struct accept_refusal *why)
{
	struct conn *c;

	if (why != &accept_address_full && accept_guest(w, l, fd, ss))
		return;
	if (l->tls != NULL || w->refusals >= ACCEPT_REFUSALS ||
	    fd >= w->fd_clients) {
		accept_turn_away(w, fd, l->tls != NULL, why);
		accept_note_turned_away(w, ss);
		return;
	}
	counter_add(why->counter, 1);
	c = accept_take(w, fd, NULL, ss);
	if (c == NULL)
		return;
	c->refused = true;
	accept_told(c);
	w->refusals++;
	c->half = true;
	counter_add(why->class, 1);
	conn_say(c, slice_str(why->response));
	conn_close(c, REASON_too_many_requests);
}

/* --- too few descriptors ------------------------------------------------- */

/* Clients that come and go at the limit are no news each time. */
static void
accept_short(struct worker *w)
{
	static struct log_rate rate;
	uint64_t held;

	if (w->short_of_fds || !log_rate(&rate, w->now, &held))
		return;
	w->short_of_fds = true;
	log_warnx("accept_short open=%zu files=%" PRIu64 " held=%" PRIu64,
	    w->nconns, plat_nofile(), held);
}

void
accept_yield(struct worker *w)
{
	if (w->reserve_fd != -1)
		(void)close(w->reserve_fd);
	w->reserve_fd = -1;	/* until the tick */
}

bool
accept_turned_away(struct worker *w, int fd)
{
	if (fd < w->fd_passed)
		return (false);
	accept_short(w);
	accept_turn_away(w, fd, false, &accept_short_of_files);
	return (true);
}

/* One waits and cannot be accepted, here or on the whole host: give up the
 * reserve to tell it so. */
static void
accept_starved(struct worker *w, struct listener *l)
{
	int fd;

	counter_add(COUNTER_accept_failed, 1);
	accept_short(w);
	if (w->reserve_fd != -1) {
		accept_yield(w);
		fd = accept4(l->io.fd, NULL, NULL,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd != -1)
			accept_turn_away(w, fd, l->tls != NULL,
			    &accept_short_of_files);
		w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	}
	w->accept_again = mono_add_ms(w->now, ACCEPT_BACKOFF_MS);
	accept_watch(w, false);
}

static void
accept_recovered(struct worker *w)
{
	if (!w->short_of_fds)
		return;
	w->short_of_fds = false;
	log_info("accept_recovered open=%zu", w->nconns);
}

/* --- one ----------------------------------------------------------------- */

/* false: nothing more to accept now. */
static bool
accept_one(struct worker *w, struct listener *l)
{
	struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
	const struct accept_refusal *why;
	socklen_t len = sizeof ss;
	const int on = 1;
	struct conn *c;
	uint32_t node;
	int fd;

	fd = accept4(l->io.fd, (struct sockaddr *)&ss, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd == -1) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			accept_starved(w, l);
		/* the rest: none there, or it has gone already */
		return (errno == ECONNABORTED || errno == EINTR);
	}
	if (l->tcp)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (fd >= w->fd_clients) {
		accept_short(w);
		accept_refuse(w, l, fd, &ss, &accept_short_of_files);
		return (true);
	}
	accept_recovered(w);
	why = accept_enter(w, &ss, &node);
	if (why != NULL) {
		accept_refuse(w, l, fd, &ss, why);
		return (true);
	}
	c = accept_take(w, fd, l->tls, &ss);
	if (c == NULL) {
		counted_ended(w, node);
		counter_add(COUNTER_refused_memory, 1);
		return (true);
	}
	accept_expect(c, l);
	c->secure = l->tls != NULL;
	c->no_clients = !l->clients;
	c->no_api = !l->api;
	c->no_status = !l->status;
	c->deflate = l->deflate ? DEFLATE_NONE : CONN_NO_DEFLATE;
	c->counted = true;
	c->address_node = node;
	return (true);
}

static void
accept_event(struct loop_fd *f, unsigned events)
{
	struct listener *l = container_of(f, struct listener, io);
	unsigned i, budget;

	(void)events;
	slot_does(l->w->row, SLOT_ACCEPTING);
	/* they wait where they cost no memory, and no timeout runs */
	if (l->tls != NULL && conn_tls_is_busy(l->w))
		return;
	budget = l->tls != NULL ? ACCEPT_BUDGET_TLS : ACCEPT_BUDGET;
	for (i = 0; i < budget && l->w->listening; i++)
		if (!accept_one(l->w, l))
			break;
}

/* --- all ----------------------------------------------------------------- */

/* The secret of this daemon, or those of all hosts. */
static void
accept_tickets(struct worker *w)
{
	struct secrets s = { .n = 1, .each[0] = w->h->tls_secret };

	if (w->h->tls_secrets.n > 0)
		MUST(secrets_split(&s, w->h->tls_secrets) == NULL);
	w->tickets = tickets_new(s.each, s.n, w->conf->tls_ticket_ms);
	if (w->tickets == NULL)
		fatal("tickets");
}

static struct tls_ctx *
accept_tls(struct worker *w, const struct conf_listen *cl,
    const struct heritage_tls *ht)
{
	const struct conf *conf = w->conf;
	const struct identity_terms terms = { .ciphers = conf->tls_ciphers,
		.curves = conf->tls_curves, .ktls = conf->tls_ktls,
		.only_1_3 = conf->tls_min_version == CONF_TLS_1_3,
		.client_ca = ht->client_ca,
		.client_must = cl->client_verify == CONF_CLIENT_REQUIRED };
	const struct tls_params p = { .certificates = ht->certificates,
		.ncertificates = ht->ncertificates, .terms = &terms,
		.client_user = cl->client_user, .tickets = w->tickets,
		.now = &w->wall };
	struct tls_ctx *tls;
	const char *why;

	tls = tls_ctx_new(&p, &why);
	if (tls == NULL)
		fatalx(EX_CONFIG, "listen address=%s tls=\"%s\"", cl->text,
		    why);
	return (tls);
}

static void
accept_open_one(struct worker *w, const struct heritage_listener *hl)
{
	const struct conf_listen *cl = &w->conf->listens[hl->index];
	struct listener *l = &w->listeners[w->nlisteners++];

	l->w = w;
	l->io.fd = -1;
	l->tcp = cl->addrs[0].sa.ss_family != AF_UNIX;
	l->proxy = cl->proxy_protocol;
	l->clients = conf_listen_serves(cl, CONF_SERVE_CLIENTS);
	l->deflate = cl->deflate;
	l->api = conf_listen_serves(cl, CONF_SERVE_API);
	l->status = conf_listen_serves(cl, CONF_SERVE_STATUS);
	if (cl->tls)
		l->tls = accept_tls(w, cl, &w->h->tls[hl->index]);
	if (loop_add(w->loop, &l->io, hl->fd, LOOP_IN, accept_event) == -1)
		fatal("listen address=%s", cl->text);
}

void
accept_open(struct worker *w)
{
	size_t i;

	accept_plan(w);
	accept_tickets(w);
	w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < w->h->nlisteners; i++)
		accept_open_one(w, &w->h->listeners[i]);
	w->listening = true;
	accept_tick(w);
}

void
accept_rest(struct worker *w)
{
	size_t i;
	unsigned n;

	for (i = 0; i < w->nlisteners; i++)
		for (n = 0; n < ACCEPT_REST && w->listening; n++)
			if (!accept_one(w, &w->listeners[i]))
				break;
}

void
accept_close(struct worker *w)
{
	struct listener *l;
	size_t i;

	w->listening = false;
	for (i = 0; i < w->nlisteners; i++) {
		l = &w->listeners[i];
		loop_del(w->loop, &l->io);
		(void)close(l->io.fd);
		/* the connections' TLS objects hold what they need */
		tls_ctx_free(&l->tls);
	}
	w->nlisteners = 0;
	if (w->reserve_fd != -1)
		(void)close(w->reserve_fd);
	w->reserve_fd = -1;
}

/* Are there descriptors for clients again, though none comes? */
static void
accept_look(struct worker *w)
{
	int fd;

	if (!w->short_of_fds || w->reserve_fd == -1)
		return;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return;
	(void)close(fd);
	if (fd < w->fd_clients)
		accept_recovered(w);
}

void
accept_tick(struct worker *w)
{
	if (w->nlisteners == 0)
		return;
	if (w->reserve_fd == -1 && bus_port_up(w->bus))
		w->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	accept_look(w);
	if (!w->listening && w->accept_again.us <= w->now.us)
		accept_watch(w, true);
}
