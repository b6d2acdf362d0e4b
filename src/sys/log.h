/*
 * The log: one line a message, "event key=value ...", to stderr, a file, the
 * journal or syslog, as text or JSON.  The event is one word; a value with blanks is in
 * quotes, and has none inside.  Peers cannot make us log above debug more than once
 * a second per message: log_rate() says whether it may be said now.
 * Tokens and payloads are never logged.
 */
#ifndef SYS_LOG_H
#define SYS_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bug.h"
#include "base/clock.h"
#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG };

void	log_init(const char *role, int slot, enum log_level); /* slot -1: none */
/*
 * Where lines go: stderr (the default; when the journal reads it, lines carry
 * its priority instead of time and pid), or syslog(3).  log_close() before
 * descriptors are closed in bulk: the next line opens what it needs.
 */
enum log_target { LOG_TARGET_STDERR, LOG_TARGET_SYSLOG };
void	log_open(enum log_target);
void	log_close(void);
/* A file to append to, never through a link; -1 + errno. */
int	log_file_open(const char *path) MUST_USE;
/* The file becomes stderr, for what libraries say as well; -1: what lines go to
 * is opened anew.  fd stays the caller's. */
void	log_reopen(int fd);
/* The place in a word: "stderr", "journal", "syslog". */
const char *log_place(enum log_target);
/*
 * Logging never waits: a line that is not taken at once (a pipe that nobody
 * reads, a stopped terminal, a syslog daemon that is stuck) is dropped.  The
 * hook is called for each, and the next line that is taken tells how many.
 */
extern void (*log_lost_hook)(void);
/* What else hears each message, whatever the level is, without what stands
 * before it; NULL: nobody. */
extern void (*log_tap_hook)(enum log_level, const char *message, size_t n);
/* What a line looks like: text, or an object of JSON (log_json.h). */
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void	log_set_format(enum log_format);
void	log_set_level(enum log_level);
int	log_level_from(const char *name);	/* -1: unknown */
extern enum log_level log_level_now;

void	log_err(const char *fmt, ...) PRINTF_LIKE(1, 2);    /* + errno */
void	log_errx(const char *fmt, ...) PRINTF_LIKE(1, 2);
void	log_warn(const char *fmt, ...) PRINTF_LIKE(1, 2);   /* + errno */
void	log_warnx(const char *fmt, ...) PRINTF_LIKE(1, 2);
void	log_info(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* A line that was put together elsewhere, in the same form. */
void	log_record(const char *line);
void	log_debug_(const char *fmt, ...) PRINTF_LIKE(1, 2);
#define log_debug(...) \
	(log_level_now >= LOG_LEVEL_DEBUG ? log_debug_(__VA_ARGS__) : (void)0)
/* At start-up, or when nothing else is left: log and exit (EX_OSERR). */
void	fatal(const char *fmt, ...) PRINTF_LIKE(1, 2) NORETURN; /* + errno */
void	fatalx(int sysexit, const char *fmt, ...) PRINTF_LIKE(2, 3) NORETURN;

/* A guard per call site: true at most once a second; counts what it holds
 * back and gives the count at the next chance. */
struct log_rate {
	uint64_t	 next_us;
	uint64_t	 held;
};
bool	log_rate(struct log_rate *, struct mono now, uint64_t *held);

/* Bytes of a peer made safe for a log line (quotes, control bytes, cut). */
const char *log_safe(char *out, size_t cap, const void *p, size_t n);
/* Words of another program, or of a file, fit to stand in quotes: blanks and
 * UTF-8 stay, quotes become single ones and control bytes '?'; cut at cap. */
const char *log_quoted(char *out, size_t cap, struct slice words);

#endif
