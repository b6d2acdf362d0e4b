/*
 * Messages between daemons about who is where; see news.h.  Called by
 * nodes.c, truth.c and mirror.c.
 */
#include "relay/people/news.h"

#include "base/utf8.h"
#include "conf/conf.h"
#include "proto/status.h"

#define NEWS_HEAD	34u
#define NEWS_ENTRY	20u	/* without its key */
#define NEWS_ROOM	1u
#define NEWS_PRESENT	2u

static const uint8_t news_mark[8] = "ROOSTN1";

void
news_word_put(struct buf *b, uint64_t v)
{
	unsigned i;

	for (i = 0; i < 8; i++)
		buf_byte(b, (uint8_t)(v >> 8 * i));
}

uint64_t
news_word(const uint8_t *p)
{
	uint64_t v = 0;
	unsigned i;

	for (i = 8; i > 0; i--)
		v = v << 8 | p[i - 1];
	return (v);
}

void
news_put(struct buf *b, const struct news *n)
{
	buf_reset(b);
	buf_append(b, news_mark, sizeof news_mark);
	buf_byte(b, (uint8_t)n->kind);
	buf_byte(b, n->ready);
	news_word_put(b, n->node);
	news_word_put(b, n->epoch);
	news_word_put(b, n->number);
	if (n->kind != NEWS_CHANGES)
		return;
	MUST(n->ns.n <= UINT8_MAX);
	buf_byte(b, (uint8_t)n->ns.n);
	buf_slice(b, n->ns);
}

void
news_entry_put(struct buf *b, const struct news_entry *e)
{
	buf_byte(b, (uint8_t)((e->room ? NEWS_ROOM : 0) |
	    (e->present ? NEWS_PRESENT : 0)));
	buf_byte(b, e->code);
	news_word_put(b, e->set_ms);
	news_word_put(b, e->seen_ms);
	buf_byte(b, (uint8_t)e->key.n);
	buf_byte(b, (uint8_t)(e->key.n >> 8));
	buf_slice(b, e->key);
}

bool
news_entry_good(const struct news_entry *e)
{
	struct slice room = { NULL, 0 }, user = e->key;

	if (e->code >= STATUS__MAX || e->set_ms / 1000 > UINT32_MAX ||
	    e->key.n == 0 || e->key.n > STATUS_KEY_MAX ||
	    (e->room && !status_room_split(e->key, &room, &user)))
		return (false);
	return (memchr(user.p, 0, user.n) == NULL && utf8_valid(user) &&
	    utf8_valid(room));
}

/* Bytes of the first entry; 0: it is not whole, or cannot be. */
static size_t
news_entry_get(struct slice in, struct news_entry *e)
{
	size_t n;

	if (in.n < NEWS_ENTRY)
		return (0);
	n = in.p[18] | (size_t)in.p[19] << 8;
	if (in.n - NEWS_ENTRY < n ||
	    (in.p[0] & ~(NEWS_ROOM | NEWS_PRESENT)) != 0)
		return (0);
	*e = (struct news_entry){ .room = (in.p[0] & NEWS_ROOM) != 0,
		.present = (in.p[0] & NEWS_PRESENT) != 0, .code = in.p[1],
		.set_ms = news_word(in.p + 2),
		.seen_ms = news_word(in.p + 10),
		.key = slice_of(in.p + NEWS_ENTRY, n) };
	return (news_entry_good(e) ? NEWS_ENTRY + n : 0);
}

bool
news_entry_next(struct slice *entries, struct news_entry *e)
{
	size_t n = news_entry_get(*entries, e);

	*entries = slice_from(*entries, n);
	return (n > 0);
}

static bool
news_changes_get(struct slice in, struct news *n)
{
	struct news_entry e;
	struct slice rest;

	if (in.n == 0 || in.n - 1 < in.p[0])
		return (false);
	n->ns = slice_of(in.p + 1, in.p[0]);
	n->entries = rest = slice_from(in, 1 + n->ns.n);
	while (news_entry_next(&rest, &e))
		continue;
	return (rest.n == 0);
}

bool
news_get(struct slice in, struct news *n)
{
	if (in.n < NEWS_HEAD ||
	    memcmp(in.p, news_mark, sizeof news_mark) != 0 || in.p[9] > 1)
		return (false);
	*n = (struct news){ .kind = (enum news_kind)in.p[8],
		.ready = in.p[9] == 1, .node = news_word(in.p + 10),
		.epoch = news_word(in.p + 18),
		.number = news_word(in.p + 26) };
	in = slice_from(in, NEWS_HEAD);
	switch (n->kind) {
	case NEWS_BEAT:
	case NEWS_HELLO:
	case NEWS_BYE:
		return (in.n == 0);
	case NEWS_CHANGES:
		return (news_changes_get(in, n));
	}
	return (false);
}
