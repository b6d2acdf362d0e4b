/* Pages of rooststat, as a terminal would show them. */
#include "tools/rooststat/view.h"

#include <errno.h>
#include <locale.h>

#include "tests/lib/scene.h"
#include "conf/redis_state.h"
#include "tools/rooststat/keys.h"
#include "tools/rooststat/list.h"
#include "tools/rooststat/print.h"
#include "tools/rooststat/verdict.h"

static struct view view;
static struct buf out;

static int
open_scene(void **state)
{
	struct scene *s = calloc(1, sizeof *s);

	scene_open(s);
	scene_traffic(s);
	view_init(&view);
	view.utf8 = true;
	buf_init(&out);
	*state = s;
	return (0);
}

static int
close_scene(void **state)
{
	buf_fini(&out);
	scene_close(*state);
	free(*state);
	return (0);
}

/* Without styles and what fills lines up; NUL-terminated. */
static void
plain(struct buf *b)
{
	size_t i, n = 0;

	for (i = 0; i < b->wpos; i++) {
		if (b->data[i] == '\n')
			while (n > 0 && b->data[n - 1] == ' ')
				n--;
		if (b->data[i] >= STYLE__END)
			b->data[n++] = b->data[i];
	}
	b->wpos = n;
	buf_byte(b, '\0');
}

static const char *
draw(struct scene *s, unsigned columns, unsigned rows)
{
	buf_reset(&out);
	view_draw(&view, &s->model, columns, rows, &out);
	assert_false(out.oom);
	plain(&out);
	return ((const char *)out.data);
}

static void
press(const char *keys)
{
	for (; *keys != '\0'; keys++)
		(void)keys_press(&view, (unsigned char)*keys);
}

static void
the_overview_of_a_usual_terminal(void **state)
{
	assert_string_equal(draw(*state, 80, 24),
	    "roostd 1.2.3  up 1m40s  2 workers  7 open  9 sessions  5 users    "
	    "      22:15:00\n"
	    "HEALTHY  all workers and the relay beat\n"
	    "[overview]  counters   namespaces   workers   relay    every 1s\n"
	    "rates          now/s  1min/s   avg/s\n"
	    "deliveries     13.0k   13.0k     270                              "
	    "             \342\226\210\n"
	    "messages in      5.0     5.0     0.6                              "
	    "             \342\226\210\n"
	    "connections        0       0       0\n"
	    "bytes out      1.50M   1.50M   30.0k                              "
	    "             \342\226\210\n"
	    "bytes in           0       0       0\n"
	    "latency                                     p50    p90    p99    m"
	    "ax    n/s\n"
	    "delivery                                  104us  104us 5.12ms 5.12"
	    "ms     50\n"
	    "handshake, all                            960us  960us  960us  960"
	    "us      0\n"
	    "loop turn                                 524ms  524ms  524ms  524"
	    "ms    0.5\n"
	    "rtt                                           -      -      -     "
	    " -      0\n"
	    "process*         pid state         up  open  in/s out/s Bout/s que"
	    "ue busy%   mem\n"
	    "worker 1         102 live       1m40s     7   5.0 12.0k  1.50M    "
	    " 0    25     -\n"
	    "worker 2         103 live       1m40s     0     0  1000      0    "
	    " 0     0     -\n"
	    "relay            101 live       1m40s     -     -     -      -    "
	    " -     0     -\n"
	    "namespace            users sockets  in/s *out/s Bin/s Bout/s new/s"
	    "  err/s errors\n"
	    "/                        5       9     0  10.0k     0      0     0"
	    "      0      0\n"
	    "/gr\303\266\303\237e                   0       0     0   2000     "
	    "0      0     0    4.0      8\n"
	    "problems                                              total   now/"
	    "s  1min/s\n"
	    "events_rejected{code=\"invalid\"}                           3     "
	    "  0       0\n"
	    "q quit  h help  v view  / filter  s sort  space pause  w interval\n");
}

static void
the_overview_of_a_telephone(void **state)
{
	assert_string_equal(draw(*state, 40, 12),
	    "roostd 1.2.3  up 1m40s  2 workers\n"
	    "HEALTHY  all workers and the relay beat\n"
	    "[overview]   every 1s\n"
	    "rates          now/s  1min/s   avg/s\n"
	    "deliveries     13.0k   13.0k     270\n"
	    "latency                p50    p99    max\n"
	    "delivery             104us 5.12ms 5.12ms\n"
	    "process*     state      open out/s busy%\n"
	    "worker 1     live          7 12.0k    25\n"
	    "problems           total   now/s  1min/s\n"
	    "events_rejected{~      3       0       0\n"
	    "q quit  h help  v view  / filter  s sor~\n");
}

static void
a_wide_overview_has_panes_side_by_side(void **state)
{
	assert_string_equal(draw(*state, 124, 10),
	    "roostd 1.2.3  up 1m40s  2 workers  7 open  9 sessions  5 users  0 "
	    "rooms  0B queued  pid 100                         22:15:00\n"
	    "HEALTHY  all workers and the relay beat\n"
	    "[overview]  counters   namespaces   workers   relay    every 1s\n"
	    "rates          now/s  1min/s   avg/s                           lat"
	    "ency                       p50    p90    p99    max    n/s\n"
	    "deliveries     13.0k   13.0k     270                        "
	    "\342\226\210  delivery                    104us  104us 5.12ms 5.12"
	    "ms     50\n"
	    "process*                 pid gen state         up  open  sess  in/"
	    "s out/s Bin/s Bout/s queue busy%  cpu%   mem   fds turn99\n"
	    "worker 1                 102   2 live       1m40s     7     9   5."
	    "0 12.0k     0  1.50M     0    25     -     -     -  524ms\n"
	    "problems                                              total   now/"
	    "s  1min/s  what it means\n"
	    "events_rejected{code=\"invalid\"}                           3     "
	    "  0       0  Client events refused, by code.\n"
	    "q quit  h help  v view  / filter  s sort  space pause  w interval\n");
}

/* All histories, and next to nothing left blank. */
static void
a_high_overview_is_filled_with_histories(void **state)
{
	static const char *const titles[] = { "deliveries/s  now 13.0k  max",
		"messages in/s  now 5.0  max 5.0", "open connections  now 7",
		"CPU, % of one  now -", "bytes out/s  now 1.50M",
		"memory of all processes  now -" };
	unsigned blank = 0, bars = 0, i;
	const char *text, *p;

	text = draw(*state, 200, 50);
	for (i = 0; i < nitems(titles); i++)
		assert_non_null(strstr(text, titles[i]));
	for (p = text; (p = strstr(p, "\n\n")) != NULL; p++)
		blank++;
	for (p = text; (p = strstr(p, "\342\226\210")) != NULL; p++)
		bars++;
	assert_true(bars > 4 * 7);
	/* the charts of what is not known here are one band of three */
	assert_true(blank <= 2);
	/* one below the other where it is narrow, the first ones */
	text = draw(*state, 80, 40);
	assert_non_null(strstr(text, "\ndeliveries/s  now"));
	assert_non_null(strstr(text, "\nmessages in/s  now"));
	assert_null(strstr(text, "memory of all"));
	assert_non_null(strstr(text, "\nproblems"));
}

static void
processes_show_memory_cpu_and_descriptors(void **state)
{
	static const struct plat_use use[] = { { 1 << 20, 1000, 11, 1024 },
		{ 20 << 20, 500000, 1234, 20000 }, { -1, -1, -1, -1 },
		{ -1, -1, -1, -1 } };
	struct scene *s = *state;

	s->source.use = s->source.was = use;
	scene_second(s);
	press("4");
	assert_non_null(strstr(draw(s, 200, 12),
	    "queue busy%  cpu%   mem   fds turn99\n"));
	assert_non_null(strstr(draw(s, 200, 12),
	    "25     0 21.0M  1234  524ms\n"));
	assert_non_null(strstr(draw(s, 200, 12), "0     -     -     -      -\n"));
	assert_non_null(strstr(draw(s, 80, 12), " mem"));
}

static void
workers_of_a_narrow_terminal(void **state)
{
	press("4");
	assert_string_equal(draw(*state, 60, 8),
	    "roostd 1.2.3  up 1m40s  2 workers  7 open           22:15:00\n"
	    "HEALTHY  all workers and the relay beat\n"
	    "[workers]   every 1s\n"
	    "process*      state      open  in/s out/s Bout/s queue busy%\n"
	    "worker 1      live          7   5.0 12.0k  1.50M     0    25\n"
	    "worker 2      live          0     0  1000      0     0     0\n"
	    "relay         live          -     -     -      -     -     0\n"
	    "q quit  h help  v view  / filter  s sort  space pause  w in~\n");
}

static void
ascii_terminals_get_ascii(void **state)
{
	const char *p;

	view.utf8 = false;
	for (p = draw(*state, 120, 40); *p != '\0'; p++)
		assert_true(*p > 0);
	assert_non_null(strstr((const char *)out.data, "/gr??e"));
}

/* Columns of each line and number of lines, whatever the size. */
static void
check_size(struct scene *s, unsigned columns, unsigned rows)
{
	char *p, *end;
	unsigned n = 0;

	buf_reset(&out);
	view_draw(&view, &s->model, columns, rows, &out);
	buf_byte(&out, '\0');
	for (p = (char *)out.data; (end = strchr(p, '\n')) != NULL;
	    p = end + 1, n++) {
		*end = '\0';
		if (text_width(p) != columns)
			fail_msg("%ux%u page %d: line %u has %u columns",
			    columns, rows, (int)view.page, n, text_width(p));
	}
	assert_int_equal(n, rows);
}

static void
every_size_is_filled_exactly(void **state)
{
	unsigned columns, rows, page;

	for (page = 0; page <= PAGE__MAX; page++) {
		view.help = page == PAGE__MAX;
		view.page = page % PAGE__MAX;
		for (columns = 1; columns <= 150; columns += 1 + columns / 9)
			for (rows = 1; rows <= 30; rows += 1 + rows / 9)
				check_size(*state, columns, rows);
	}
}

static void
the_sort_key_changes_the_order(void **state)
{
	const char *text;

	press("4");
	text = draw(*state, 100, 12);
	assert_true(strstr(text, "worker 1") < strstr(text, "worker 2"));
	press("ss");			/* by pid, generation */
	text = draw(*state, 100, 12);
	assert_true(strstr(text, "worker 2") < strstr(text, "worker 1"));
	press("s");
	assert_non_null(strstr(draw(*state, 100, 12), "state*"));
}

static void
the_filter_leaves_what_matches(void **state)
{
	const char *text;

	press("2/DELIV");
	text = draw(*state, 80, 24);
	assert_non_null(strstr(text, "deliveries "));
	assert_null(strstr(text, "messages_in"));
	assert_non_null(strstr(text, "filter: DELIV_"));
	(void)keys_press(&view, KEYS_ESCAPE);
	assert_non_null(strstr(draw(*state, 80, 24), "messages_in"));
}

static void
counters_that_are_zero_are_shown_on_demand(void **state)
{
	press("2/acks_out");
	assert_null(strstr(draw(*state, 80, 24), "acks_out    "));
	(void)keys_press(&view, KEYS_ENTER);
	press("z");
	assert_non_null(strstr(draw(*state, 80, 24), "acks_out    "));
	assert_non_null(strstr((const char *)out.data,
	    "Acknowledgements sent."));
}

static void
the_cursor_stays_within_the_list(void **state)
{
	press("2");
	(void)keys_press(&view, KEYS_END);
	(void)draw(*state, 80, 10);
	assert_true(view.cursor > 5);
	assert_true(view.cursor >= view.top);
	press("/nothing has this name");
	(void)draw(*state, 80, 10);
	assert_int_equal(view.cursor, 0);
	assert_int_equal(view.top, 0);
}

static void
reasons_are_broken_between_words(void **state)
{
	struct scene *s = *state;

	s->source.daemon = DAEMON_SILENT;
	s->source.silent_ms = 12000;
	s->source.process = 'T';
	scene_second(s);
	assert_non_null(strstr(draw(s, 44, 12),
	    "DEGRADED  master 100 is stopped (SIGSTOP),\n"
	    "last heartbeat 12s ago; 2 of 2 workers serve\non\n"));
}

/* As in a reload: there are more workers than usual, and nothing is wrong. */
static void
two_generations_are_no_riddle(void **state)
{
	struct scene *s = *state;

	scene_in(s, 0);
	counter_set(COUNTER_generations, 2);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_non_null(strstr(draw(s, 100, 24), "\nHEALTHY  all workers and "
	    "the relay beat; workers that leave hand over to the others\n"));
	scene_in(s, 0);
	counter_set(COUNTER_generations, 1);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	assert_null(strstr(draw(s, 100, 24), "hand over"));
}

static void
once_prints_names_that_grep_finds(void **state)
{
	char one[] = "deliveries", two[] = "delivery_us",
	    *patterns[] = { one, two, NULL };
	struct scene *s = *state;

	buf_reset(&out);
	assert_int_equal(print_once(&s->model, patterns, true, &out), 2);
	plain(&out);
	assert_string_equal((const char *)out.data,
	    "# roostd 1.2.3  pid 100  up 1m40s  2 of 2 workers\n"
	    "# HEALTHY  all workers and the relay beat\n"
	    "deliveries                                            27000     "
	    "13000.00  Messages queued to a client, one per receiver.\n"
	    "delivery_us                                             100     "
	    "   50.00  From a message's arrival to its write, within this "
	    "host.\n"
	    "delivery_us:p50                                         104     "
	    "       -  From a message's arrival to its write, within this "
	    "host.\n"
	    "delivery_us:p90                                         104     "
	    "       -  From a message's arrival to its write, within this "
	    "host.\n"
	    "delivery_us:p99                                        5120     "
	    "       -  From a message's arrival to its write, within this "
	    "host.\n"
	    "delivery_us:max                                        5120     "
	    "       -  From a message's arrival to its write, within this "
	    "host.\n");
}

/* Where the help of each line begins. */
static void
columns_hold_beside_the_longest_name(void **state)
{
	struct scene *s = *state;
	char *line, *next, *help;
	unsigned at = 0, n = 0, i;

	scene_in(s, 1);
	counter_set(COUNTER_bytes_in, 123456789012345678u);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	buf_reset(&out);
	assert_true(print_once(&s->model, NULL, true, &out) > 100);
	plain(&out);
	line = strchr(strchr((char *)out.data, '\n') + 1, '\n') + 1;
	for (; *line != '\0'; line = next) {
		next = strchr(line, '\n');
		*next++ = '\0';
		/* name, value, rate: each but the first after blanks */
		help = line;
		for (i = 0; i < 3; i++) {
			while (*help != '\0' && *help != ' ')
				help++;
			help += strspn(help, " ");
		}
		*help = '\0';
		if (n++ == 0)
			at = text_width(line);
		assert_int_equal(text_width(line), at);
	}
	assert_true(n > 100);
}

/* One that died, one that is silent: said at the top and in its row. */
static void
processes_that_are_dead_or_mute(void **state)
{
	struct scene *s = *state;
	const char *text;
	unsigned i;

	s->model.proc[0].dead = true;
	s->model.proc[1].silent = true;
	s->model.proc[1].silent_ms = 90000;
	verdict_judge(&s->model);
	press("4");
	text = draw(s, 100, 12);
	assert_non_null(strstr(text, "DEGRADED"));
	assert_non_null(strstr(text, " dead "));
	assert_non_null(strstr(text, " mute 1m "));
	assert_true(s->model.verdict == VERDICT_DEGRADED);
	assert_int_equal(s->model.nreasons, 2);
	assert_non_null(strstr(s->model.reason[0], " died"));
	assert_non_null(strstr(s->model.reason[1], " silent for 1m30s"));
	for (i = 0; i < s->model.nproc; i++)
		s->model.proc[i].silent = true;
	verdict_judge(&s->model);
	assert_non_null(strstr(s->model.reason[0],
	    "processes dead or silent"));
	s->model.workers_well = 0;
	verdict_judge(&s->model);
	assert_true(s->model.verdict == VERDICT_DOWN);
	assert_non_null(strstr(s->model.reason[1], "no worker serves"));
}

/* Of a daemon that says nothing, its process does. */
static void
a_silent_daemon_is_judged_by_its_process(void **state)
{
	static const struct {
		char		 process;
		const char	*words;
	} rows[] = {
		{ '\0', "is gone without a word" },
		{ 'Z', "is gone without a word" },
		{ 'X', "is gone without a word" },
		{ 'T', "is stopped (SIGSTOP)" },
		{ 't', "is stopped (SIGSTOP)" },
		{ 'D', "hangs" },
		{ '?', "hangs" },
	};
	struct scene *s = *state;
	size_t i;
	unsigned k;

	s->model.source.daemon = DAEMON_SILENT;
	for (i = 0; i < nitems(rows); i++) {
		s->model.source.process = rows[i].process;
		for (k = 0; k < s->model.nproc; k++)
			s->model.proc[k].silent_ms = 0;
		verdict_judge(&s->model);
		assert_true(s->model.verdict == VERDICT_DEGRADED);
		assert_int_equal(s->model.nreasons, 2);
		assert_non_null(strstr(s->model.reason[0], rows[i].words));
		assert_non_null(strstr(s->model.reason[1], "2 of 2 workers"));
		for (k = 0; k < s->model.nproc; k++)
			s->model.proc[k].silent_ms = 60000;
		verdict_judge(&s->model);
		assert_true(s->model.verdict == VERDICT_DOWN);
		assert_non_null(strstr(s->model.reason[1], "no worker serves"));
	}
	s->model.source.daemon = DAEMON_ENDED;
	s->model.source.error = EPROTO;
	verdict_judge(&s->model);
	assert_non_null(strstr(s->model.reason[0], "roostd ended"));
	assert_non_null(strstr(s->model.reason[1], "of another version"));
	s->model.source.error = EACCES;
	verdict_judge(&s->model);
	assert_non_null(strstr(s->model.reason[1], strerror(EACCES)));
}

static void
what_a_process_is_short_of_is_said(void **state)
{
	struct scene *s = *state;
	struct model_proc *p = &s->model.proc[0];
	unsigned i;

	p->busy = 0.999;
	p->files = 995;
	p->files_max = 1000;
	s->model.source.unlinked = true;
	verdict_judge(&s->model);
	assert_int_equal(s->model.nreasons, 3);
	assert_non_null(strstr(s->model.reason[0], "was removed"));
	assert_non_null(strstr(s->model.reason[1], "is at 100% of a CPU"));
	assert_non_null(strstr(s->model.reason[2],
	    "has 995 of 1000 descriptors open"));
	/* there is room for so many reasons, and no more are written */
	for (i = 0; i < s->model.nproc; i++) {
		s->model.proc[i].busy = 1;
		s->model.proc[i].files = s->model.proc[i].files_max = 10;
		s->model.proc[i].role = STATS_ROLE_WORKER;
	}
	verdict_judge(&s->model);
	assert_in_range(s->model.nreasons, 4, MODEL_REASONS);
}

/* What happens now stands before what is over, then the worst, then most. */
static void
problems_are_in_order(void **state)
{
	static const struct {
		enum counter	 counter;
		unsigned	 before, between;
		const char	*name;
	} rows[] = {
		{ COUNTER_memory_failures, 1, 1, "memory_failures" },
		{ COUNTER_log_lost, 0, 9, "log_lost" },
		{ COUNTER_joins_refused, 0, 4, "joins_refused" },
		{ COUNTER_tls_failed, 0, 2, "tls_failed" },
		{ COUNTER_files_lost, 5, 0, "files_lost" },
		{ COUNTER_handovers_refused, 7, 0, "handovers_refused" },
		{ COUNTER_rate_contended, 8, 0, "rate_contended" },
		{ COUNTER_rate_contended, 0, 0, NULL },
	};
	struct scene *s = *state;
	size_t i;

	scene_in(s, 1);
	for (i = 0; i < nitems(rows); i++)
		counter_add(rows[i].counter, rows[i].before);
	scene_take(s, 0, SCENE_UP_MS - 2000);
	for (i = 0; i < nitems(rows); i++)
		counter_add(rows[i].counter, rows[i].between);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	for (i = 0; rows[i].name != NULL; i++)
		assert_string_equal(s->model.problem[i].rate.metric->name,
		    rows[i].name);
	assert_int_equal(s->model.nproblem, i + 1);	/* the scene's own */
}

static double
sorted_by(const struct model_rate *r, unsigned col)
{
	return (col == 1 ? r->value : col == 2 ? r->now :
	    col == 3 ? r->minute : r->start);
}

/* Counters by each of their columns: the first row has the largest. */
static void
counters_sort_by_each_column(void **state)
{
	struct scene *s = *state;
	char name[64], *line;
	const char *text;
	unsigned col, i, most;

	press("2");
	for (col = 1; col <= 4; col++) {
		view.sort[PAGE_COUNTERS] = col;
		text = draw(s, 100, 60);
		for (i = most = 0; i < s->model.nrate; i++)
			if (sorted_by(&s->model.rate[i], col) >
			    sorted_by(&s->model.rate[most], col))
				most = i;
		line = strstr(text, "counter ");
		assert_non_null(line);
		line = strchr(line, '\n') + 1;
		(void)snprintf(name, sizeof name, "%s",
		    s->model.rate[most].metric->name);
		assert_memory_equal(line, name, strlen(name));
	}
}

/* The lines of the relay's page, at the given state of Redis. */
static const char *
draw_relay(struct scene *s, unsigned state, unsigned columns, unsigned rows)
{
	scene_in(s, 0);
	counter_set(COUNTER_redis_state, state);
	counter_set(COUNTER_redis_channels, 41);
	counter_add(COUNTER_redis_messages, 123456);
	counter_add(COUNTER_far_lost, 6);
	counter_set(COUNTER_nodes_known, 7);
	counter_add(COUNTER_redis_unsealed, 9);
	counter_add(COUNTER_stream_entries, 12);
	counter_add(COUNTER_store_evicted_rooms, 8);
	counter_set(COUNTER_store_events, 4321);
	counter_add(COUNTER_socketio_refused_off, 2);
	counter_add(COUNTER_socketio_refused_size, 3);
	scene_take(s, 1, SCENE_UP_MS);
	scene_second(s);
	press("5");
	return (draw(s, columns, rows));
}

static void
the_relay_has_a_page_of_its_own(void **state)
{
	const char *page = draw_relay(*state, REDIS_CONNECTED, 80, 60);

	assert_non_null(strstr(page, "DEGRADED  far_lost 3.0/s"));
	assert_non_null(strstr(page, "\nRedis: connected\n"));
	assert_non_null(strstr(page,
	    "\n  channels listened to             "
	    "                   41     now\n"));
	assert_non_null(strstr(page,
	    "\n  messages received                "
	    "               123456   61.7k"));
	assert_non_null(strstr(page, "\nother hosts\n"));
	assert_non_null(strstr(page, "\n  publications lost"));
	assert_non_null(strstr(page,
	    "\n  daemons there                    "
	    "                    7     now\n"));
	assert_non_null(strstr(page,
	    "\n  seals missing or wrong           "
	    "                    9     4.5"));
	assert_non_null(strstr(page,
	    "\n  messages of the stream           "
	    "                   12     6.0"));
	/* counters of one name, whatever their labels */
	assert_non_null(strstr(page,
	    "\n  messages refused                 "
	    "                    5     2.5"));
	/* what is 0 is shown, too */
	assert_non_null(strstr(page,
	    "\n  answers lost                     "
	    "                    0"));
}

static void
the_relay_shows_what_is_kept_of_rooms(void **state)
{
	const char *page = draw_relay(*state, REDIS_OFF, 80, 100);

	assert_non_null(strstr(page, "\nrooms with a history\n"));
	assert_non_null(strstr(page,
	    "\n  events kept                      "
	    "                 4321     now\n"));
	assert_non_null(strstr(page,
	    "\n  rooms put out, for their bytes   "
	    "                    8     4.0"));
	assert_non_null(strstr(page, "store_evicted_rooms 4.0/s"));
}

static void
each_row_of_the_relay_is_a_counter(void **state)
{
	const char *page = draw_relay(*state, REDIS_CONNECTED, 80, 140);
	unsigned rows = 0;

	for (page = strstr(page, "\nRedis: "); page != NULL;
	    page = strstr(page + 1, "\n"))
		if (strncmp(page, "\n  ", 3) == 0)
			rows++;
	assert_int_equal(rows + 11, list_count(&view,
	    &((struct scene *)*state)->model, PAGE_RELAY));
	assert_int_equal(rows, 109);
}

static void
the_relay_without_redis(void **state)
{
	assert_non_null(strstr(draw_relay(*state, REDIS_OFF, 80, 24),
	    "\nRedis: not configured\n"));
}

static void
the_state_of_redis_is_said_in_words(void **state)
{
	const char *page = draw_relay(*state, REDIS_UNREACHABLE, 80, 24);

	assert_non_null(strstr(page, "DEGRADED  Redis cannot be reached"));
	assert_non_null(strstr(page, "\nRedis cannot be reached\n"));
	/* a daemon newer than this program */
	page = draw_relay(*state, REDIS_STATE__MAX, 80, 24);
	assert_non_null(strstr(page, "DEGRADED  Redis is not connected"));
}

static void
the_relays_rows_are_found_by_words_and_by_counters(void **state)
{
	(void)draw_relay(*state, REDIS_CONNECTED, 80, 24);
	press("/far_lost");
	assert_int_equal(list_count(&view,
	    &((struct scene *)*state)->model, PAGE_RELAY), 1);
	assert_non_null(strstr(draw(*state, 80, 24), "publications lost"));
	(void)keys_press(&view, KEYS_ESCAPE);
	press("/of Socket.IO");
	assert_int_equal(list_count(&view,
	    &((struct scene *)*state)->model, PAGE_RELAY), 0);
}

int
main(void)
{
#define ON_SCENE(f) cmocka_unit_test_setup_teardown(f, open_scene, close_scene)
	const struct CMUnitTest tests[] = {
		ON_SCENE(the_overview_of_a_usual_terminal),
		ON_SCENE(the_overview_of_a_telephone),
		ON_SCENE(a_wide_overview_has_panes_side_by_side),
		ON_SCENE(a_high_overview_is_filled_with_histories),
		ON_SCENE(processes_show_memory_cpu_and_descriptors),
		ON_SCENE(workers_of_a_narrow_terminal),
		ON_SCENE(ascii_terminals_get_ascii),
		ON_SCENE(every_size_is_filled_exactly),
		ON_SCENE(the_sort_key_changes_the_order),
		ON_SCENE(the_filter_leaves_what_matches),
		ON_SCENE(counters_that_are_zero_are_shown_on_demand),
		ON_SCENE(the_cursor_stays_within_the_list),
		ON_SCENE(processes_that_are_dead_or_mute),
		ON_SCENE(a_silent_daemon_is_judged_by_its_process),
		ON_SCENE(what_a_process_is_short_of_is_said),
		ON_SCENE(problems_are_in_order),
		ON_SCENE(counters_sort_by_each_column),
		ON_SCENE(reasons_are_broken_between_words),
		ON_SCENE(two_generations_are_no_riddle),
		ON_SCENE(once_prints_names_that_grep_finds),
		ON_SCENE(columns_hold_beside_the_longest_name),
		ON_SCENE(the_relay_has_a_page_of_its_own),
		ON_SCENE(the_relay_shows_what_is_kept_of_rooms),
		ON_SCENE(each_row_of_the_relay_is_a_counter),
		ON_SCENE(the_relay_without_redis),
		ON_SCENE(the_state_of_redis_is_said_in_words),
		ON_SCENE(the_relays_rows_are_found_by_words_and_by_counters),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return (99);
	(void)setenv("TZ", "UTC", 1);
	return (cmocka_run_group_tests(tests, NULL, NULL));
}
