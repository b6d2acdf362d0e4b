/*
 * From a configuration to sizes; see plan.h.
 */
#include "master/read/plan.h"

#include <string.h>

#include "conf/conf.h"
#include "conf/network.h"
#include "host/check.h"
#include "shm/layout.h"
#include "shm/segment.h"
#include "sys/plat.h"

/* Of a worker, without clients: its own streams, files and sockets. */
#define PLAN_OWN_FILES	16

bool
plan_counts_keys(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].limit_sessions != 0)
			return (true);
	/* whose a session of SockJS is, is counted (shm/count.h) */
	return (conf->limit_per_user != 0 || conf->limit_per_address != 0 ||
	    conf->serves_sockjs);
}

unsigned
plan_room(unsigned workers)
{
	unsigned cpus = plat_cpus(), n = 2 * workers;

	if (n < cpus)
		n = cpus;
	return (n > SHM_WORKERS_MAX ? SHM_WORKERS_MAX : n);
}

void
plan_segment(const struct conf *conf, unsigned workers,
    struct segment_params *sp)
{
	*sp = (struct segment_params){
		.max_workers = plan_room(workers),
		.presence_max = conf->shm_users,
		/* whole: users are listed by name */
		.presence_key_max = conf_presence_key_max(conf),
		/* each user present has a channel too */
		.interest_max = conf->shm_rooms + conf->shm_users,
		.rate_ways = conf->shm_rates,
		.once_ways = conf->shm_publish_ids,
		.revoked_max = conf->shm_revocations,
		.count_max = plan_counts_keys(conf) ? conf->shm_users : 0,
		/* users of each namespace, and of its rooms (status.h) */
		.max_ns = 2 * conf->ns_room,
	};
}

/* --- needs ----------------------------------------------------------------*/

static bool
plan_is_tcp(const struct conf_listen *l)
{
	return (l->naddrs > 0 && l->addrs[0].sa.ss_family != AF_UNIX);
}

/* Is a proxy of this host trusted, one that comes over TCP? */
static bool
plan_near_proxy(const struct conf *conf)
{
	static const uint8_t here[2][16] = {
		{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1 },
		{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
	};

	return (conf_network_listed(conf->proxies, conf->nproxies, here[0]) ||
	    conf_network_listed(conf->proxies, conf->nproxies, here[1]));
}

static void
plan_listens(const struct conf *conf, struct host_needs *n)
{
	const struct conf_listen *l;
	unsigned doors = 0;
	bool plain = false;
	size_t i;

	for (i = 0; i < conf->nlistens; i++) {
		l = &conf->listens[i];
		if (!conf_listen_serves(l, CONF_SERVE_CLIENTS))
			continue;
		plain |= !l->tls;
		doors += plan_is_tcp(l);
	}
	n->tcp = doors > 0;
	n->tls = !plain;
	n->doors = plan_near_proxy(conf) ? doors : 0;
}

void
plan_needs(const struct conf *conf, unsigned workers, struct host_needs *n)
{
	struct segment_params sp;
	unsigned nslots;

	plan_segment(conf, workers, &sp);
	*n = (struct host_needs){ .connections = conf->limit_connections,
		.workers = workers, .backlog = PLAN_BACKLOG,
		.shared = segment_bytes(&sp, &nslots) };
	n->own_files = PLAN_OWN_FILES + nslots +
	    (unsigned)conf->nlistens;
	plan_listens(conf, n);
}
