/*
 * The board; see board.h.
 */
#include "sys/board.h"

#include <sys/mman.h>

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BOARD_MARK	"ROOSTBD1"
#define BOARD_TRIES	1000	/* of a copy, 1 ms apart but the first few */

struct board_page {
	char		 mark[8];
	_Atomic uint64_t turn;		/* odd: it is being written */
	uint64_t	 number;
	uint32_t	 task;		/* enum board_task */
	uint32_t	 state;		/* enum board_state */
	uint64_t	 begun_ms, ended_ms;
	uint32_t	 facts_n, text_n;
	uint32_t	 cut;
	uint32_t	 how[BOARD_TASKS];	/* enum board_state, */
	uint64_t	 last[BOARD_TASKS];	/*   of this number */
	uint8_t		 spare[120];
	char		 facts[BOARD_FACTS];
	char		 text[BOARD_TEXT];
};
static_assert(sizeof(struct board_page) == 65536, "board format");

struct board {
	unsigned	 magic;
#define BOARD_MAGIC	0xb0a4dce5
	int		 fd;
	struct board_page *page;
};

/* --- writer ---------------------------------------------------------------*/

static void
board_turn(struct board *b)
{
	atomic_fetch_add_explicit(&b->page->turn, 1, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
}

struct board *
board_new(void)
{
	struct board *b = calloc(1, sizeof *b);
	int error;

	if (b == NULL)
		return (NULL);
	b->magic = BOARD_MAGIC;
	b->page = MAP_FAILED;
	b->fd = memfd_create(BOARD_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (b->fd != -1 && ftruncate(b->fd, sizeof *b->page) == 0 &&
	    fcntl(b->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0)
		b->page = mmap(NULL, sizeof *b->page, PROT_READ | PROT_WRITE,
		    MAP_SHARED, b->fd, 0);
	if (b->page == MAP_FAILED) {
		error = errno;
		board_free(&b);
		errno = error;
		return (NULL);
	}
	/* children have nothing to say there */
	(void)madvise(b->page, sizeof *b->page, MADV_DONTFORK);
	memcpy(b->page->mark, BOARD_MARK, sizeof b->page->mark);
	b->page->state = BOARD_DONE;
	return (b);
}

void
board_free(struct board **bp)
{
	struct board *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	CHECK_MAGIC(b, BOARD_MAGIC);
	if (b->page != MAP_FAILED)
		(void)munmap(b->page, sizeof *b->page);
	if (b->fd != -1)
		(void)close(b->fd);
	b->magic = 0;
	free(b);
}

void
board_facts(struct board *b, struct slice lines)
{
	CHECK_MAGIC(b, BOARD_MAGIC);
	if (lines.n > BOARD_FACTS)
		lines.n = BOARD_FACTS;
	while (lines.n > 0 && lines.p[lines.n - 1] != '\n')
		lines.n--;
	board_turn(b);
	if (lines.n > 0)
		memcpy(b->page->facts, lines.p, lines.n);
	b->page->facts_n = (uint32_t)lines.n;
	board_turn(b);
}

/* Above all that were given, by a note as well. */
static uint64_t
board_number(const struct board_page *p, struct wall now)
{
	uint64_t top = p->number;
	unsigned i;

	for (i = 0; i < BOARD_TASKS; i++)
		if (p->last[i] > top)
			top = p->last[i];
	return (now.ms > top ? now.ms : top + 1);
}

void
board_begin(struct board *b, enum board_task task, struct wall now)
{
	struct board_page *p = b->page;

	CHECK_MAGIC(b, BOARD_MAGIC);
	board_turn(b);
	p->number = board_number(p, now);
	p->task = task;
	p->state = BOARD_AT_WORK;
	p->begun_ms = now.ms;
	p->ended_ms = 0;
	p->text_n = p->cut = 0;
	board_turn(b);
}

void
board_line(struct board *b, char level, struct slice line)
{
	struct board_page *p = b->page;

	CHECK_MAGIC(b, BOARD_MAGIC);
	board_turn(b);
	if (line.n + 3 > BOARD_TEXT - p->text_n)
		p->cut++;
	else {
		p->text[p->text_n++] = level;
		p->text[p->text_n++] = ' ';
		if (line.n > 0)
			memcpy(p->text + p->text_n, line.p, line.n);
		p->text_n += (uint32_t)line.n;
		p->text[p->text_n++] = '\n';
	}
	board_turn(b);
}

void
board_end(struct board *b, bool done, struct wall now)
{
	struct board_page *p = b->page;

	CHECK_MAGIC(b, BOARD_MAGIC);
	board_turn(b);
	p->state = done ? BOARD_DONE : BOARD_FAILED;
	p->ended_ms = now.ms;
	p->how[p->task] = p->state;
	p->last[p->task] = p->number;
	board_turn(b);
}

void
board_note(struct board *b, enum board_task task, bool done, struct wall now)
{
	struct board_page *p = b->page;

	CHECK_MAGIC(b, BOARD_MAGIC);
	board_turn(b);
	p->how[task] = done ? BOARD_DONE : BOARD_FAILED;
	p->last[task] = board_number(p, now);
	board_turn(b);
}

/* --- reader ---------------------------------------------------------------*/

/* Whole, of one moment, and what it may be; false: not this time. */
static bool
board_copy(const struct board_page *p, struct board_copy *c)
{
	uint64_t turn = atomic_load_explicit(&p->turn, memory_order_seq_cst);
	unsigned i;

	atomic_thread_fence(memory_order_seq_cst);
	c->number = p->number;
	c->task = (enum board_task)p->task;
	c->state = (enum board_state)p->state;
	c->begun_ms = p->begun_ms;
	c->ended_ms = p->ended_ms;
	c->cut = p->cut;
	for (i = 0; i < BOARD_TASKS; i++) {
		c->last[i] = p->last[i];
		c->how[i] = (enum board_state)p->how[i];
	}
	c->facts_n = p->facts_n < BOARD_FACTS ? p->facts_n : BOARD_FACTS;
	c->text_n = p->text_n < BOARD_TEXT ? p->text_n : BOARD_TEXT;
	memcpy(c->facts, p->facts, c->facts_n);
	memcpy(c->text, p->text, c->text_n);
	atomic_thread_fence(memory_order_seq_cst);
	return (turn % 2 == 0 && atomic_load_explicit(&p->turn,
	    memory_order_seq_cst) == turn);
}

int
board_read(int fd, struct board_copy *c)
{
	struct board_page *p;
	unsigned i;
	int seals = fcntl(fd, F_GET_SEALS);
	bool ok = false;

	if (seals == -1 || (seals & F_SEAL_SHRINK) == 0 ||
	    lseek(fd, 0, SEEK_END) != (off_t)sizeof *p) {
		errno = EPROTO;
		return (-1);
	}
	p = mmap(NULL, sizeof *p, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return (-1);
	errno = EPROTO;
	if (memcmp(p->mark, BOARD_MARK, sizeof p->mark) == 0) {
		for (i = 0; i < BOARD_TRIES && !ok; i++) {
			if (i > 10)
				(void)usleep(1000);
			ok = board_copy(p, c);
		}
		errno = EAGAIN;
	}
	(void)munmap(p, sizeof *p);
	return (ok ? 0 : -1);
}

bool
board_fact(const struct board_copy *c, const char *name, struct slice *value)
{
	size_t n = strlen(name), left = c->facts_n;
	const char *line = c->facts, *end;

	while (left > 0 && (end = memchr(line, '\n', left)) != NULL) {
		if ((size_t)(end - line) > n && line[n] == '=' &&
		    memcmp(line, name, n) == 0) {
			*value = slice_of(line + n + 1,
			    (size_t)(end - line) - n - 1);
			return (true);
		}
		left -= (size_t)(end - line) + 1;
		line = end + 1;
	}
	*value = slice_of(NULL, 0);
	return (false);
}
