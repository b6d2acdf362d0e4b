/*
 * The least that a command can cost a client of Redis: the same one again and
 * again, a number of them under way, their answers counted.  Started by kept.mjs
 * with what a relay has sent, as Redis saw it.
 *
 *	replay SOCKET TIMES UNDERWAY <COMMAND
 *
 * COMMAND as it goes to Redis (RESP).  Prints "done" when all are answered.
 */
#include <hiredis/hiredis.h>

#include <stdio.h>
#include <stdlib.h>

static char command[1 << 20];

static void
answered(redisContext *c)
{
	void *reply;

	if (redisGetReply(c, &reply) != REDIS_OK) {
		(void)fprintf(stderr, "replay: %s\n", c->errstr);
		exit(1);
	}
	if (((redisReply *)reply)->type == REDIS_REPLY_ERROR) {
		(void)fprintf(stderr, "replay: %s\n",
		    ((redisReply *)reply)->str);
		exit(1);
	}
	freeReplyObject(reply);
}

int
main(int argc, char *argv[])
{
	long i, times, underway;
	redisContext *c;
	size_t n;

	if (argc != 4) {
		(void)fprintf(stderr, "usage: replay SOCKET TIMES UNDERWAY\n");
		return (64);
	}
	times = strtol(argv[2], NULL, 10);
	underway = strtol(argv[3], NULL, 10);
	n = fread(command, 1, sizeof command, stdin);
	c = redisConnectUnix(argv[1]);
	if (c == NULL || c->err != 0)
		return (1);
	for (i = 0; i < times + underway; i++) {
		if (i >= underway)
			answered(c);
		if (i < times && redisAppendFormattedCommand(c, command, n) !=
		    REDIS_OK)
			return (1);
	}
	redisFree(c);
	(void)printf("done\n");
	return (0);
}
