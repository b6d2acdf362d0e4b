/*
 * What the members of a group say to each other, and whether all of it has
 * come to all of them; see fleet.h.
 *
 *	say	to the room, acknowledged with how many got it, or not
 *	bin	the same with an attachment
 *	tell	to the next member, as a user
 *	asked	a back end's question, to be answered a while later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet.h"

#define TELL_IDS	INT64_C(1000000000)	/* acks of tell begin there */
#define ANSWERED_MS	15000	/* within which an ack has to come */

static void group_say(void *);
static void group_tell(void *);

/* The member of this number, everywhere the same bytes. */
void
attached(uint8_t p[ATTACHED], unsigned s, uint32_t i)
{
	unsigned k;

	for (k = 0; k < ATTACHED; k++)
		p[k] = (uint8_t)(s * 31 + i * 7 + k);
}

struct group *
groups_new(unsigned first, unsigned n)
{
	unsigned all = board->opt.groups, i, k;
	unsigned long polls = board->opt.polling;
	struct group *g = calloc(n, sizeof *g);
	struct member *m;

	if (g == NULL)
		die("memory");
	for (i = 0; i < n; i++) {
		g[i].id = first + i;
		for (k = 0; k < GROUP; k++) {
			m = &g[i].member[k];
			m->group = &g[i];
			m->place = k;
			m->id = (first + i) * GROUP + k;
			m->kind = k >= 1 && k <= 3 ? KIND_PLAIN : KIND_SIO;
			if (k == 1)
				m->manner = (first + i) % 4 == 0 ? FRAGMENTS :
				    (first + i) % 4 == 2 ? BYTES : WHOLE;
			else if (k == 4)
				m->manner = (first + i) % 4 == 0 ? FRAGMENTS :
				    (first + i) % 4 == 1 ? BYTES :
				    (first + i) % 4 == 2 ? ATTACHMENT : WHOLE;
		}
		/* evenly over all groups; one or two in each */
		if ((first + i) * polls / all != (first + i + 1) * polls / all)
			g[i].member[0].kind = KIND_POLLING;
		if (polls > all && (first + i) * (polls - all) / all !=
		    (first + i + 1) * (polls - all) / all)
			g[i].member[GROUP - 1].kind = KIND_POLLING;
		for (k = 0; k < GROUP; k++)
			g[i].member[k].halves = (first + i) % 3 == 0 &&
			    g[i].member[k].kind == KIND_POLLING;
	}
	return (g);
}

void
group_begin(struct member *m)
{
	unsigned ms = board->opt.say_ms;

	timer_set(&m->say_timer, any(ms), group_say, m);
	timer_set(&m->tell_timer, any(ms), group_tell, m);
}

/* --- saying ----------------------------------------------------------------- */

/* In pieces, seconds apart: a message, or its attachment. */
static void
say_fragments(struct member *m, const char *text)
{
	uint8_t out[1200];
	size_t n = strlen(text), a = n / 3, b = n / 3 * 2, at;
	uint32_t cut[2];

	at = frame(out, 0x01, text, a);
	cut[0] = (uint32_t)at;
	at += frame(out + at, 0x00, text + a, b - a);
	cut[1] = (uint32_t)at - cut[0];
	at += frame(out + at, 0x80, text + b, n - b);
	link_send_slowly(&m->link, out, at, cut, 2, 500 + any(1500));
}

static void
say_bytes(struct member *m, const char *text)
{
	uint8_t out[1200];

	link_send_slowly(&m->link, out, frame(out, 0x81, text, strlen(text)),
	    NULL, 0, 8 + any(12));
}

static void
say_attachment(struct member *m, const char *text, uint32_t i)
{
	uint8_t out[1200], part[ATTACHED];
	uint32_t cut[2];
	size_t at;

	attached(part, m->place, i);
	at = frame(out, 0x81, text, strlen(text));
	cut[0] = (uint32_t)at;
	cut[1] = 10;		/* in the middle of the attachment */
	at += frame(out + at, 0x82, part, sizeof part);
	link_send_slowly(&m->link, out, at, cut, 2, 500 + any(1500));
}

static void
say_now(struct member *m)
{
	static const char padding[] = "abcdefghijklmnopqrstuvwxyz0123456789"
	    "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz01";
	char data[300], text[400], t[40] = "", id[24] = "";
	uint32_t i = m->said++;
	bool bin = m->manner == ATTACHMENT, acked = i % 3 != 2;

	if (m->manner == WHOLE && !m->halves)
		(void)snprintf(t, sizeof t, ",\"t\":%llu",
		    (unsigned long long)now_us());
	(void)snprintf(data, sizeof data,
	    "{\"room\":\"g%u\",\"s\":%u,\"i\":%u%s%s%s%s%s}", m->group->id,
	    m->place, i, t, bin ?
	    ",\"a\":{\"_placeholder\":true,\"num\":0}" : "",
	    m->manner == BYTES ? ",\"p\":\"" : "", m->manner == BYTES ?
	    padding : "", m->manner == BYTES ? "\"" : "");
	if (acked) {
		(void)snprintf(id, sizeof id, m->kind == KIND_PLAIN ?
		    ",\"id\":%u" : "%u", i + 1);
		m->ack = i + 1;
		m->ack_us = now_us();
	}
	if (m->kind == KIND_PLAIN)
		(void)snprintf(text, sizeof text,
		    "{\"event\":\"say\",\"data\":%s%s}", data, id);
	else
		(void)snprintf(text, sizeof text, "%s/f,%s[\"%s\",%s]",
		    bin ? "451-" : "42", id, bin ? "bin" : "say", data);
	count(COUNT_said);
	switch (m->manner) {
	case WHOLE:
		member_send(m, text);
		return;
	case FRAGMENTS:
		say_fragments(m, text);
		break;
	case BYTES:
		say_bytes(m, text);
		break;
	case ATTACHMENT:
		say_attachment(m, text, i);
	}
	count(COUNT_midway);
}

/* Has it waited for too long?  Then it does no longer. */
static void
group_overdue(struct member *m, int64_t *ack, uint64_t since)
{
	if (*ack == -1 || m->link.gated ||
	    now_us() - since < ANSWERED_MS * UINT64_C(1000))
		return;
	if (board->opt.lossy)
		count(COUNT_unacked);
	else
		wrong(WRONG_unanswered, "member", m->id, "kind %d: ack %lld",
		    m->kind, (long long)*ack);
	*ack = -1;
}

static void
group_say(void *arg)
{
	struct member *m = arg;
	unsigned ms = board->opt.say_ms;

	if (m->state != MEMBER_HERE)
		return;
	group_overdue(m, &m->ack, m->ack_us);
	if (m->ack != -1 || m->link.gated || board->order == ORDER_JOIN) {
		timer_set(&m->say_timer, board->order == ORDER_JOIN ?
		    any(ms) : 500, group_say, m);
		return;
	}
	if (board->order >= ORDER_HUSH)
		return;
	say_now(m);
	timer_set(&m->say_timer, ms * 4 / 5 + any(ms * 2 / 5), group_say, m);
}

static void
group_tell(void *arg)
{
	struct member *m = arg, *to = &m->group->member[(m->place + 1) % GROUP];
	unsigned ms = board->opt.say_ms * 2;
	char data[120], text[200];

	if (m->state != MEMBER_HERE)
		return;
	group_overdue(m, &m->tell_ack, m->tell_us);
	if (m->tell_ack != -1 || m->link.gated || board->order == ORDER_JOIN) {
		timer_set(&m->tell_timer, board->order == ORDER_JOIN ?
		    any(ms) : 500, group_tell, m);
		return;
	}
	if (board->order >= ORDER_HUSH || to->state != MEMBER_HERE)
		return;
	m->tell_us = now_us();
	(void)snprintf(data, sizeof data,
	    "{\"to\":\"u%u\",\"s\":%u,\"i\":%u,\"t\":%llu}", to->id, m->place,
	    m->told, m->halves ? 0 : (unsigned long long)m->tell_us);
	m->tell_ack = TELL_IDS + m->told++;
	(void)snprintf(text, sizeof text, m->kind == KIND_PLAIN ?
	    "{\"event\":\"tell\",\"data\":%s,\"id\":%lld}" :
	    "42/f,%2$lld[\"tell\",%1$s]", data, (long long)m->tell_ack);
	member_send(m, text);
	timer_set(&m->tell_timer, ms * 4 / 5 + any(ms * 2 / 5), group_tell, m);
}

/* --- hearing ------------------------------------------------------------------ */

/* The number that must come next. */
static void
group_number(struct member *m, const struct member *from, uint32_t *next,
    int64_t i, uint32_t sent, const char *what)
{
	if (i < 0 || i >= sent)
		wrong(WRONG_damaged, "member", m->id, "%s %lld of %u from %u",
		    what, (long long)i, sent, from->id);
	else if (i < *next)
		wrong(WRONG_doubled, "member", m->id, "kind %d: %s %lld from "
		    "%u, has had %u", m->kind, what, (long long)i, from->id,
		    *next - 1);
	else if (i > *next) {
		if (board->opt.lossy) {
			me->count[COUNT_missing] += (uint64_t)i - *next;
			m->missed = true;
		} else
			wrong(WRONG_lost, "member", m->id, "kind %d: %s %u .. "
			    "%lld from %u (manner %d)", m->kind, what, *next,
			    (long long)i - 1, from->id, from->manner);
	}
	if (i >= *next)
		*next = (uint32_t)i + 1;
}

static void
group_heard(struct member *m, const char *p, size_t n, bool bin)
{
	int64_t s = number_of(p, n, "\"s\":"), i = number_of(p, n, "\"i\":"),
	    t = number_of(p, n, "\"t\":");

	if (s < 0 || s >= GROUP || i < 0 || s == m->place ||
	    number_of(p, n, "\"room\":\"g") != m->group->id) {
		wrong(WRONG_damaged, "member", m->id, "%.*s", (int)n, p);
		return;
	}
	count(COUNT_heard);
	group_number(m, &m->group->member[s], &m->next[s], i,
	    m->group->member[s].said, "say");
	if (t > 0)
		late_by(&m->worst_us, (uint64_t)t, now_us());
	if (bin) {
		m->parts = 1;
		m->part_s = (unsigned)s;
		m->part_i = (uint32_t)i;
	}
}

static void
group_told(struct member *m, const char *p, size_t n)
{
	struct member *from = &m->group->member[(m->place + GROUP - 1) % GROUP];
	int64_t t = number_of(p, n, "\"t\":");

	if (number_of(p, n, "\"to\":\"u") != m->id ||
	    number_of(p, n, "\"s\":") != from->place || t < 0) {
		wrong(WRONG_damaged, "member", m->id, "%.*s", (int)n, p);
		return;
	}
	count(COUNT_told);
	group_number(m, from, &m->next_told, number_of(p, n, "\"i\":"),
	    from->told, "tell");
	if (t > 0)
		late_by(&m->worst_us, (uint64_t)t, now_us());
}

void
group_attachment(struct member *m, const uint8_t *p, size_t n)
{
	uint8_t want[ATTACHED];

	attached(want, m->part_s, m->part_i);
	if (m->parts == 0 || n != sizeof want || memcmp(p, want, n) != 0)
		wrong(WRONG_damaged, "member", m->id, "an attachment of %zu "
		    "bytes, %u awaited", n, m->parts);
	m->parts = 0;
	count(COUNT_attachments);
}

/* Who comes and goes: nobody did, unless processes of the daemon were killed. */
static void
group_presence(struct member *m, const char *p, size_t n)
{
	int64_t id = number_of(p, n, "\"user\":\"u");
	struct member *who;

	if (board->order == ORDER_JOIN || board->order == ORDER_END)
		return;
	if (board->opt.lossy && id / GROUP == m->group->id) {
		/* it may be cut off, and we have not read it yet */
		who = &m->group->member[id % GROUP];
		who->told_gone = has(p, n, "\"status\":\"offline\"");
		return;
	}
	wrong(WRONG_presence, "member", m->id, "%.*s", (int)n, p);
}

static void
group_answer(void *arg)
{
	struct member *m = arg;
	char text[120];

	if (m->ask == -1 || m->state != MEMBER_HERE)
		return;
	if (m->link.gated) {		/* an attachment may be under way */
		timer_set(&m->ask_timer, 100, group_answer, m);
		return;
	}
	(void)snprintf(text, sizeof text, m->kind == KIND_PLAIN ?
	    "{\"ack\":%lld,\"data\":%lld}" : "43/f,%lld[%lld]",
	    (long long)m->ask, (long long)m->ask_n);
	m->ask = -1;
	count(COUNT_answers);
	member_send(m, text);
}

static void
group_asked(struct member *m, const char *p, size_t n, int64_t ask)
{
	int64_t number = number_of(p, n, "\"n\":");

	if (ask < 0 || number <= m->last_ask ||
	    (m->ask != -1 && !board->opt.lossy))
		wrong(WRONG_doubled, "member", m->id, "question %lld, had "
		    "%lld: %.*s", (long long)number, (long long)m->last_ask,
		    (int)n, p);
	m->last_ask = number;
	m->ask = ask;
	m->ask_n = number;
	timer_set(&m->ask_timer, any(1500), group_answer, m);
}

/* From its name on. */
void
group_event(struct member *m, const char *p, size_t n, int64_t ask)
{
	if (n > 4 && strncmp(p, "say\"", 4) == 0)
		group_heard(m, p, n, false);
	else if (n > 4 && strncmp(p, "bin\"", 4) == 0)
		group_heard(m, p, n, true);
	else if (n > 5 && strncmp(p, "tell\"", 5) == 0)
		group_told(m, p, n);
	else if (n > 6 && strncmp(p, "asked\"", 6) == 0)
		group_asked(m, p, n, ask);
	else if (n > 16 && strncmp(p, "presence:update\"", 16) == 0)
		group_presence(m, p, n);
	else if (n > 10 && strncmp(p, "roost:gap\"", 10) == 0) {
		m->gap_told = true;
		if (!board->opt.lossy)
			wrong(WRONG_gap, "member", m->id, "%.*s", (int)n, p);
	} else
		wrong(WRONG_damaged, "member", m->id, "%.*s", (int)n, p);
}

void
group_ack(struct member *m, int64_t id, const char *p, size_t n)
{
	bool tell = id >= TELL_IDS;
	int64_t *awaited = tell ? &m->tell_ack : &m->ack;

	if (id != *awaited)
		wrong(WRONG_ack, "member", m->id, "kind %d: %lld, not %lld: "
		    "%.*s", m->kind, (long long)id, (long long)*awaited,
		    (int)n, p);
	else if (!has(p, n, "\"ts\":") || (!tell && !board->opt.lossy &&
	    number_of(p, n, "\"delivered\":") != GROUP - 1))
		wrong(WRONG_ack, "member", m->id, "kind %d manner %d: %.*s",
		    m->kind, m->manner, (int)n, p);
	if (id != *awaited)
		return;
	count(COUNT_acked);
	if (!m->halves)
		late_by(&m->worst_us, tell ? m->tell_us : m->ack_us, now_us());
	*awaited = -1;
}

/* --- all of a group ------------------------------------------------------------ */

bool
group_hushed(const struct group *g)
{
	const struct member *m;
	unsigned k;

	for (k = 0; k < GROUP; k++) {
		m = &g->member[k];
		if (m->state == MEMBER_HERE && (m->ack != -1 ||
		    m->tell_ack != -1 || m->ask != -1 || m->link.gated))
			return (false);
	}
	return (true);
}

/* Is there something that has not come to all? */
static bool
group_missing(struct group *g, bool tell)
{
	struct member *m, *from;
	bool any_lost = false;
	unsigned k, j;

	for (k = 0; k < GROUP; k++) {
		m = &g->member[k];
		for (j = 0; j < GROUP && m->state == MEMBER_HERE; j++) {
			from = &g->member[j];
			if (j == k || from->state != MEMBER_HERE)
				continue;
			if (m->next[j] < from->said) {
				any_lost = true;
				if (tell && !m->gap_told)
					wrong(WRONG_lost, "member", m->id,
					    "kind %d: say %u .. %u from %u, "
					    "kind %d", m->kind, m->next[j],
					    from->said - 1, from->id,
					    from->kind);
			}
			if (j == (k + GROUP - 1) % GROUP &&
			    m->next_told < from->told) {
				any_lost = true;
				if (tell && !m->gap_told)
					wrong(WRONG_lost, "member", m->id,
					    "kind %d: tell %u .. %u from %u",
					    m->kind, m->next_told,
					    from->told - 1, from->id);
			}
		}
		if (tell && m->told_gone && m->state == MEMBER_HERE)
			wrong(WRONG_presence, "member", m->id,
			    "is here, and was told to be gone");
		if (tell && m->missed && !m->gap_told &&
		    m->state == MEMBER_HERE)
			wrong(WRONG_lost, "member", m->id,
			    "missed something and was not told");
	}
	return (any_lost);
}

bool
group_complete(struct group *g)
{
	return (!group_missing(g, false));
}

void
group_check(struct group *g)
{
	(void)group_missing(g, true);
}

void
group_mark(struct group *g)
{
	unsigned k;

	for (k = 0; k < GROUP; k++) {
		if (g->member[k].state == MEMBER_HERE &&
		    g->member[k].worst_us > 0)
			hist_add(me->worst, g->member[k].worst_us);
		g->member[k].worst_us = 0;
	}
}
