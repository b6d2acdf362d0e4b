/*
 * The board: what the master tells whoever may send it signals: facts about
 * itself, and what became of the last thing that it was asked for.  A page in
 * memory that has no name in the file system; roostctl finds it among the
 * master's descriptors, in /proc, so that it needs neither a path nor a
 * listener, and just the rights that a signal needs.
 *
 * One writer.  Reader: copies, and takes another copy when it was written to
 * meanwhile.
 */
#ifndef SYS_BOARD_H
#define SYS_BOARD_H

#include <sys/types.h>

#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"

#define BOARD_NAME	"roostd-board"	/* of the memory file */
#define BOARD_FACTS	8192u		/* bytes: lines "NAME=VALUE" */
#define BOARD_TEXT	57088u		/* bytes: lines, see board_line() */

/* What is asked for; values are never given another meaning. */
enum board_task {
	BOARD_NOTHING,		/* nothing was asked for yet */
	BOARD_RELOAD,
	BOARD_RESIZE,
	BOARD_UPGRADE,
	BOARD_REBALANCE,
	BOARD_REOPEN,
	BOARD_TASKS
};
enum board_state { BOARD_AT_WORK, BOARD_DONE, BOARD_FAILED };

/* --- writer: the master ---------------------------------------------------*/

struct board;

/* NULL + errno. */
struct board *board_new(void) MUST_USE;
void	board_free(struct board **);
/* All facts, anew; what does not fit is cut behind a line. */
void	board_facts(struct board *, struct slice lines);
/* It is begun: has a number of its own, and no lines yet.  Numbers grow, also
 * from one master to its successor. */
void	board_begin(struct board *, enum board_task, struct wall now);
/* Something about it, as the log has it, after a letter: e, w or i (error,
 * warning, information) and a blank.  Too many are counted. */
void	board_line(struct board *, char level, struct slice line);
void	board_end(struct board *, bool done, struct wall now);
/* It was begun and is over, while another one is at work, which goes on. */
void	board_note(struct board *, enum board_task, bool done, struct wall now);

/* --- reader ---------------------------------------------------------------*/

struct board_copy {
	uint64_t	 number;	/* of the task; larger: a later one */
	enum board_task	 task;
	enum board_state state;
	uint64_t	 begun_ms, ended_ms;	/* unix */
	uint32_t	 cut;		/* lines that found no room */
	/* of each kind the last that is over: its number, 0: none was yet */
	uint64_t	 last[BOARD_TASKS];
	enum board_state how[BOARD_TASKS];
	size_t		 facts_n, text_n;
	char		 facts[BOARD_FACTS], text[BOARD_TEXT];
};

/* -1 + errno: EPROTO, it is no board, or of another version; EAGAIN: it was
 * written to all the time. */
int	board_read(int fd, struct board_copy *) MUST_USE;
/* The value of a fact; false: there is none. */
bool	board_fact(const struct board_copy *, const char *name,
	    struct slice *value) MUST_USE;

#endif
