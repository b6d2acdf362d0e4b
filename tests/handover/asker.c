/*
 * Back ends of the fleet: each keeps a connection and asks over it, who is
 * present, and questions that all members of a group have to answer.  Some
 * send the heads of their requests in two halves, seconds apart.  See fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define PATIENCE_MS	45000

enum asks { PRESENCE, HALVES, QUESTION };
struct asker {
	struct link	 link;
	unsigned	 id, member, group;
	enum asks	 asks;
	bool		 waits, warned;
	uint64_t	 asked_us;
	uint32_t	 question;
	struct timer	 timer;
};
static struct asker *askers;
static unsigned naskers, group_first, ngroups;
static uint32_t questions;

static const struct link_ops asker_ops;

static void
asker_request(struct asker *a)
{
	char text[700];
	char body[300];
	uint32_t cut;
	int n;

	a->waits = true;
	a->asked_us = now_us();
	if (a->asks == QUESTION) {
		a->question = ++questions;
		(void)snprintf(body, sizeof body, "{\"namespace\":\"f\","
		    "\"room\":\"g%u\",\"event\":\"asked\",\"data\":{\"n\":%u},"
		    "\"meta\":false,\"ack\":true,\"timeout\":30000}",
		    a->group, a->question);
		n = snprintf(text, sizeof text, "POST /api/v1/publish HTTP/1.1\r\n"
		    "Host: localhost\r\nAuthorization: Bearer %s\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n"
		    "\r\n%s", board->opt.key, strlen(body), body);
		link_send(&a->link, text, (size_t)n);
		return;
	}
	a->member = group_first * GROUP + any(ngroups * GROUP);
	n = snprintf(text, sizeof text, "GET /api/v1/presence/f/u%u HTTP/1.1\r\n"
	    "Host: localhost\r\nAuthorization: Bearer %s\r\n\r\n",
	    a->member, board->opt.key);
	cut = (uint32_t)n / 3 + any((unsigned)n / 3);
	if (a->asks == HALVES)
		link_send_slowly(&a->link, text, (size_t)n, &cut, 1,
		    500 + any(3000));
	else
		link_send(&a->link, text, (size_t)n);
}

static void
asker_ask(void *arg)
{
	struct asker *a = arg;

	if (a->waits) {
		if (!a->warned && !a->link.gated && now_us() - a->asked_us >
		    PATIENCE_MS * UINT64_C(1000)) {
			wrong(WRONG_unanswered, "asker", a->id, "asks %d",
			    a->asks);
			a->warned = true;
		}
		timer_set(&a->timer, 1000, asker_ask, a);
		return;
	}
	if (board->order >= ORDER_HUSH)
		return;
	if (board->order == ORDER_JOIN) {
		timer_set(&a->timer, 200, asker_ask, a);
		return;
	}
	if (a->link.state == LINK_NONE)
		link_call(&a->link, &asker_ops, a);
	else
		asker_request(a);
	timer_set(&a->timer, 1000, asker_ask, a);
}

static void
asker_open(struct link *l)
{
	asker_request(l->arg);
}

static void
asker_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct asker *a = l->arg;
	char want[40];
	bool fine = status == 200;

	(void)head;
	a->waits = false;
	(void)snprintf(want, sizeof want, "\"args\":[%u]", a->question);
	if (a->asks == QUESTION)
		fine = fine && has(body, n, "\"complete\":true") &&
		    number_of(body, n, "\"asked\":") == GROUP &&
		    number_of(body, n, "\"answered\":") == GROUP &&
		    has(body, n, want);
	else
		fine = fine && has(body, n, "\"status\":\"online\"") &&
		    number_of(body, n, "\"connections\":") >= 1;
	if (!fine && !(board->opt.lossy && status == 200))
		wrong(a->asks == QUESTION ? WRONG_http : WRONG_presence,
		    "asker", a->id, "asks %d: %u %.*s (u%u)", a->asks, status,
		    (int)(n > 160 ? 160 : n), n > 160 ? body + n - 160 :
		    body, a->member);
	count(a->asks == QUESTION ? COUNT_asks : a->asks == HALVES ?
	    COUNT_halves : COUNT_requests);
	timer_set(&a->timer, 200 + any(1500), asker_ask, a);
}

static void
asker_closed(struct link *l, const char *why)
{
	struct asker *a = l->arg;

	if (board->order == ORDER_END)
		return;
	if (l->last && !a->waits)
		count(COUNT_reopened);
	else if (board->opt.lossy)
		count(COUNT_ended);
	else
		wrong(WRONG_closed, "asker", a->id, "asks %d, %s: %s", a->asks,
		    a->waits ? "waits" : "idle", why);
	a->waits = false;
	timer_set(&a->timer, 200, asker_ask, a);
}

static const struct link_ops asker_ops = { .open = asker_open,
	.http = asker_http, .closed = asker_closed };

void
askers_start(unsigned n, unsigned first_group, unsigned groups)
{
	unsigned i;

	askers = calloc(n + 1, sizeof *askers);
	if (askers == NULL)
		die("memory");
	naskers = n;
	group_first = first_group;
	ngroups = groups;
	for (i = 0; i < n; i++) {
		askers[i].id = i;
		askers[i].asks = i % 3 == 0 ? PRESENCE : i % 3 == 1 ? HALVES :
		    QUESTION;
		/* of one at a time: a member answers one question */
		askers[i].group = first_group + i / 3;
		if (i / 3 >= groups)
			askers[i].asks = PRESENCE;
		timer_set(&askers[i].timer, any(2000), asker_ask, &askers[i]);
	}
}

bool
askers_hushed(void)
{
	unsigned i;

	for (i = 0; i < naskers; i++)
		if (askers[i].waits)
			return (false);
	return (true);
}
