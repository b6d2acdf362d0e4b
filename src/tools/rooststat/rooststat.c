/*
 * rooststat(1): shows the counters of a running roostd, or of one that has
 * died, from its statistics file.  The daemon is not asked for anything.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/coverage.h"
#include "shm/render.h"
#include "sys/plat.h"
#include "tools/rooststat/feed.h"
#include "tools/rooststat/keys.h"
#include "tools/rooststat/match.h"
#include "tools/rooststat/print.h"
#include "tools/rooststat/screen.h"

#define STATS_FILE	"/run/roost/stats"
#define FIRST_MS	250u	/* until the screen shows the first rates */

enum mode { MODE_SCREEN, MODE_ONCE, MODE_JSON, MODE_PROMETHEUS };

struct options {
	const char	*file;
	enum mode	 mode;
	bool		 once;
	unsigned	 interval_ms;	/* 0: not given */
	char		*const *pattern;
};

static void usage(int code) NORETURN;
static void
usage(int code)
{
	(void)fprintf(code == EX_OK ? stdout : stderr,
	    "usage: rooststat [-1hjpV] [-f file] [-w seconds] [pattern ...]\n"
	    "%s", code != EX_OK ? "" :
	    "  -1  print every counter once, instead of filling the screen\n"
	    "  -f  the statistics file (" STATS_FILE ")\n"
	    "  -h  print this\n"
	    "  -j  print everything as JSON; with -w once an interval\n"
	    "  -p  print the Prometheus text format\n"
	    "  -V  print the version\n"
	    "  -w  time between samples\n"
	    "  pattern: only metrics whose names match, such as '*dropped*'\n"
	    "See rooststat(1).\n");
	exit(code);
}

static void
rooststat_mode(struct options *o, enum mode mode)
{
	if (o->mode != MODE_SCREEN && o->mode != mode) {
		(void)fprintf(stderr, "rooststat: -j or -p, not both\n");
		exit(EX_USAGE);
	}
	o->mode = mode;
}

static void
rooststat_options(int argc, char **argv, struct options *o)
{
	int c;

	*o = (struct options){ .file = STATS_FILE };
	while ((c = getopt(argc, argv, "1f:hjpVw:")) != -1) {
		switch (c) {
		case '1':
			o->once = true;
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'h':
			usage(EX_OK);
		case 'j':
			rooststat_mode(o, MODE_JSON);
			break;
		case 'p':
			rooststat_mode(o, MODE_PROMETHEUS);
			break;
		case 'V':
			(void)printf("rooststat %s\n", PACKAGE_VERSION);
			exit(EX_OK);
		case 'w':
			o->interval_ms = keys_interval(optarg);
			if (o->interval_ms != 0)
				break;
			(void)fprintf(stderr, "rooststat: -w %s: not from 0.1 "
			    "to 3600 seconds\n", optarg);
			exit(EX_USAGE);
		default:
			usage(EX_USAGE);
		}
	}
	o->pattern = argv + optind;
	/* without a terminal there is nothing to draw on */
	if (o->mode == MODE_SCREEN && (o->once || !isatty(STDOUT_FILENO) ||
	    !isatty(STDIN_FILENO)))
		o->mode = MODE_ONCE;
	if (o->mode == MODE_PROMETHEUS || o->mode == MODE_ONCE)
		o->once = true;
	if (o->mode == MODE_PROMETHEUS && o->interval_ms != 0) {
		(void)fprintf(stderr, "rooststat: -w does not go with -p\n");
		exit(EX_USAGE);
	}
}

/* Why the file cannot be read, and what to do about it. */
static int
rooststat_refuse(const char *file, int error)
{
	int code = EX_IOERR;
	const char *why = strerror(error), *advice = "";

	switch (error) {
	case ENOENT: case ENOTDIR:
		code = EX_NOINPUT;
		advice = "; does roost.conf say stats { file = ... }?";
		break;
	case EACCES: case EPERM:
		code = EX_NOPERM;
		advice = "; it is for the daemon's user and group";
		break;
	case EPROTO:
		code = EX_DATAERR;
		why = "not a statistics file of roostd, damaged, or of another"
		    " version";
		break;
	case EFBIG:
		code = EX_DATAERR;
		why = "cut short";
		break;
	case EAGAIN:
		code = EX_TEMPFAIL;
		why = "not finished yet: roostd is starting";
		break;
	case EISDIR: case ENODEV:
		code = EX_DATAERR;
		break;
	case ENOMEM:
		code = EX_OSERR;
		break;
	}
	(void)fprintf(stderr, "rooststat: %s: %s%s\n", file, why, advice);
	return (code);
}

/* The file was cut while it was mapped: a read beyond its end. */
static void
rooststat_on_bus_error(int sig)
{
	(void)sig;
	/* raised by our own reading of the mapping, not within ncurses */
	screen_close();
	(void)!write(STDERR_FILENO, "rooststat: the file was cut short\n", 34);
	coverage_save();
	_exit(EX_DATAERR);
}

static int
rooststat_out_of_memory(void)
{
	screen_close();
	(void)fprintf(stderr, "rooststat: out of memory\n");
	return (EX_OSERR);
}

static bool
rooststat_update(struct model *m, const struct feed *f)
{
	return (model_update(m, f->prev.full ? &f->prev.snap : NULL,
	    &f->cur.snap, feed_elapsed_us(f), wall_now(), &f->source));
}

/* --- to standard output --------------------------------------------------- */

static int
rooststat_put(struct buf *out)
{
	if (out->oom)
		return (rooststat_out_of_memory());
	if (fwrite(out->data, 1, out->wpos, stdout) != out->wpos ||
	    fflush(stdout) != 0) {
		(void)fprintf(stderr, "rooststat: cannot write: %s\n",
		    strerror(errno));
		return (EX_IOERR);
	}
	return (EX_OK);
}

/* After the numbers: are they of a daemon that lives? */
static int
rooststat_verdict_code(const struct options *o, const struct feed *f)
{
	char age[TEXT_NUMBER];

	if (f->source.daemon == DAEMON_LIVE)
		return (EX_OK);
	text_age(age, f->source.silent_ms);
	(void)fprintf(stderr, "rooststat: %s: roostd %s %s ago: these are its "
	    "last numbers\n", o->file, f->source.daemon == DAEMON_ENDED ?
	    "ended" : "was last heard of", age);
	return (EX_UNAVAILABLE);
}

/* Says which patterns match nothing; an error when none does. */
static int
rooststat_check_patterns(const struct options *o,
    const struct stats_snapshot *s)
{
	char *const *p;
	bool some = o->pattern[0] == NULL;

	for (p = o->pattern; *p != NULL; p++) {
		if (match_some(s, *p))
			some = true;
		else
			(void)fprintf(stderr, "rooststat: no metric matches "
			    "\"%s\"\n", *p);
	}
	return (some ? EX_OK : EX_USAGE);
}

static int
rooststat_once(const struct options *o, struct feed *f, bool utf8)
{
	struct model m;
	struct buf out;
	int code;

	if (o->interval_ms != 0) {
		(void)usleep(o->interval_ms * 1000);
		if (feed_sample(f, mono_now(), wall_now()) == -1)
			return (rooststat_refuse(o->file, errno));
	}
	model_init(&m);
	buf_init(&out);
	if (!rooststat_update(&m, f))
		code = rooststat_out_of_memory();
	else if (print_once(&m, o->pattern, utf8, &out) == 0)
		code = EX_USAGE;
	else if ((code = rooststat_put(&out)) == EX_OK)
		code = rooststat_verdict_code(o, f);
	model_fini(&m);
	buf_fini(&out);
	return (code);
}

static int
rooststat_rendered(const struct options *o, struct feed *f)
{
	struct buf out;
	int code;

	match_reduce(&f->cur.snap, o->pattern);
	if (f->cur.snap.nmetrics == 0)
		return (EX_USAGE);
	buf_init(&out);
	if (o->mode == MODE_JSON) {
		render_json(&f->cur.snap, &out);
		buf_byte(&out, '\n');
	} else {
		render_prometheus(&f->cur.snap, &out);
	}
	code = rooststat_put(&out);
	buf_fini(&out);
	return (code != EX_OK ? code : rooststat_verdict_code(o, f));
}

/* One object, or with -w one each so many seconds until somebody has enough. */
static int
rooststat_stream(const struct options *o, struct feed *f)
{
	int code;

	while ((code = rooststat_rendered(o, f)) == EX_OK ||
	    code == EX_UNAVAILABLE) {
		if (o->once || o->interval_ms == 0)
			break;
		(void)usleep(o->interval_ms * 1000);
		if (feed_sample(f, mono_now(), wall_now()) == -1)
			return (rooststat_refuse(o->file, errno));
	}
	return (code);
}

/* --- the screen ----------------------------------------------------------- */

struct live {
	struct feed	*feed;
	struct model	 model;
	struct view	 view;
	struct mono	 next;		/* when to take a sample */
};

static bool
rooststat_live_sample(struct live *l)
{
	if (feed_sample(l->feed, mono_now(), wall_now()) == -1 ||
	    !rooststat_update(&l->model, l->feed))
		return (false);
	l->next = mono_add_ms(l->feed->cur.at, l->view.interval_ms);
	return (true);
}

/* Until the next sample, or for as long as nobody presses a key. */
static uint64_t
rooststat_live_wait_ms(const struct live *l)
{
	struct mono now = mono_now();

	if (l->view.paused)
		return (1000);
	return (l->next.us > now.us ? (l->next.us - now.us + 999) / 1000 : 0);
}

static bool
rooststat_live_key(struct live *l, int key)
{
	switch (keys_press(&l->view, (unsigned)key)) {
	case KEYS_QUIT:
		return (false);
	case KEYS_INTERVAL:
		l->next = mono_add_ms(l->feed->cur.at, l->view.interval_ms);
		break;
	case KEYS_CONTINUE:
	case KEYS_REDRAW:
		break;
	}
	return (true);
}

static int
rooststat_live_run(struct live *l)
{
	int key;

	for (;;) {
		screen_draw(&l->view, &l->model);
		key = screen_key(rooststat_live_wait_ms(l));
		if (key == -1 || (key > 0 && !rooststat_live_key(l, key)))
			return (EX_OK);
		if (!l->view.paused && mono_now().us >= l->next.us &&
		    !rooststat_live_sample(l))
			return (EX_OSERR);
	}
}

static int
rooststat_screen(const struct options *o, struct feed *f, bool utf8)
{
	struct live l = { .feed = f };
	int code, error;

	model_init(&l.model);
	view_init(&l.view);
	l.view.utf8 = utf8;
	l.view.pattern = o->pattern;
	if (o->pattern[0] != NULL)
		l.view.page = PAGE_COUNTERS;
	if (o->interval_ms != 0)
		l.view.interval_ms = o->interval_ms;
	if (!rooststat_update(&l.model, f))
		return (rooststat_out_of_memory());
	l.next = mono_add_ms(f->cur.at, FIRST_MS);
	if (!screen_open()) {
		model_fini(&l.model);
		(void)fprintf(stderr, "rooststat: terminal \"%s\" is not "
		    "known; -1 needs none\n", getenv("TERM") != NULL ?
		    getenv("TERM") : "");
		return (EX_CONFIG);
	}
	code = rooststat_live_run(&l);
	error = errno;
	screen_close();
	if (code != EX_OK)
		code = rooststat_refuse(o->file, error);
	model_fini(&l.model);
	return (code);
}

int
main(int argc, char **argv)
{
	struct options o;
	struct feed feed;
	bool utf8;
	int code = EX_OK;

	if (plat_std_files() == -1)
		return (EX_OSERR);
	(void)setlocale(LC_CTYPE, "");
	utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	rooststat_options(argc, argv, &o);
	(void)signal(SIGBUS, rooststat_on_bus_error);
	if (feed_open(&feed, o.file) == -1)
		return (rooststat_refuse(o.file, errno));
	if (feed_sample(&feed, mono_now(), wall_now()) == -1)
		code = rooststat_refuse(o.file, errno);
	else if ((code = rooststat_check_patterns(&o, &feed.cur.snap)) != EX_OK)
		(void)0;
	else if (o.mode == MODE_SCREEN)
		code = rooststat_screen(&o, &feed, utf8);
	else if (o.mode == MODE_ONCE)
		code = rooststat_once(&o, &feed, utf8);
	else
		code = rooststat_stream(&o, &feed);
	feed_close(&feed);
	return (code);
}
