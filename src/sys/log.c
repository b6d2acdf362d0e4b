/*
 * One line per message, to stderr or syslog; the contract is log.h.  Lines
 * are put together here and written by one call, so that those of several
 * processes do not mix.
 */
#include "sys/log.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "sys/log_json.h"
#include "sys/log_out.h"

#define LOG_LINE_MAX	2048

enum log_level log_level_now = LOG_LEVEL_INFO;

static char log_who[32] = "master";
static enum log_format log_shape = LOG_FORMAT_TEXT;
static enum log_target log_where = LOG_TARGET_STDERR;
static bool log_journal; /* stderr ends in the journal */
static uint64_t log_lost; /* lines since the last that was taken */

void (*log_lost_hook)(void);
void (*log_tap_hook)(enum log_level, const char *, size_t);

static const struct log_level_row {
	const char	*name;
	int		 priority;	/* syslog(3) */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", LOG_ERR },
	[LOG_LEVEL_WARN] = { "warn", LOG_WARNING },
	[LOG_LEVEL_INFO] = { "info", LOG_INFO },
	[LOG_LEVEL_DEBUG] = { "debug", LOG_DEBUG },
};

int
log_level_from(const char *name)
{
	size_t i;

	for (i = 0; i < nitems(log_levels); i++) {
		if (strcmp(log_levels[i].name, name) == 0)
			return ((int)i);
	}
	return (-1);
}

void
log_set_level(enum log_level level)
{
	log_level_now = level;
}

void
log_set_format(enum log_format format)
{
	log_shape = format;
}

void
log_init(const char *role, int slot, enum log_level level)
{
	if (slot >= 0)
		(void)snprintf(log_who, sizeof log_who, "%s/%d", role, slot);
	else
		(void)snprintf(log_who, sizeof log_who, "%s", role);
	log_level_now = level;
}

/* systemd names the stream it connected: "device:inode" (systemd.exec(5)). */
static bool
log_is_journal(void)
{
	const char *stream;
	struct stat st;
	char here[64];

	stream = getenv("JOURNAL_STREAM");
	if (stream == NULL || fstat(STDERR_FILENO, &st) == -1)
		return (false);
	(void)snprintf(here, sizeof here, "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return (strcmp(stream, here) == 0);
}

void
log_open(enum log_target target)
{
	log_where = target;
	log_journal = target == LOG_TARGET_STDERR && log_is_journal();
	if (target == LOG_TARGET_SYSLOG)
		log_out_syslog();
	else
		log_out_stderr();
}

const char *
log_place(enum log_target target)
{
	if (target == LOG_TARGET_SYSLOG)
		return ("syslog");
	return (log_is_journal() ? "journal" : "stderr");
}

void
log_close(void)
{
	log_out_close();
}

int
log_file_open(const char *path)
{
	/* O_NONBLOCK: a pipe without a reader makes nobody wait */
	return (open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0640));
}

/* Standard output is that file, too, as of children: it would be kept open. */
static bool
log_has_stdout(void)
{
	struct stat out, err;

	return (fstat(STDOUT_FILENO, &out) == 0 &&
	    fstat(STDERR_FILENO, &err) == 0 && S_ISREG(err.st_mode) &&
	    out.st_dev == err.st_dev && out.st_ino == err.st_ino);
}

void
log_reopen(int fd)
{
	if (fd != -1 && log_has_stdout())
		(void)dup2(fd, STDOUT_FILENO);
	if (fd != -1)
		(void)dup2(fd, STDERR_FILENO);
	log_open(fd != -1 ? LOG_TARGET_STDERR : log_where);
}

static void
log_time(char out[40])
{
	struct wall now = wall_now();
	time_t t = (time_t)(now.ms / 1000);
	char stamp[32];
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		stamp[0] = '\0';
	(void)snprintf(out, 40, "%s.%03uZ", stamp, (unsigned)(now.ms % 1000));
}

/* The part of a line before the message; returns its length. */
static size_t
log_head(char *out, size_t cap, enum log_level level)
{
	const char *name = log_levels[level].name;
	char now[40];
	int n;

	if (log_where == LOG_TARGET_SYSLOG)
		n = snprintf(out, cap, "%s %s: ", log_who, name);
	else if (log_journal)
		n = snprintf(out, cap, "<%d>%s: ", log_levels[level].priority,
		    log_who);
	else {
		log_time(now);
		n = snprintf(out, cap, "%s roostd[%d] %s %s: ", now,
		    (int)getpid(), log_who, name);
	}
	return (n < 0 ? 0 : (size_t)n);
}

/* The same as an object; journal and syslog know the time. */
static size_t
log_object(char *out, enum log_level level, struct slice message)
{
	char now[40] = "";
	struct log_json_head h = { .time = now,
		.level = log_levels[level].name, .process = log_who,
		.pid = (int)getpid() };
	size_t n = 0;

	if (log_where != LOG_TARGET_SYSLOG && !log_journal)
		log_time(now);
	if (log_journal)
		n = (size_t)snprintf(out, 8, "<%d>",
		    log_levels[level].priority);
	return (n + log_json(out + n, LOG_LINE_MAX - 1 - n, &h, message));
}

/* A whole line, with its newline; returns its length. */
static size_t
log_whole(char out[LOG_LINE_MAX], enum log_level level, struct slice message)
{
	size_t n;

	if (log_shape == LOG_FORMAT_JSON)
		n = log_object(out, level, message);
	else {
		n = log_head(out, LOG_LINE_MAX, level);
		if (message.n > LOG_LINE_MAX - 1 - n)
			message.n = LOG_LINE_MAX - 1 - n;
		memcpy(out + n, message.p, message.n);
		n += message.n;
	}
	out[n++] = '\n';
	return (n);
}

/* Append, cut to fit; never fails. */
static size_t
log_vadd(char *line, size_t at, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);
static size_t
log_vadd(char *line, size_t at, const char *fmt, va_list ap)
{
	size_t room;
	int n;

	room = LOG_LINE_MAX - 1 - at; /* one byte stays for the newline */
	n = vsnprintf(line + at, room, fmt, ap);
	if (n < 0)
		return (at);
	return (at + ((size_t)n < room ? (size_t)n : room - 1));
}

static size_t
log_add(char *line, size_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static size_t
log_add(char *line, size_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	at = log_vadd(line, at, fmt, ap);
	va_end(ap);
	return (at);
}

/*
 * Those that nobody took are told by the next one that somebody takes: in one
 * piece, or the telling alone would fill what little room there is.
 */
static bool
log_put_after_loss(enum log_level level, const char *line, size_t n)
{
	char both[2 * LOG_LINE_MAX], words[64];
	size_t at;

	(void)snprintf(words, sizeof words, "log lines_lost=%" PRIu64,
	    log_lost);
	at = log_whole(both, LOG_LEVEL_WARN, slice_str(words));
	if (log_where == LOG_TARGET_SYSLOG) {
		if (!log_out_line(LOG_WARNING, both, at))
			return (false);
		log_lost = 0;
		return (log_out_line(log_levels[level].priority, line, n));
	}
	memcpy(both + at, line, n);
	return (log_out_line(log_levels[level].priority, both, at + n));
}

static void
log_put(enum log_level level, const char *line, size_t n)
{
	if (log_lost > 0 ? log_put_after_loss(level, line, n) :
	    log_out_line(log_levels[level].priority, line, n)) {
		log_lost = 0;
		return;
	}
	log_lost++;
	if (log_lost_hook != NULL)
		log_lost_hook();
}

static void
log_vline(enum log_level level, int error, const char *fmt, va_list ap)
    PRINTF_LIKE(3, 0);
static void
log_vline(enum log_level level, int error, const char *fmt, va_list ap)
{
	char message[LOG_LINE_MAX], line[LOG_LINE_MAX];
	size_t n;
	int saved;

	saved = errno;
	n = log_vadd(message, 0, fmt, ap);
	if (error != 0)
		n = log_add(message, n, " error=\"%s\"", strerror(error));
	if (log_tap_hook != NULL)
		log_tap_hook(level, message, n);
	if (level <= log_level_now)
		log_put(level, line, log_whole(line, level,
		    slice_of(message, n)));
	errno = saved;
}

#define LOG_LINE(level, error) do {					\
	va_list ap;							\
									\
	va_start(ap, fmt);						\
	log_vline(level, error, fmt, ap);				\
	va_end(ap);							\
} while (0)

void
log_err(const char *fmt, ...)
{
	int error = errno;

	LOG_LINE(LOG_LEVEL_ERROR, error);
}

void
log_errx(const char *fmt, ...)
{
	LOG_LINE(LOG_LEVEL_ERROR, 0);
}

void
log_warn(const char *fmt, ...)
{
	int error = errno;

	if (log_level_now >= LOG_LEVEL_WARN || log_tap_hook != NULL)
		LOG_LINE(LOG_LEVEL_WARN, error);
}

void
log_warnx(const char *fmt, ...)
{
	if (log_level_now >= LOG_LEVEL_WARN || log_tap_hook != NULL)
		LOG_LINE(LOG_LEVEL_WARN, 0);
}

void
log_info(const char *fmt, ...)
{
	if (log_level_now >= LOG_LEVEL_INFO || log_tap_hook != NULL)
		LOG_LINE(LOG_LEVEL_INFO, 0);
}

static void log_words(enum log_level, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void
log_words(enum log_level level, const char *fmt, ...)
{
	LOG_LINE(level, 0);
}

void
log_record(const char *line)
{
	if (log_level_now >= LOG_LEVEL_INFO)
		log_words(LOG_LEVEL_INFO, "%s", line);
}

void
log_debug_(const char *fmt, ...)
{
	LOG_LINE(LOG_LEVEL_DEBUG, 0);
}

void
fatal(const char *fmt, ...)
{
	int error = errno;

	LOG_LINE(LOG_LEVEL_ERROR, error);
	if (log_where == LOG_TARGET_SYSLOG) {
		log_open(LOG_TARGET_STDERR); /* for who reads that */
		LOG_LINE(LOG_LEVEL_ERROR, error);
	}
	exit(EX_OSERR);
}

void
fatalx(int sysexit, const char *fmt, ...)
{
	LOG_LINE(LOG_LEVEL_ERROR, 0);
	if (log_where == LOG_TARGET_SYSLOG) {
		log_open(LOG_TARGET_STDERR); /* for who reads that */
		LOG_LINE(LOG_LEVEL_ERROR, 0);
	}
	exit(sysexit);
}

bool
log_rate(struct log_rate *r, struct mono now, uint64_t *held)
{
	if (now.us < r->next_us) {
		r->held++;
		return (false);
	}
	r->next_us = now.us + 1000000;
	*held = r->held;
	r->held = 0;
	return (true);
}

static bool
log_is_plain(uint8_t c)
{
	return (c > 0x20 && c < 0x7f && c != '"' && c != '\\');
}

const char *
log_safe(char *out, size_t cap, const void *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *s = p;
	size_t i, need, o, room;

	MUST(cap >= 4);
	for (i = need = 0; i < n && need < cap; i++)
		need += log_is_plain(s[i]) ? 1 : 4;
	/* when it does not fit, what does is followed by "..." */
	room = need < cap ? cap - 1 : cap - 4;
	for (i = o = 0; i < n; i++) {
		if (o + (log_is_plain(s[i]) ? 1 : 4) > room)
			break;
		if (log_is_plain(s[i])) {
			out[o++] = (char)s[i];
			continue;
		}
		out[o++] = '\\';
		out[o++] = 'x';
		out[o++] = hex[s[i] >> 4];
		out[o++] = hex[s[i] & 15];
	}
	if (i < n) {
		memcpy(out + o, "...", 3);
		o += 3;
	}
	out[o] = '\0';
	return (out);
}

const char *
log_quoted(char *out, size_t cap, struct slice words)
{
	size_t i, n = words.n < cap ? words.n : cap - 1;
	const uint8_t *s = words.p;

	MUST(cap > 0);
	for (i = 0; i < n; i++)
		out[i] = s[i] == '"' ? '\'' : s[i] < ' ' || s[i] == 0x7f ?
		    '?' : (char)s[i];
	out[n] = '\0';
	return (out);
}
