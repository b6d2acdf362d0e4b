/*
 * What read_stats.py watches: a master with a stats file and workers that
 * count until they are killed, in the middle of whatever they do.
 *
 *	stats_victim FILE MILLISECONDS
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/stats.h"

#define WORKERS	3u

static struct stats *st;

static void
worker_main(unsigned slot)
{
	uint64_t i;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	counters_attach(stats_column(st, slot));
	for (i = 0;; i++) {
		counter_add(COUNTER_messages_in, 1);
		counter_add(COUNTER_bytes_in, 1000);
		counter_set(COUNTER_rooms, 1000 + i % 10);
		histogram_add(HISTOGRAM_rtt_us, i % 1000);
		counter_ns_add(0, NS_events_in, 1);
		stats_heartbeat(st, slot, wall_now());
	}
}

static pid_t
start(unsigned slot)
{
	char name[16];
	pid_t pid;

	(void)snprintf(name, sizeof name, "worker %u", slot);
	pid = fork();
	if (pid == 0)
		worker_main(slot);
	if (pid == -1)
		exit(2);
	stats_slot_live(st, slot, STATS_ROLE_WORKER, (uint32_t)pid, 1, name);
	return (pid);
}

static void
kill_one(pid_t *pids, unsigned slot)
{
	(void)kill(pids[slot], SIGKILL);
	(void)waitpid(pids[slot], NULL, 0);
	stats_slot_dead(st, slot);
	stats_slot_free(st, slot);
	pids[slot] = start(slot);
}

int
main(int argc, char **argv)
{
	const struct stats_params p = { .nslots = WORKERS + 1,
		.version = "test" };
	pid_t pids[WORKERS + 1];
	uint64_t end;
	unsigned i, round;

	if (argc != 3 || (st = stats_create(argv[1], &p)) == NULL)
		return (2);
	(void)stats_ns(st, 0, "chat");
	for (i = 1; i <= WORKERS; i++)
		pids[i] = start(i);
	end = mono_now().us + strtoull(argv[2], NULL, 10) * 1000;
	for (round = 0; mono_now().us < end; round++) {
		usleep(2000);
		stats_heartbeat(st, stats_master(st), wall_now());
		(void)stats_publish(st, mono_now());
		kill_one(pids, 1 + round % WORKERS);
	}
	for (i = 1; i <= WORKERS; i++) {
		(void)kill(pids[i], SIGKILL);
		(void)waitpid(pids[i], NULL, 0);
	}
	stats_end(st);
	stats_close(&st);
	return (0);
}
