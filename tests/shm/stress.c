/*
 * Kill stress: workers and a relay on one small table, killed between any two
 * shared accesses (hooks) and at random; the master reclaims, sweeps and
 * restarts.  Every so often all stop and everything is checked: the
 * invariants, what each living worker believes it holds, and what the outside
 * world was told.
 *
 *	stress [--seconds N] [--seed N]		exit 0: nothing was wrong
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/presence.h"
#include "shm/sweep.h"
#include "shm/table_relay.h"
#include "verify.h"

#define USERS_MAX	200
#define WORKERS_MAX	12
#define TEXT(u)		slice_of(keys[u], strlen(keys[u]))

/* What all processes of the test share besides the segment. */
struct worker_view {
	_Atomic uint32_t node[USERS_MAX];	/* of a held user, or 0 */
	_Atomic uint32_t held[USERS_MAX];	/* connections */
	_Atomic int	 resting;
	_Atomic uint64_t kills;			/* left to do at a hook */
};

struct shared {
	_Atomic int	 pause;
	_Atomic int	 drain;		/* asks the relay for a full round */
	_Atomic int	 drained;
	_Atomic int	 wrong;
	_Atomic uint64_t told[USERS_MAX];	/* version << 8 | level */
	_Atomic uint64_t events, repeats, hook_kills, ops;
	struct worker_view worker[WORKERS_MAX];
};

static struct shared *shared;
static struct segment *seg;
static struct sweep *master;
static struct table *looker;	/* no slot's: made before all forks */
static char keys[USERS_MAX][24];
static unsigned nusers, nworkers;
static bool relay_dies;
static unsigned one_in;				/* kill_one_in of workers */
static pid_t pid_of[WORKERS_MAX + 1];		/* [0]: the relay */
static unsigned slot_of[WORKERS_MAX + 1];
static uint64_t rng;
static unsigned kill_one_in;			/* hooks; 0: never */
static uint64_t kills, relay_kills, checks;

static uint32_t
roll(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return ((uint32_t)(rng >> 20) % n);
}

void
shm_hook(void)
{
	if (kill_one_in == 0)
		return;
	if (roll(kill_one_in) == 0) {
		atomic_fetch_add(&shared->hook_kills, 1);
		(void)raise(SIGKILL);
	}
	if (roll(16) == 0)
		(void)sched_yield();
}

static void
wrong(const char *what, unsigned who, unsigned user)
{
	fprintf(stderr, "%s (worker %u, user %u)\n", what, who, user);
	atomic_fetch_add(&shared->wrong, 1);
}

/* --- a worker ------------------------------------------------------------- */

static void
check_joined(unsigned me, unsigned u, uint32_t n)
{
	struct table *t = looker;
	struct slice key;

	if (n == 0)
		return;
	(void)table_key(t, table_node(t, n), &key);
	if (!slice_eq(key, TEXT(u)))
		wrong("joined a node of another key", me, u);
	if ((atomic_load(&table_node(t, n)->ann) & ANN_DEAD) != 0)
		wrong("joined a dead node", me, u);
}

static void
worker_op(struct presence *p, unsigned me)
{
	struct worker_view *v = &shared->worker[me];
	unsigned u = roll(nusers), i;
	uint32_t held, n;

	/* every other time one that is held, if there is any */
	for (i = roll(2) * nusers; i > 0 && atomic_load(&v->held[u]) == 0;
	    i--)
		u = (u + 1) % nusers;
	held = atomic_load(&v->held[u]);
	if (held == 0 || (held < 3 && roll(4) == 0)) {
		n = presence_join(p, 1, TEXT(u));
		check_joined(me, u, n);
		if (n != 0 || held == 0)
			atomic_store(&v->node[u], n);
		atomic_store(&v->held[u], held + 1);
	} else if (roll(8) == 0) {
		presence_set_status(p, atomic_load(&v->node[u]), 1, TEXT(u),
		    (uint8_t)roll(4), SLICE("at lunch"), wall_now());
	} else {
		n = atomic_load(&v->node[u]);
		atomic_store(&v->held[u], held - 1);
		if (held == 1)
			atomic_store(&v->node[u], 0);
		presence_leave(p, n, 1, TEXT(u), (uint8_t)(1 + u % 8));
	}
	atomic_fetch_add_explicit(&shared->ops, 1, memory_order_relaxed);
}

static void
rest(struct presence *p, unsigned me, unsigned slot)
{
	unsigned saved = kill_one_in;

	/* what found no room may find it now; then say what is where */
	slots_quiesce_leave(seg, slot);
	presence_retry(p, mono_now());
	slots_quiesce_enter(seg, slot);
	kill_one_in = 0;
	atomic_store(&shared->worker[me].resting, 1);
	while (atomic_load(&shared->pause) != 0)
		usleep(200);
	atomic_store(&shared->worker[me].resting, 0);
	kill_one_in = saved;
}

static void
worker_main(unsigned me, unsigned slot)
{
	struct presence *p = presence_open(seg, slot);
	unsigned i;

	if (p == NULL)
		_exit(2);
	for (;;) {
		if (atomic_load(&shared->pause) != 0)
			rest(p, me, slot);
		slots_quiesce_leave(seg, slot);
		for (i = roll(12); i > 0; i--)
			worker_op(p, me);
		if (roll(64) == 0)
			presence_retry(p, mono_now());
		slots_quiesce_enter(seg, slot);
		if (roll(32) == 0)
			(void)sched_yield();
	}
}

/* --- the relay ------------------------------------------------------------ */

static struct table *told_of;	/* the relay's */

/*
 * The outside world: drops what is not newer, and must see L alternate.  Now
 * and then it has no room.
 */
static bool
outside(void *arg, const struct table_event *e)
{
	char key[24] = "";
	uint64_t was;
	unsigned u;

	(void)arg;
	if (atomic_load(&shared->drain) == 0 && roll(4) == 0)
		return (false);		/* no room now */
	memcpy(key, e->key.p, e->key.n < 23 ? e->key.n : 23);
	u = (unsigned)strtoul(key + 5, NULL, 10);
	if (u >= nusers) {
		wrong("an event of an unknown user", 0, u);
		return (true);
	}
	atomic_fetch_add(&shared->events, 1);
	if (e->repeat)
		atomic_fetch_add(&shared->repeats, 1);
	was = atomic_load(&shared->told[u]);
	if (e->version <= was >> 8) {
		if (!e->repeat && e->version < was >> 8)
			wrong("versions do not grow", 0, u);
		return (true);
	}
	if (!e->status && !e->repeat && ((was ^ e->is) & ANN_LEVEL) == 0)
		wrong("told twice", 0, u);
	/* a worker, or the master in its place, has said why */
	if ((was & ~(uint64_t)e->is & ANN_L) != 0 &&
	    LAST_WHY(atomic_load(&table_node(told_of, e->node)->last)) == 0)
		wrong("gone, and nobody says why", 0, u);
	/* one store: the world has heard it or not */
	if (!e->status || e->repeat)
		atomic_store(&shared->told[u], e->version << 8 | e->is);
	return (true);
}

/* A host that comes and goes in what Redis says. */
static void
mirror(struct table_relay *t)
{
	unsigned u = roll(nusers);

	(void)table_mirror(t, 1, TEXT(u), roll(2));
}

static void
relay_main(void)
{
	struct table_relay *t = table_relay_open(seg, TABLE_PRESENCE, 0);
	int drain;

	told_of = table_open(seg, TABLE_PRESENCE, SLOT_NONE);
	if (t == NULL || told_of == NULL)
		_exit(2);
	slots_quiesce_leave(seg, 0);
	table_announce_queues(t);
	table_inherit_begin(t);
	table_announce_all(t, mono_now(), outside, NULL);
	table_inherit_end(t);
	for (;;) {
		drain = atomic_load(&shared->drain);
		slots_quiesce_leave(seg, 0);
		if (drain == 0 && roll(4) == 0)
			mirror(t);
		(void)table_announce(t, mono_now(), outside, NULL);
		if (drain != 0 || roll(2) == 0)
			table_announce_held(t, mono_now(), outside, NULL);
		if (drain != 0 || roll(4) == 0)
			table_announce_sent(t);
		slots_quiesce_enter(seg, 0);
		if (drain != 0 && table_held(t) == 0 &&
		    !table_announce_unsent(t)) {
			atomic_store(&shared->drained, drain);
			usleep(200);
		} else if (roll(8) == 0)
			(void)sched_yield();
	}
}

/* --- the master ----------------------------------------------------------- */

static void
start(unsigned who)
{
	struct slot_row *row = segment_slot(seg, slot_of[who]);
	pid_t pid;

	if (slot_state(seg, slot_of[who]) != SLOT_FREE)
		abort();
	atomic_store(&row->state, SLOT_ASSIGNED);
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	if (rng == 0)
		rng = 1;
	pid = fork();
	if (pid == -1) {
		perror("fork");
		exit(2);
	}
	if (pid == 0) {
		kill_one_in = who > 0 ? one_in : relay_dies ? 3000 : 0;
		rng ^= (uint64_t)getpid() << 32;
		if (who == 0)
			relay_main();
		else
			worker_main(who - 1, slot_of[who]);
		_exit(0);
	}
	pid_of[who] = pid;
	slot_live(seg, slot_of[who], (uint32_t)pid);
}

static void
bury(unsigned who)
{
	struct worker_view *v;
	unsigned u;

	slot_dead(seg, slot_of[who]);
	if (who > 0) {
		v = &shared->worker[who - 1];
		for (u = 0; u < nusers; u++) {
			atomic_store(&v->held[u], 0);
			atomic_store(&v->node[u], 0);
		}
		atomic_store(&v->resting, 0);
		kills++;
	} else
		relay_kills++;
	pid_of[who] = 0;
	sweep_reclaim(master, slot_of[who]);
}

/* Bury and start again whoever died. */
static void
reap(void)
{
	unsigned who;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			wrong("a child ended by itself", 0, 0);
		for (who = 0; who <= nworkers; who++)
			if (pid_of[who] == pid) {
				bury(who);
				start(who);
			}
	}
}

static void
sweep(void)
{
	/* as if nodes were short: no linger */
	atomic_store(&segment_header(seg)->need_sweep, 1);
	sweep_round(master, mono_now());
}

static void
run_for(unsigned ms)
{
	uint64_t end = mono_now().us + ms * 1000u;
	unsigned who;

	while (mono_now().us < end) {
		reap();
		sweep();
		if (roll(20) == 0) {
			who = roll(nworkers + 1);
			if (who != 0 || relay_dies)
				(void)kill(pid_of[who], SIGKILL);
		}
		usleep(100);
	}
}

static bool
all_resting(void)
{
	unsigned i;

	for (i = 0; i < nworkers; i++)
		if (atomic_load(&shared->worker[i].resting) == 0)
			return (false);
	return (true);
}

static void
check_worker(struct table *t, unsigned me)
{
	struct worker_view *v = &shared->worker[me];
	unsigned slot = slot_of[me + 1], u;
	uint32_t held, n, col, kept = 0, in_table = 0, cols = 0;
	uint64_t over[2];

	for (u = 0; u < nusers; u++) {
		held = atomic_load(&v->held[u]);
		n = table_find(t, 1, TEXT(u));
		col = n == 0 ? 0 : atomic_load(&table_col(t, slot)[n]);
		if (held == 0 && col != 0)
			wrong("a column of a user not held", me, u);
		if (held != 0 && col != 0 && col != held)
			wrong("connections differ", me, u);
		if (held != 0 && atomic_load(&v->node[u]) != 0 &&
		    atomic_load(&v->node[u]) != n)
			wrong("a held user has another node", me, u);
		if (held != 0 && col == 0)
			kept++;
		if (held != 0 && col != 0)
			in_table++;
	}
	for (n = 1; n < t->cap; n++)
		cols += atomic_load(&table_col(t, slot)[n]) != 0;
	if (cols != in_table)
		wrong("columns beyond what is held", me, 0);
	over[0] = atomic_load(&t->hdr->overflow[TABLE_PRESENCE][0]);
	over[1] = atomic_load(&t->hdr->overflow[TABLE_PRESENCE][1]);
	if ((kept != 0) != ((over[(slot - 1) / 64] >> ((slot - 1) % 64) & 1)
	    != 0))
		wrong("overflow bit and private users differ", me, kept);
}

static void
check_told(struct table *t)
{
	uint64_t a, told;
	unsigned u;
	uint32_t n;

	for (u = 0; u < nusers; u++) {
		n = table_find(t, 1, TEXT(u));
		a = n == 0 ? 0 : atomic_load(&table_node(t, n)->ann);
		told = atomic_load(&shared->told[u]);
		if (((a ^ told) & ANN_LEVEL) != 0)
			wrong("the world believes otherwise", 0, u);
	}
}

static void
check_all(void)
{
	unsigned i;

	if (verify_segment(seg) != 0)
		atomic_fetch_add(&shared->wrong, 1);
	for (i = 0; i < nworkers; i++)
		check_worker(looker, i);
	check_told(looker);
	checks++;
}

static void
pause_and_check(void)
{
	static int round;

	atomic_store(&shared->pause, 1);
	do {
		reap();
		usleep(100);
	} while (!all_resting());
	atomic_store(&shared->drain, ++round);
	while (atomic_load(&shared->drained) != round) {
		reap();
		usleep(100);
	}
	/* from here on only this process moves: the relay has nothing left */
	check_all();
	atomic_store(&shared->drain, 0);
	atomic_store(&shared->pause, 0);
}

/* --- a run ---------------------------------------------------------------- */

static void
begin(unsigned workers, unsigned users, unsigned room)
{
	static const unsigned slots[WORKERS_MAX] = { 1, 65, 2, 66, 64, 128, 3,
		67, 33, 97, 4, 68 };
	struct segment_params p = { .max_workers = 64, .presence_max = room,
		.interest_max = 8, .rate_ways = 8, .max_ns = 2,
		.status_text = true };
	unsigned i;

	nworkers = workers;
	nusers = users;
	seg = segment_create(&p);
	master = seg == NULL ? NULL : sweep_new(seg);
	looker = seg == NULL ? NULL :
	    table_open(seg, TABLE_PRESENCE, SLOT_NONE);
	if (master == NULL || looker == NULL) {
		perror("segment_create");
		exit(2);
	}
	memset(shared, 0, offsetof(struct shared, events));
	memset(shared->worker, 0, sizeof shared->worker);
	for (i = 0; i < nusers; i++)
		(void)snprintf(keys[i], sizeof keys[i], "user-%u", i);
	slot_of[0] = 0;
	for (i = 0; i < workers; i++)
		slot_of[i + 1] = slots[i];
	for (i = 0; i <= workers; i++)
		start(i);
}

static void
finish(void)
{
	unsigned i;

	for (i = 0; i <= nworkers; i++)
		if (pid_of[i] != 0)
			(void)kill(pid_of[i], SIGKILL);
	for (i = 0; i <= nworkers; i++) {
		(void)waitpid(pid_of[i], NULL, 0);
		bury(i);
	}
	if (verify_segment(seg) != 0)
		atomic_fetch_add(&shared->wrong, 1);
	table_close(&looker);
	sweep_free(&master);
	segment_free(&seg);
}

static const struct {
	unsigned	 workers, users, room;
	bool		 relay_dies;	/* its scan hides lost marks */
	unsigned	 one_in;	/* hooks at which a worker dies */
	unsigned	 ms;		/* between checks, at least */
} runs[] = {
	{ 3, 40, 60, false, 1500, 20 },	/* room for all */
	{ 3, 40, 60, true, 1500, 20 },
	{ 3, 200, 250, false, 150, 2 },	/* nothing later hides a death */
	{ 4, 8, 12, false, 1500, 20 },	/* few users: much contention */
	{ 4, 8, 12, true, 1500, 20 },
	{ 6, 120, 80, true, 1500, 20 },	/* the table is full now and then */
	{ 12, 200, 60, true, 1500, 20 }, /* the table is full always */
};

int
main(int argc, char **argv)
{
	unsigned seconds = 15, i, ms;
	uint64_t seed = 0, end;

	for (i = 1; i + 1 < (unsigned)argc; i += 2) {
		if (strcmp(argv[i], "--seconds") == 0)
			seconds = (unsigned)strtoul(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
	}
	rng = seed != 0 ? seed : mono_now().us;
	printf("seed %llu\n", (unsigned long long)rng);
	fflush(stdout);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return (2);
	ms = seconds * 1000 / nitems(runs);
	for (i = 0; i < nitems(runs) && atomic_load(&shared->wrong) == 0;
	    i++) {
		relay_dies = runs[i].relay_dies;
		one_in = runs[i].one_in;
		begin(runs[i].workers, runs[i].users, runs[i].room);
		for (end = mono_now().us + ms * 1000u; mono_now().us < end &&
		    atomic_load(&shared->wrong) == 0;) {
			run_for(runs[i].ms + roll(3 * runs[i].ms));
			pause_and_check();
		}
		finish();
	}
	printf("%llu operations, %llu workers killed, %llu relays killed, "
	    "%llu at a step, %llu events, %llu repeats, %llu checks, %s\n",
	    (unsigned long long)atomic_load(&shared->ops),
	    (unsigned long long)kills, (unsigned long long)relay_kills,
	    (unsigned long long)atomic_load(&shared->hook_kills),
	    (unsigned long long)atomic_load(&shared->events),
	    (unsigned long long)atomic_load(&shared->repeats),
	    (unsigned long long)checks,
	    atomic_load(&shared->wrong) == 0 ? "nothing wrong" : "WRONG");
	return (atomic_load(&shared->wrong) == 0 ? 0 : 1);
}
