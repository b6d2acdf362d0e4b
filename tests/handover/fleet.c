/*
 * The fleet's processes; see fleet.h.
 *
 * usage: fleet NAME=VALUE ...	the members of struct options
 * stdin, a word a line:
 *	run		everybody is here: say, ask, check
 *	mark NAME	figures since the last mark
 *	hush		say nothing more; figures when all is answered
 *	check		what has not come is lost; figures
 *	end		leave, without a line
 * stdout: a line of JSON for each of these, and one when all are here.
 * stderr: what is wrong.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"

#define ALL_HERE_MS	120000
#define ALL_COME_MS	15000

struct board *board;
struct teller *me;
unsigned my_index;

static struct group *groups;
static unsigned first_group, ngroups, called;
static char **tokens;

void
token_of(unsigned member, char out[TOKEN_MAX])
{
	(void)snprintf(out, TOKEN_MAX, "%s", tokens[member]);
}

/* --- one process ------------------------------------------------------------- */

/* Those who are not called yet, at the pace that is wanted. */
static void
call_members(uint64_t since_us)
{
	uint64_t due = (now_us() - since_us) * board->opt.per_second /
	    board->opt.processes / 1000000;

	while (called < ngroups * GROUP && called < due) {
		member_call(&groups[called / GROUP].member[called % GROUP]);
		called++;
	}
}

static bool
all_hushed(void)
{
	unsigned i;

	for (i = 0; i < ngroups; i++)
		if (!group_hushed(&groups[i]))
			return (false);
	return (quick_hushed() && slow_hushed() && climbers_hushed() &&
	    askers_hushed());
}

static void
check(void)
{
	uint64_t since = now_us();
	unsigned i = 0;

	while (i < ngroups) {
		if (group_complete(&groups[i]))
			i++;
		else if (now_us() - since > ALL_COME_MS * UINT64_C(1000))
			break;
		else
			loop_turn();
	}
	for (i = 0; i < ngroups; i++)
		group_check(&groups[i]);
	me->checked = 1;
}

/* The figures until now are for the parent to read; new ones begin. */
static void
mark(void)
{
	static struct teller fresh;
	unsigned i;

	for (i = 0; i < ngroups; i++)
		group_mark(&groups[i]);
	quick_mark();
	me->marked = board->mark;
	while (me->marked == board->mark)
		(void)usleep(200);
	memcpy(me->late, fresh.late, sizeof me->late);
	memcpy(me->worst, fresh.worst, sizeof me->worst);
	memcpy(me->quick, fresh.quick, sizeof me->quick);
	memcpy(me->quick_worst, fresh.quick_worst, sizeof me->quick_worst);
	memcpy(me->fresh, fresh.fresh, sizeof me->fresh);
	me->ping_gap_us = 0;
	me->marked = board->mark;
}

static unsigned
share(unsigned n)
{
	return (n * (my_index + 1) / board->opt.processes -
	    n * my_index / board->opt.processes);
}

static void
process(void)
{
	const struct options *o = &board->opt;
	uint64_t since = now_us(), turn = 0;
	bool begun = false;

	srandom(my_index + 1);
	loop_init();
	first_group = o->groups * my_index / o->processes;
	ngroups = share(o->groups);
	groups = groups_new(first_group, ngroups);
	feeder_start();
	quick_start(share(o->quick));
	slow_start(share(o->slow));
	climbers_start(share(o->climbers));
	askers_start(share(o->askers), first_group, ngroups);
	while (board->order != ORDER_END) {
		loop_turn();
		call_members(since);
		me->held = visitors_here == visitors_wanted;
		if (board->order == ORDER_RUN && !begun) {
			begun = true;
			newcomers_start(o->newcomers);
		}
		if (board->mark != me->marked)
			mark();
		if (++turn % 16 != 0)
			continue;
		if (board->order == ORDER_HUSH)
			me->hushed = all_hushed();
		if (board->order == ORDER_CHECK && me->checked == 0)
			check();
	}
	_exit(0);
}

/* --- the parent ---------------------------------------------------------------- */

static void
options_read(struct options *o, char **argv)
{
	const struct { const char *name; unsigned *to; } numbers[] = {
		{ "port", &o->port }, { "processes", &o->processes },
		{ "groups", &o->groups }, { "polling", &o->polling },
		{ "quick", &o->quick }, { "slow", &o->slow },
		{ "climbers", &o->climbers }, { "askers", &o->askers },
		{ "newcomers", &o->newcomers },
		{ "per_second", &o->per_second }, { "say_ms", &o->say_ms },
		{ "ping_ms", &o->ping_ms },
	};
	const size_t n = sizeof numbers / sizeof *numbers;
	char *value;
	size_t i;

	for (; *argv != NULL; argv++) {
		value = strchr(*argv, '=');
		if (value == NULL)
			errx(2, "what is %s?", *argv);
		*value++ = '\0';
		for (i = 0; i < n && strcmp(numbers[i].name, *argv) != 0; i++)
			continue;
		if (i < n)
			*numbers[i].to = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(*argv, "tokens") == 0)
			o->tokens = value;
		else if (strcmp(*argv, "key") == 0)
			o->key = value;
		else if (strcmp(*argv, "lossy") == 0)
			o->lossy = *value == '1';
		else
			errx(2, "what is %s?", *argv);
	}
	if (o->processes < 1 || o->processes > PROCESSES ||
	    o->groups < o->processes || o->newcomers > 1000)
		errx(2, "not so many processes, groups or newcomers");
}

static void
tokens_read(void)
{
	unsigned n = board->opt.groups * GROUP, i;
	FILE *f = fopen(board->opt.tokens, "r");
	size_t cap;

	if (f == NULL)
		err(1, "%s", board->opt.tokens);
	tokens = calloc(n, sizeof *tokens);
	if (tokens == NULL)
		err(1, "memory");
	for (i = 0; i < n; i++) {
		cap = 0;
		if (getline(&tokens[i], &cap, f) == -1)
			errx(1, "%s: too few", board->opt.tokens);
		tokens[i][strcspn(tokens[i], "\n")] = '\0';
	}
	(void)fclose(f);
}

static bool
everywhere(bool (*is)(const struct teller *))
{
	unsigned i;

	for (i = 0; i < board->opt.processes; i++)
		if (!is(&board->teller[i]))
			return (false);
	return (true);
}
static bool is_hushed(const struct teller *t) { return (t->hushed != 0); }
static bool is_checked(const struct teller *t) { return (t->checked != 0); }
static bool is_marked(const struct teller *t)
{
	return (t->marked == board->mark);
}
static bool
all_here(const struct teller *t)
{
	(void)t;
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < board->opt.processes; i++) {
		if (board->teller[i].held == 0)
			return (false);
		sum += board->teller[i].here;
	}
	return (sum == board->opt.groups * GROUP);
}

static bool
await(bool (*is)(const struct teller *), uint64_t ms)
{
	uint64_t end = now_us() + ms * 1000;

	while (!everywhere(is)) {
		if (now_us() > end)
			return (false);
		(void)usleep(1000);
	}
	return (true);
}

static void
tell(const char *name)
{
	board->mark++;
	if (!await(is_marked, 10000))
		errx(1, "a process of the fleet hangs");
	figures_print(board, name);
	board->mark++;
	(void)await(is_marked, 10000);
}

static void
obey(char *word)
{
	word[strcspn(word, "\n")] = '\0';
	if (strcmp(word, "run") == 0)
		board->order = ORDER_RUN;
	else if (strcmp(word, "hush") == 0) {
		board->order = ORDER_HUSH;
		if (!await(is_hushed, 90000))
			fprintf(stderr, "WRONG: something is never answered\n");
	} else if (strcmp(word, "check") == 0) {
		board->order = ORDER_CHECK;
		(void)await(is_checked, ALL_COME_MS * 4);
	} else if (strncmp(word, "mark ", 5) == 0)
		word += 5;
	tell(word);
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	char word[80];
	unsigned i;

	(void)argc;
	board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		err(1, "mmap");
	options_read(&board->opt, argv + 1);
	tokens_read();
	(void)getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
	for (i = 0; i < board->opt.processes; i++) {
		my_index = i;
		me = &board->teller[i];
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			process();
		}
	}
	if (!await(all_here, ALL_HERE_MS)) {
		figures_print(board, "joining");
		errx(1, "not all have come");
	}
	tell("here");
	while (fgets(word, sizeof word, stdin) != NULL &&
	    strcmp(word, "end\n") != 0)
		obey(word);
	board->order = ORDER_END;
	while (wait(NULL) > 0)
		continue;
	return (0);
}
