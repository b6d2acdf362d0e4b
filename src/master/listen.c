/*
 * The addresses of all listen sections, as a set; see listen.h.  What follows
 * another set shares with it what both have.
 */
#include "master/listen_int.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "sys/log.h"

#define LISTEN_TRIES	16	/* for a port that is free in both kinds */

/* What one of them is opened with. */
struct listen_way {
	struct listen_set *set;
	const struct listen_set *before; /* that it follows, or NULL */
	const struct plat_user *owner;
};

static int
listen_why(const struct conf_listen *conf, char *why, size_t cap)
{
	int error = errno;

	/* no double quotes: it becomes a value of a log line */
	(void)snprintf(why, cap, "listen '%s' (line %d): %s", conf->text,
	    conf->line, strerror(error));
	if (error == EADDRINUSE)
		return (EX_UNAVAILABLE);
	return (error == EACCES || error == EPERM ? EX_NOPERM : EX_OSERR);
}

/* A kernel or an interface without IPv6, or without IPv4. */
static bool
listen_lacking(int error)
{
	return (error == EAFNOSUPPORT || error == EADDRNOTAVAIL ||
	    error == EPROTONOSUPPORT);
}

/* The port that the section's first address was given. */
static void
listen_take_port(struct conf_addr *to, const struct listen_address *first)
{
	in_port_t port = listen_port(&first->addr);

	if (to->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)&to->sa)->sin6_port = port;
	else
		((struct sockaddr_in *)&to->sa)->sin_port = port;
}

static bool
listen_has(const struct listen_set *set, const struct listen_address *a)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (set->one[i].address == a)
			return (true);
	return (false);
}

/* The sockets that there are for it already.  The kernel chose a port for a
 * section, not for an address; of several such, for one after the other. */
static struct listen_address *
listen_had(const struct listen_way *way, const struct conf_listen *conf,
    const struct conf_addr *at)
{
	struct listen_address *a;
	size_t i;

	for (i = 0; way->before != NULL && i < way->before->n; i++) {
		a = way->before->one[i].address;
		if (memcmp(&a->asked, &at->sa, sizeof at->sa) == 0 &&
		    !listen_has(way->set, a) &&
		    (at->sa.ss_family == AF_UNIX || listen_port(&at->sa) != 0 ||
		    strcmp(a->text, conf->text) == 0))
			return (a);
	}
	return (NULL);
}

/* We have its port, at another address that may be a part of this one. */
static bool
listen_has_port(const struct listen_way *way, const struct conf_addr *at)
{
	const struct listen_address *a;
	size_t i;

	if (at->sa.ss_family == AF_UNIX || listen_port(&at->sa) == 0)
		return (false);
	for (i = 0; way->before != NULL && i < way->before->n; i++) {
		a = way->before->one[i].address;
		if (a->addr.ss_family != AF_UNIX &&
		    listen_port(&a->addr) == listen_port(&at->sa))
			return (true);
	}
	return (false);
}

/* One of a section's addresses, to the row behind the set's last. */
static int
listen_add(const struct listen_way *way, size_t index,
    const struct conf_listen *conf, const struct conf_addr *asked,
    const struct listen_address *first)
{
	struct listen_one *one = &way->set->one[way->set->n];
	struct conf_addr at = *asked;

	*one = (struct listen_one){ .index = index, .tls = conf->tls };
	one->address = listen_had(way, conf, asked);
	if (one->address != NULL) {
		if (listen_address_widen(one->address,
		    way->set->nworkers) == -1)
			return (-1);
		one->address->refs++;
	} else {
		if (first != NULL)
			listen_take_port(&at, first);
		one->address = listen_address_open(conf, &at,
		    way->set->nworkers, listen_has_port(way, &at), way->owner);
		if (one->address == NULL)
			return (-1);
		one->address->asked = asked->sa;
		one->added = true;
	}
	way->set->n++;
	return (0);
}

/* The addresses of a section; -1 + errno: none stays. */
static int
listen_add_all(const struct listen_way *way, size_t index,
    const struct conf_listen *conf)
{
	struct listen_set *set = way->set;
	size_t before = set->n;
	unsigned i;
	int error = 0;

	for (i = 0; i < conf->naddrs; i++) {
		if (conf->naddrs > 1 && listen_given_covers(way->before,
		    &conf->addrs[i].sa))
			continue;
		if (listen_add(way, index, conf, &conf->addrs[i],
		    set->n > before ? set->one[before].address : NULL) == 0)
			continue;
		error = errno;
		if (conf->naddrs > 1 && listen_lacking(error)) {
			log_info("listen_without addr=%s family=%s why=\"%s\"",
			    conf->text, conf->addrs[i].sa.ss_family ==
			    AF_INET6 ? "ipv6" : "ipv4", strerror(error));
			continue;
		}
		while (set->n > before)
			listen_address_unref(&set->one[--set->n].address);
		break;
	}
	errno = error;
	return (set->n == before ? -1 : 0);
}

/* With port 0, what is free for one kind may be taken for the other. */
static int
listen_add_section(const struct listen_way *way, size_t index,
    const struct conf_listen *conf)
{
	bool any = conf->naddrs > 1 && listen_port(&conf->addrs[0].sa) == 0;
	int r, tries = 0;

	do
		r = listen_add_all(way, index, conf);
	while (r == -1 && any && errno == EADDRINUSE &&
	    ++tries < LISTEN_TRIES);
	return (r);
}

int
listen_follow(const struct conf *conf, unsigned nworkers,
    const struct plat_user *owner, struct listen_set *before,
    struct listen_set **set_r, char *why, size_t cap)
{
	struct listen_way way = { .before = before, .owner = owner };
	struct listen_set *set;
	int code;
	size_t i;

	MUST(conf->nlistens <= ROLE_LISTENERS_MAX);
	set = calloc(1, sizeof *set);
	if (set == NULL) {
		(void)snprintf(why, cap, "%s", strerror(errno));
		return (EX_OSERR);
	}
	set->magic = LISTEN_MAGIC;
	set->nworkers = nworkers;
	way.set = set;
	for (i = 0; i < conf->nlistens; i++) {
		if (listen_add_section(&way, i, &conf->listens[i]) == -1) {
			code = listen_why(&conf->listens[i], why, cap);
			listen_close(&set);
			if (before != NULL)
				listen_narrow(before);
			return (code);
		}
	}
	if (before == NULL ? listen_given_left(why, cap) :
	    listen_given_lost(before, set, why, cap)) {
		listen_close(&set);
		if (before != NULL)
			listen_narrow(before);
		return (EX_CONFIG);
	}
	*set_r = set;
	return (EX_OK);
}

int
listen_open(const struct conf *conf, unsigned nworkers,
    const struct plat_user *owner, struct listen_set **set_r, char *why,
    size_t cap)
{
	return (listen_follow(conf, nworkers, owner, NULL, set_r, why, cap));
}

void
listen_close(struct listen_set **setp)
{
	struct listen_set *set;
	size_t i;

	set = *setp;
	if (set == NULL)
		return;
	*setp = NULL;
	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		listen_address_unref(&set->one[i].address);
	set->magic = 0;
	free(set);
}

/* --- more workers, or fewer ------------------------------------------------*/

void
listen_steer(struct listen_set *set)
{
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		listen_address_steer(set->one[i].address, set->nworkers);
}

bool
listen_without(struct listen_set *set, uint64_t workers)
{
	bool good = true;
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		if (listen_address_without(set->one[i].address, workers) == -1)
			good = false;
	return (good);
}

bool
listen_idle(const struct listen_set *set)
{
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		if (!listen_address_idle(set->one[i].address, set->nworkers))
			return (false);
	return (true);
}

void
listen_narrow(struct listen_set *set)
{
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++)
		listen_address_narrow(set->one[i].address, set->nworkers);
}

void
listen_dress(const struct listen_set *set, const struct conf *conf)
{
	const struct conf_listen *l;
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		l = &conf->listens[set->one[i].index];
		if (listen_address_mode(set->one[i].address, l->mode) == -1)
			log_warn("listen_mode addr=%s", l->text);
	}
}

/* --- what there is ---------------------------------------------------------*/

static bool
listen_name(const struct listen_address *l, char *name, size_t cap)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (l->addr.ss_family == AF_UNIX)
		(void)snprintf(name, cap, "%s", l->text);
	else if (getnameinfo((const struct sockaddr *)&l->addr, l->addrlen,
	    host, sizeof host, port, sizeof port, NI_NUMERICHOST |
	    NI_NUMERICSERV) != 0)
		return (false);
	else
		(void)snprintf(name, cap, l->addr.ss_family == AF_INET6 ?
		    "[%s]:%s" : "%s:%s", host, port);
	return (true);
}

void
listen_log(const struct listen_set *set)
{
	char name[NI_MAXHOST + NI_MAXSERV + 3];
	const struct listen_one *one;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (one = set->one; one < set->one + set->n; one++)
		if (one->added && listen_name(one->address, name, sizeof name))
			log_info("listening addr=%s listener=%zu tls=%s", name,
			    one->index + 1, one->tls ? "yes" : "no");
}

void
listen_log_gone(const struct listen_set *set)
{
	char name[NI_MAXHOST + NI_MAXSERV + 3];
	const struct listen_one *one;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (one = set->one; one < set->one + set->n; one++)
		if (one->address->refs == 1 &&
		    listen_name(one->address, name, sizeof name))
			log_info("listening_no_more addr=%s", name);
}

size_t
listen_column(const struct listen_set *set, unsigned worker,
    struct heritage_listener out[ROLE_SOCKETS_MAX])
{
	const struct listen_address *l;
	size_t i;

	CHECK_MAGIC(set, LISTEN_MAGIC);
	for (i = 0; i < set->n; i++) {
		l = set->one[i].address;
		MUST(listen_is_one(l) || worker < l->nfds);
		out[i].fd = l->fds[listen_is_one(l) ? 0 : worker];
		out[i].index = (unsigned)set->one[i].index;
	}
	return (set->n);
}
