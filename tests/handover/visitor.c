/*
 * What the fleet's clients in /x have in common: Socket.IO, over a WebSocket
 * unless they do otherwise; see fleet.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define TARGET	"/socket.io/?EIO=4&transport=websocket"

unsigned visitors_here, visitors_wanted;

static const struct link_ops visitor_link;

void
visitor_say(struct visitor *v, const char *text)
{
	if (v->ops->say != NULL)
		v->ops->say(v, text);
	else
		link_text(&v->link, text);
}

static void
visitor_gone(struct visitor *v)
{
	if (v->is_here)
		visitors_here--;
	v->is_here = false;
}

void
visitor_end(struct visitor *v)
{
	visitor_gone(v);
	link_end(&v->link);
}

void
visitor_leave(struct visitor *v)
{
	v->leaves = true;
	link_say_close(&v->link);
}

uint32_t
visitor_number(struct visitor *v, int64_t i, uint32_t next, uint32_t fed)
{
	if (i < 0 || i >= fed)
		wrong(WRONG_damaged, v->ops->name, v->id, "%lld of %u",
		    (long long)i, fed);
	else if (i < next)
		wrong(WRONG_doubled, v->ops->name, v->id, "%lld, had %u",
		    (long long)i, next - 1);
	else if (i > next && board->opt.lossy)
		me->count[COUNT_missing] += (uint64_t)i - next;
	else if (i > next)
		wrong(WRONG_lost, v->ops->name, v->id, "%u .. %lld", next,
		    (long long)i - 1);
	return (i < next ? next : (uint32_t)i + 1);
}

static void
visitor_event(struct visitor *v, const char *p, size_t n)
{
	if (n <= 10 || strncmp(p, "roost:gap\"", 10) != 0)
		v->ops->event(v, p, n);
	else if (!board->opt.lossy)
		wrong(WRONG_gap, v->ops->name, v->id, "%.*s", (int)n, p);
}

/* A packet of Engine.IO. */
void
visitor_take(struct visitor *v, char *p, size_t n)
{
	char *end = p + n, *start;
	int64_t id = -1;

	if (n == 1 && *p == '2') {
		count(COUNT_pings);
		visitor_say(v, "3");
		return;
	}
	if (n > 1 && *p == '0') {
		visitor_say(v, "40/x,");
		return;
	}
	if (n < 6 || *p != '4' || strncmp(p + 2, "/x,", 3) != 0) {
		wrong(WRONG_damaged, v->ops->name, v->id, "%.*s", (int)n, p);
		return;
	}
	for (start = p += 5; p < end && *p >= '0' && *p <= '9'; p++)
		id = (id == -1 ? 0 : id) * 10 + (*p - '0');
	n = (size_t)(end - p);
	switch (start[-4]) {
	case '0':
		v->is_here = true;
		visitors_here++;
		v->ops->here(v);
		break;
	case '2':
		visitor_event(v, p + 2, n - 2);
		break;
	case '3':
		v->ops->ack(v, id, p, n);
		break;
	default:
		wrong(WRONG_damaged, v->ops->name, v->id, "%.*s", (int)n, p);
	}
}

static void
open(struct link *l)
{
	link_open_ws(l, TARGET, NULL);
}

static void
http(struct link *l, unsigned status, const char *head, char *body, size_t n)
{
	struct visitor *v = l->arg;

	(void)body;
	(void)n;
	if (status == 101)
		return;
	visitor_end(v);
	v->ops->gone(v, head);
}

static void
text(struct link *l, char *p, size_t n)
{
	visitor_take(l->arg, p, n);
}

static void
binary(struct link *l, const uint8_t *p, size_t n)
{
	struct visitor *v = l->arg;

	(void)p;
	wrong(WRONG_damaged, v->ops->name, v->id, "%zu bytes", n);
}

static void
ping(struct link *l)
{
	(void)l;
}

static void
closed(struct link *l, const char *why)
{
	struct visitor *v = l->arg;

	visitor_gone(v);
	v->ops->gone(v, v->leaves ? NULL : why);
}

void
visitor_call(struct visitor *v, const struct visitor_ops *ops, unsigned id)
{
	v->ops = ops;
	v->id = id;
	v->is_here = v->leaves = false;
	link_call(&v->link, &visitor_link, v);
}

static const struct link_ops visitor_link = { .open = open, .http = http,
	.text = text, .binary = binary, .ping = ping, .closed = closed };
