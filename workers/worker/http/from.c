/*
 * Who asks; see from.h.
 */
#include "worker/http/from.h"

#include "base/address.h"
#include "conf/network.h"
#include "hub/session/limit.h"
#include "proto/http_forwarded.h"
#include "shm/once.h"
#include "sys/log.h"
#include "worker/http/request.h"
#include "worker/net/conn.h"
#include "worker/worker.h"

#define FROM_ENOUGH	20u	/* handshakes that tell who comes */

static bool
from_trusts(const void *arg, const uint8_t address[16])
{
	const struct conf *conf = arg;

	return (conf_network_listed(conf->proxies, conf->nproxies, address));
}

/* By the scheme that a proxy tells; any other than these says nothing. */
static bool
from_secure(const struct request *rq, struct slice proto)
{
	if (slice_caseeq(proto, SLICE("https")) ||
	    slice_caseeq(proto, SLICE("wss")))
		return (true);
	if (slice_caseeq(proto, SLICE("http")) ||
	    slice_caseeq(proto, SLICE("ws")))
		return (false);
	return (conn_is_secure(rq->c));
}

static void
from_proxy(struct request *rq)
{
	const struct conf *conf = rq->w->conf;
	struct forwarded f = { .port = rq->c->port };

	memcpy(f.address, rq->c->address, sizeof f.address);
	if (conf->proxy_header == CONF_PROXY_FORWARDED)
		forwarded_read(&rq->head, from_trusts, conf, &f);
	else
		forwarded_x(&rq->head, from_trusts, conf, &f);
	memcpy(rq->from.address, f.address, sizeof f.address);
	rq->from.port = f.port;
	rq->from.secure = from_secure(rq, f.proto);
	if (f.host.n > 0)
		rq->head.host = f.host;
}

void
from_find(struct request *rq)
{
	const struct conn *c = rq->c;

	memcpy(rq->from.address, c->address, sizeof c->address);
	rq->from.port = c->port;
	rq->from.secure = conn_is_secure(c);
	rq->from.proxied = conn_is_proxied(c);
	if (rq->from.proxied)
		from_proxy(rq);
}

uint64_t
from_key(const struct request *rq)
{
	return (limit_address(rq->from.address));
}

void
from_keep(struct request *rq)
{
	memcpy(rq->c->address, rq->from.address, sizeof rq->c->address);
	rq->c->port = rq->from.port;
}

/* --- a proxy that nobody knows ---------------------------------------------- */

static bool
from_limits(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nrates; i++)
		if (conf->rates[i].per == CONF_PER_ADDRESS)
			return (true);
	return (conf->limit_per_address != 0);
}

/* RFC 1918, 4193, 6598, loopback, link-local; and who has no address. */
static bool
from_is_private(const uint8_t address[16])
{
	static const char *const networks[] = { "unix:", "10.0.0.0/8",
		"172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
		"127.0.0.0/8", "169.254.0.0/16", "fc00::/7", "fe80::/10",
		"::1" };
	struct conf_network net;
	size_t i;

	for (i = 0; i < nitems(networks); i++)
		if (conf_network_parse(networks[i], &net) == NULL &&
		    conf_network_listed(&net, 1, address))
			return (true);
	return (false);
}

void
from_watch(const struct request *rq)
{
	struct worker *w = rq->w;
	char address[ADDRESS_TEXT_MAX];

	if (w->many_addresses || w->conf->nproxies > 0)
		return;
	if (w->only_handshakes++ == 0)
		memcpy(w->only_address, rq->from.address,
		    sizeof w->only_address);
	else if (memcmp(w->only_address, rq->from.address,
	    sizeof w->only_address) != 0)
		w->many_addresses = true;
	if (w->many_addresses || w->only_handshakes < FROM_ENOUGH)
		return;
	w->many_addresses = true;	/* enough is known */
	if (!from_limits(w->conf) || !from_is_private(w->only_address) ||
	    once_claim(w->h->segment, SLICE("proxy_not_trusted"), w->now) !=
	    ONCE_FIRST)
		return;
	log_warnx("proxy_not_trusted address=%s handshakes=%u why=\"limits by "
	    "address take all clients for one\" directive=trusted_proxies",
	    address_text(w->only_address, 0, address), FROM_ENOUGH);
}
