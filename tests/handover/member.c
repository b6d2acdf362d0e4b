/*
 * A member of a group: comes over Socket.IO or as a plain client, over
 * WebSocket or polling, and stays; see fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define SLACK_MS	3000	/* by which a heartbeat may be late */
#define WS_TARGET	"/socket.io/?EIO=4&transport=websocket"
#define POLL_TARGET	"/socket.io/?EIO=4&transport=polling"

static const struct link_ops ws_ops, get_ops, post_ops;

static void
member_ended(struct member *m, const char *why)
{
	bool was_here = m->state == MEMBER_HERE;

	if (m->state == MEMBER_DEAD)
		return;
	m->state = MEMBER_DEAD;
	link_end(&m->link);
	link_end(&m->post);
	timer_stop(&m->say_timer);
	timer_stop(&m->ask_timer);
	timer_stop(&m->tell_timer);
	if (was_here)
		me->here--;
	if (board->order == ORDER_END)
		return;
	if (!was_here)
		wrong(WRONG_refused, "member", m->id, "kind %d: %s", m->kind,
		    why);
	else if (board->opt.lossy)
		count(COUNT_ended);
	else
		wrong(WRONG_closed, "member", m->id, "kind %d manner %d: %s",
		    m->kind, m->manner, why);
}

static void
closed(struct link *l, const char *why)
{
	member_ended(l->arg, why);
}

/* --- polling --------------------------------------------------------------- */

static void
post_flush(struct member *m)
{
	if (m->posting || m->posts_n == 0)
		return;
	if (m->post.state == LINK_NONE) {
		link_call(&m->post, &post_ops, m);
		return;
	}
	if (m->post.state != LINK_HTTP)
		return;
	m->posting = true;
	link_post(&m->post, m->target, m->posts, m->posts_n,
	    m->halves && board->order == ORDER_RUN ? 300 + any(1500) : 0);
	m->posts_n = 0;
}

static void
post_add(struct member *m, const char *text)
{
	size_t n = strlen(text);

	if (m->posts_n + n + 1 > m->posts_cap) {
		m->posts_cap = m->posts_n + (uint32_t)n + 1;
		m->posts = realloc(m->posts, m->posts_cap);
		if (m->posts == NULL)
			die("memory");
	}
	if (m->posts_n > 0)
		m->posts[m->posts_n++] = '\x1e';
	memcpy(m->posts + m->posts_n, text, n);
	m->posts_n += (uint32_t)n;
	post_flush(m);
}

static void
post_open(struct link *l)
{
	post_flush(l->arg);
}

static void
post_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct member *m = l->arg;

	m->posting = false;
	if (status != 200 || n != 2 || memcmp(body, "ok", 2) != 0) {
		member_ended(m, head);
		return;
	}
	if (l->last)
		return;		/* post_closed() goes on */
	post_flush(m);
}

/* An idle connection may end when that has been announced. */
static void
post_closed(struct link *l, const char *why)
{
	struct member *m = l->arg;

	if (m->state == MEMBER_DEAD)
		return;
	if (m->posting || !(l->last || board->opt.lossy)) {
		member_ended(m, m->posting ? "a POST was cut off" : why);
		return;
	}
	count(COUNT_reopened);
	post_flush(m);
}

static void
get_open(struct link *l)
{
	struct member *m = l->arg;

	link_get(l, m->target == NULL ? POLL_TARGET : m->target);
}

static void
get_closed(struct link *l, const char *why)
{
	struct member *m = l->arg;

	if (m->state == MEMBER_DEAD)
		return;
	if (!l->last) {
		member_ended(m, why);
		return;
	}
	count(COUNT_reopened);
	link_call(l, &get_ops, m);
}

/* --- packets --------------------------------------------------------------- */

void
member_send(struct member *m, const char *text)
{
	if (m->kind == KIND_POLLING)
		post_add(m, text);
	else
		link_text(&m->link, text);
}

static void
member_pinged(struct member *m)
{
	uint64_t now = now_us(), gap = now - m->ping_us;

	count(COUNT_pings);
	m->ping_us = now;
	if (m->state != MEMBER_HERE)
		return;
	/* the pong waits for what is in pieces, and the next ping for it */
	if (m->manner != WHOLE || m->halves)
		return;
	if (gap > me->ping_gap_us)
		me->ping_gap_us = gap;
	if (gap > (board->opt.ping_ms + SLACK_MS) * UINT64_C(1000))
		wrong(WRONG_heartbeat, "member", m->id, "after %llu ms",
		    (unsigned long long)gap / 1000);
}

static void
member_connect(struct member *m)
{
	char text[TOKEN_MAX + 40], token[TOKEN_MAX];

	m->state = MEMBER_JOINING;
	token_of(m->id, token);
	(void)snprintf(text, sizeof text, "40/f,{\"token\":\"%s\"}", token);
	member_send(m, text);
}

static void
member_join(struct member *m)
{
	char text[120];

	m->state = MEMBER_JOINING;
	(void)snprintf(text, sizeof text, m->kind == KIND_PLAIN ?
	    "{\"event\":\"room:join\",\"data\":{\"room\":\"g%u\"},\"id\":0}" :
	    "42/f,0[\"room:join\",{\"room\":\"g%u\"}]", m->group->id);
	member_send(m, text);
}

static void
member_joined(struct member *m, const char *p, size_t n)
{
	if (!has(p, n, "\"room\"")) {
		wrong(WRONG_refused, "member", m->id, "%.*s", (int)n, p);
		return;
	}
	m->state = MEMBER_HERE;
	m->ping_us = now_us();
	me->here++;
	group_begin(m);
}

static void
member_ack(struct member *m, int64_t id, const char *p, size_t n)
{
	if (m->state == MEMBER_JOINING && id == 0)
		member_joined(m, p, n);
	else
		group_ack(m, id, p, n);
}

/* A packet of Socket.IO, without the 4 of Engine.IO. */
static void
member_sio(struct member *m, const char *p, size_t n)
{
	const char *start, *end = p + n;
	int64_t id = -1;
	char type = *p;

	if (type == '5' && n > 3)
		p += 2;			/* one attachment */
	if (end - p < 4 || strncmp(p + 1, "/f,", 3) != 0) {
		wrong(WRONG_damaged, "member", m->id, "%.*s", (int)n, p);
		return;
	}
	p += 4;
	for (start = p; p < end && *p >= '0' && *p <= '9'; p++)
		id = (id == -1 ? 0 : id) * 10 + (*p - '0');
	n = (size_t)(end - p);
	if (type == '0' && m->state == MEMBER_JOINING)
		member_join(m);
	else if (type == '3')
		member_ack(m, id, p, n);
	else if ((type == '2' || type == '5') && n > 2)
		group_event(m, p + 2, n - 2, id);
	else
		member_ended(m, start);
}

static void
member_packet(struct member *m, char *p, size_t n)
{
	char *sid, *end;

	if (n == 0) {
		wrong(WRONG_damaged, "member", m->id, "an empty packet");
		return;
	}
	switch (*p) {
	case '0':
		sid = memmem(p, n, "\"sid\":\"", 7);
		end = sid == NULL ? NULL : memchr(sid + 7, '"', n - 7);
		if (end == NULL)
			member_ended(m, "no sid");
		else if (m->kind == KIND_POLLING)
			(void)!asprintf(&m->target, POLL_TARGET "&sid=%.*s",
			    (int)(end - sid - 7), sid + 7);
		if (m->state == MEMBER_OPENING)
			member_connect(m);
		break;
	case '2':
		member_pinged(m);
		member_send(m, "3");
		break;
	case '4':
		member_sio(m, p + 1, n - 1);
		break;
	case '6':
		break;
	default:
		p[n - (n > 100 ? n - 100 : 1)] = '\0';
		member_ended(m, p);
	}
}

static void
member_envelope(struct member *m, const char *p, size_t n)
{
	if (n > 7 && strncmp(p, "{\"ack\":", 7) == 0)
		member_ack(m, number_of(p, n, "\"ack\":"), p, n);
	else if (n > 10 && strncmp(p, "{\"event\":\"", 10) == 0)
		group_event(m, p + 10, n - 10, number_of(p, n, ",\"id\":"));
	else
		wrong(WRONG_damaged, "member", m->id, "%.*s", (int)n, p);
}

/* --- WebSocket --------------------------------------------------------------- */

static void
ws_open(struct link *l)
{
	struct member *m = l->arg;
	char token[TOKEN_MAX];

	if (m->kind == KIND_PLAIN) {
		token_of(m->id, token);
		link_open_ws(l, "/ws/f", token);
	} else
		link_open_ws(l, WS_TARGET, NULL);
}

static void
ws_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct member *m = l->arg;

	(void)body;
	(void)n;
	if (status != 101)
		member_ended(m, head);
	else if (m->kind == KIND_PLAIN)
		member_join(m);
}

static void
ws_text(struct link *l, char *p, size_t n)
{
	struct member *m = l->arg;

	if (m->parts > 0 && !(n == 1 && *p == '2')) {
		wrong(WRONG_damaged, "member", m->id,
		    "text where an attachment belongs: %.*s", (int)n, p);
		m->parts = 0;
	}
	if (m->kind == KIND_PLAIN)
		member_envelope(m, p, n);
	else
		member_packet(m, p, n);
}

static void
ws_binary(struct link *l, const uint8_t *p, size_t n)
{
	group_attachment(l->arg, p, n);
}

static void
ws_ping(struct link *l)
{
	struct member *m = l->arg;

	if (m->kind == KIND_PLAIN)
		member_pinged(m);
}

/* What it was saying in pieces has gone: now the ack may be awaited. */
static void
ws_whole(struct link *l)
{
	struct member *m = l->arg;

	m->ack_us = now_us();
}

/* --- polling: what GETs bring ------------------------------------------------ */

static size_t
unbase64(const char *p, size_t n, uint8_t *out, size_t max)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *d;
	uint32_t v = 0;
	size_t i, bits = 0, at = 0;

	for (i = 0; i < n && (d = strchr(digits, p[i])) != NULL; i++) {
		v = v << 6 | (uint32_t)(d - digits);
		bits += 6;
		if (bits >= 8 && at < max) {
			bits -= 8;
			out[at++] = (uint8_t)(v >> bits);
		}
	}
	return (at);
}

static void
get_packets(struct member *m, char *p, size_t n)
{
	char *end = p + n, *stop;
	uint8_t part[ATTACHED * 2];

	for (; p < end && m->state != MEMBER_DEAD; p = stop + 1) {
		stop = memchr(p, '\x1e', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		if (*p == 'b')
			group_attachment(m, part, unbase64(p + 1,
			    (size_t)(stop - p - 1), part, sizeof part));
		else
			member_packet(m, p, (size_t)(stop - p));
	}
}

static void
get_http(struct link *l, unsigned status, const char *head, char *body,
    size_t n)
{
	struct member *m = l->arg;

	if (status != 200) {
		member_ended(m, head);
		return;
	}
	get_packets(m, body, n);
	if (m->state != MEMBER_DEAD && !l->last)
		link_get(l, m->target);
}

/* --- all --------------------------------------------------------------------- */

void
member_call(struct member *m)
{
	m->state = MEMBER_OPENING;
	m->ack = m->tell_ack = m->ask = m->last_ask = -1;
	link_call(&m->link, m->kind == KIND_POLLING ? &get_ops : &ws_ops, m);
}

static const struct link_ops ws_ops = { .open = ws_open, .http = ws_http,
	.text = ws_text, .binary = ws_binary, .ping = ws_ping,
	.whole = ws_whole, .closed = closed };
static const struct link_ops get_ops = { .open = get_open, .http = get_http,
	.closed = get_closed };
static const struct link_ops post_ops = { .open = post_open, .http = post_http,
	.closed = post_closed };
