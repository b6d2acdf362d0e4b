/*
 * Messages that cross; see book.h.  Called by out_save.c and sentlog_save.c.
 */
#include "hub/queue/book.h"

#include <stdlib.h>

#include "base/hashtab.h"

#define BOOK_BYTES	(64u << 20)	/* held by a book, at most */
#define BOOK_MSG	64u		/* ... for each, besides its bytes */

enum { BOOK_INLINE, BOOK_KNOWN, BOOK_NEW };

struct page {			/* giver: a message and its number */
	struct hashtab_link link;
	struct page	*next;		/* of all */
	struct msg	*m;		/* a reference */
	uint32_t	 number;
};

struct book {
	unsigned	 magic;
#define BOOK_MAGIC	0xb00cb00c
	bool		 giving;
	uint32_t	 edition;
	uint32_t	 n;		/* the next number */
	uint64_t	 bytes;		/* held */
	struct hashtab	 pages;		/* giver: by address */
	struct page	*all;
	struct msg	**v;		/* heir: by number; cap of them */
	uint32_t	 cap;
};

static struct page *
book_page(const struct hashtab_link *l)
{
	return (container_of((struct hashtab_link *)(uintptr_t)l, struct page,
	    link));
}

/* Addresses of ours, which no stranger chooses. */
static uint64_t
book_hash(const struct msg *m)
{
	uint64_t k = (uint64_t)(uintptr_t)m;

	k = (k ^ k >> 31) * UINT64_C(0x9e3779b97f4a7c15);
	return (k ^ k >> 29);
}

static uint64_t
book_hash_of(const void *arg, const struct hashtab_link *l)
{
	(void)arg;
	return (book_hash(book_page(l)->m));
}

struct book *
book_new(bool giving)
{
	struct book *k = calloc(1, sizeof *k);

	if (k == NULL)
		return (NULL);
	k->magic = BOOK_MAGIC;
	k->giving = giving;
	k->edition = giving ? 1 : 0;
	hashtab_init(&k->pages, book_hash_of, NULL);
	return (k);
}

static void
book_forget_pages(struct book *k)
{
	struct page *p;

	while ((p = k->all) != NULL) {
		k->all = p->next;
		hashtab_remove(&k->pages, book_hash(p->m), &p->link);
		msg_unref(&p->m);
		free(p);
	}
}

static void
book_forget_numbers(struct book *k)
{
	uint32_t i;

	for (i = 0; i < k->n; i++)
		msg_unref(&k->v[i]);
}

static void
book_forget(struct book *k)
{
	if (k->giving)
		book_forget_pages(k);
	else
		book_forget_numbers(k);
	k->n = 0;
	k->bytes = 0;
}

void
book_free(struct book **kp)
{
	struct book *k = *kp;

	if (k == NULL)
		return;
	CHECK_MAGIC(k, BOOK_MAGIC);
	*kp = NULL;
	book_forget(k);
	hashtab_fini(&k->pages);
	free(k->v);
	k->magic = 0;
	free(k);
}

void
book_renew(struct book *k)
{
	CHECK_MAGIC(k, BOOK_MAGIC);
	MUST(k->giving);
	book_forget(k);
	k->edition++;
}

void
book_open(struct book *k, struct buf *b)
{
	CHECK_MAGIC(k, BOOK_MAGIC);
	MUST(k->giving);
	if (k->bytes > BOOK_BYTES)
		book_renew(k);
	state_put_u32(b, k->edition);
}

bool
book_open_in(struct book *k, struct state_in *in)
{
	uint32_t edition = state_get_u32(in);

	CHECK_MAGIC(k, BOOK_MAGIC);
	MUST(!k->giving);
	if (in->bad)
		return (false);
	if (edition != k->edition)
		book_forget(k);
	k->edition = edition;
	return (true);
}

/* --- giver ---------------------------------------------------------------- */

/* NULL: no memory, it crosses by itself; *fresh: it has no number there yet. */
static struct page *
book_number(struct book *k, struct msg *m, bool *fresh)
{
	uint64_t hash = book_hash(m);
	struct hashtab_link *l;
	struct page *p;

	*fresh = false;
	for (l = hashtab_chain(&k->pages, hash); l != NULL; l = l->next)
		if (book_page(l)->m == m)
			return (book_page(l));
	p = malloc(sizeof *p);
	if (p == NULL)
		return (NULL);
	msg_ref(m, 1);
	*p = (struct page){ .next = k->all, .m = m, .number = k->n++ };
	k->all = p;
	hashtab_insert(&k->pages, hash, &p->link);
	k->bytes += m->cap + BOOK_MSG;
	*fresh = true;
	return (p);
}

void
book_put(struct book *k, const struct msg *scratch, const struct out_ref *r,
    struct buf *b)
{
	struct slice bytes = slice_of(r->m->data + r->off, r->end - r->off);
	struct page *p = NULL;
	bool fresh;

	MUST(r->off <= r->end && r->end <= r->m->len);
	if (r->m->refs > 1 && r->m != scratch)
		p = book_number(k, r->m, &fresh);
	if (p == NULL) {
		state_put_u8(b, BOOK_INLINE);
		state_put_slice(b, bytes);
		return;
	}
	state_put_u8(b, fresh ? BOOK_NEW : BOOK_KNOWN);
	state_put_u32(b, p->number);
	state_put_u32(b, r->off);
	state_put_u32(b, r->end);
	if (fresh)
		state_put_slice(b, slice_of(r->m->data, r->m->len));
}

/* --- heir ----------------------------------------------------------------- */

static bool
book_grow(struct book *k)
{
	uint32_t cap = k->cap == 0 ? 64 : k->cap * 2;
	struct msg **v;

	if (cap > UINT32_MAX / 4)
		return (false);
	v = reallocarray(k->v, cap, sizeof(struct msg *));
	if (v == NULL)
		return (false);
	k->v = v;
	k->cap = cap;
	return (true);
}

/* The number is the next one; the message is the book's from now on. */
static bool
book_enter(struct book *k, struct slice bytes)
{
	if (k->n == k->cap && !book_grow(k))
		return (false);
	k->v[k->n] = msg_copy(bytes);
	if (k->v[k->n] == NULL)
		return (false);
	k->n++;
	return (true);
}

static bool
book_get_inline(struct state_in *in, struct out_ref *r)
{
	struct slice bytes = state_get_slice(in);

	if (in->bad || bytes.n == 0 || bytes.n > UINT32_MAX / 4)
		return (false);
	*r = (struct out_ref){ msg_copy(bytes), 0, (uint32_t)bytes.n };
	return (r->m != NULL);
}

bool
book_get(struct book *k, struct state_in *in, struct out_ref *r)
{
	uint8_t kind = state_get_u8(in);
	uint32_t number;
	struct slice bytes;

	CHECK_MAGIC(k, BOOK_MAGIC);
	MUST(!k->giving);
	if (kind == BOOK_INLINE)
		return (book_get_inline(in, r));
	number = state_get_u32(in);
	r->off = state_get_u32(in);
	r->end = state_get_u32(in);
	if (kind == BOOK_NEW) {
		bytes = state_get_slice(in);
		if (in->bad || number != k->n || !book_enter(k, bytes))
			return (false);
	} else if (kind != BOOK_KNOWN)
		state_bad(in);
	if (in->bad || number >= k->n)
		return (false);
	r->m = k->v[number];
	if (r->off >= r->end || r->end > r->m->len)
		return (false);
	msg_ref(r->m, 1);
	return (true);
}
