/*
 * Headers of the PROXY protocol; see preamble.h.
 */
#include "worker/net/preamble.h"

#include <sys/socket.h>

#include <errno.h>
#include <inttypes.h>

#include "base/address.h"
#include "hub/session/limit.h"
#include "proto/proxy.h"
#include "sys/log.h"
#include "worker/net/accept.h"
#include "worker/net/conn.h"
#include "worker/net/counted.h"
#include "worker/worker.h"

static void
preamble_bad(struct conn *c, const char *why)
{
	static struct log_rate rate;
	char address[ADDRESS_TEXT_MAX];
	uint64_t held;

	counter_add(COUNTER_proxy_failed, 1);
	if (log_rate(&rate, c->w->now, &held))
		log_info("refused what=proxy address=%s why=\"%s\" "
		    "directive=listen.proxy_protocol unsaid=%" PRIu64,
		    address_text(c->address, c->port, address), why, held);
	conn_abort(c, REASON_proxy_failed);
}

/* It is the client's from now on. */
static void
preamble_taken(struct conn *c, const struct proxy *x)
{
	c->proxy = PROXY_OFF;
	c->state = c->tls != NULL ? CONN_TLS : CONN_HTTP;
	if (x->known) {
		memcpy(c->address, x->address, sizeof c->address);
		c->port = x->port;
		c->far_tls = x->tls;
	}
	if (!conn_is_proxied(c) &&
	    !counted_asks(c, limit_address(c->address)))
		accept_refuse_address(c);
}

void
preamble_ready(struct conn *c)
{
	struct worker *w = c->w;
	struct proxy x;
	ssize_t n, used;

	if (!conf_network_listed(w->conf->proxies, w->conf->nproxies,
	    c->address)) {
		preamble_bad(c, "not one of trusted_proxies");
		return;
	}
	n = recv(c->io.fd, w->rbuf, PROXY_MAX, MSG_DONTWAIT | MSG_PEEK);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		conn_abort(c, n == 0 ? REASON_client_gone :
		    REASON_client_reset);
		return;
	}
	used = proxy_decode(slice_of(w->rbuf, (size_t)n),
	    (enum proxy_version)c->proxy, &x);
	if (used == CODEC_MORE && !c->fin)
		return;
	if (used <= 0) {
		preamble_bad(c, used == CODEC_BAD ? x.why : "cut short");
		return;
	}
	/* these have been there a moment ago */
	n = recv(c->io.fd, w->rbuf, (size_t)used, MSG_DONTWAIT);
	if (n != used) {
		conn_abort(c, REASON_client_reset);
		return;
	}
	counter_add(COUNTER_bytes_in, (uint64_t)n);
	preamble_taken(c, &x);
}
