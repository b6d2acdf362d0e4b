/*
 * Owned growable bytes; see buf.h.  Used by encoders and by queues that own
 * what they hold; bytes for many receivers live in msg.h instead.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void
buf_check(const struct buf *b)
{
	CHECK_MAGIC(b, BUF_MAGIC);
	MUST(b->rpos <= b->wpos && b->wpos <= b->cap);
	MUST(b->data != NULL || b->cap == 0);
}

void
buf_init(struct buf *b)
{
	memset(b, 0, sizeof *b);
	b->magic = BUF_MAGIC;
}

void
buf_fini(struct buf *b)
{
	buf_check(b);
	free(b->data);
	memset(b, 0, sizeof *b);
}

void
buf_reset(struct buf *b)
{
	buf_check(b);
	b->rpos = b->wpos = 0;
	b->oom = false;
}

/* Move unread bytes to the front: the room behind them may then do. */
static void
buf_compact(struct buf *b)
{
	if (b->rpos == 0)
		return;
	memmove(b->data, b->data + b->rpos, b->wpos - b->rpos);
	b->wpos -= b->rpos;
	b->rpos = 0;
}

bool
buf_reserve(struct buf *b, size_t n)
{
	size_t cap;
	uint8_t *p;

	buf_check(b);
	if (b->cap - b->wpos >= n)
		return (true);
	if (b->rpos >= b->cap / 2)
		buf_compact(b);
	if (b->cap - b->wpos >= n)
		return (true);
	if (n > SIZE_MAX / 2 - b->wpos) {
		b->oom = true;
		return (false);
	}
	cap = b->cap < 128 ? 128 : b->cap;
	while (cap - b->wpos < n)
		cap *= 2;
	p = realloc(b->data, cap);
	if (p == NULL) {
		b->oom = true;
		return (false);
	}
	b->data = p;
	b->cap = cap;
	return (true);
}

void
buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_reserve(b, n))
		return;
	memcpy(b->data + b->wpos, p, n);
	b->wpos += n;
}

void
buf_slice(struct buf *b, struct slice s)
{
	buf_append(b, s.p, s.n);
}

void
buf_str(struct buf *b, const char *s)
{
	buf_append(b, s, strlen(s));
}

void
buf_byte(struct buf *b, uint8_t c)
{
	buf_append(b, &c, 1);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	char tmp[20];
	size_t i = sizeof tmp;

	do {
		tmp[--i] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	buf_append(b, tmp + i, sizeof tmp - i);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	MUST(n >= 0);
	if (!buf_reserve(b, (size_t)n + 1))
		return;
	va_start(ap, fmt);
	(void)vsnprintf((char *)b->data + b->wpos, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->wpos += (size_t)n;
}

void
buf_consume(struct buf *b, size_t n)
{
	buf_check(b);
	MUST(n <= b->wpos - b->rpos);
	b->rpos += n;
	if (b->rpos == b->wpos)
		b->rpos = b->wpos = 0;
}
