/*
 * The least that listening to Redis can cost: subscribe to channels, take each
 * message, count it.  Started by throughput.mjs, beside a relay that listens to
 * the same.
 *
 *	listener SOCKET CHANNEL ...
 *
 * Prints "ready" when it listens to all; at end of standard input, how many
 * messages there were.
 */
#include <hiredis/hiredis.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long messages;

static void
listen_to(redisContext *c, int n, char *channels[])
{
	void *reply;
	int i;

	for (i = 0; i < n; i++)
		if (redisAppendCommand(c, "SUBSCRIBE %s", channels[i]) !=
		    REDIS_OK)
			exit(1);
	for (i = 0; i < n; i++) {
		if (redisGetReply(c, &reply) != REDIS_OK)
			exit(1);
		freeReplyObject(reply);
	}
}

static void
take_all(redisContext *c)
{
	void *reply;

	if (redisBufferRead(c) != REDIS_OK)
		exit(1);
	for (;;) {
		if (redisGetReplyFromReader(c, &reply) != REDIS_OK)
			exit(1);
		if (reply == NULL)
			return;
		messages++;
		freeReplyObject(reply);
	}
}

int
main(int argc, char *argv[])
{
	struct pollfd fds[2];
	redisContext *c;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: listener SOCKET CHANNEL ...\n");
		return (64);
	}
	c = redisConnectUnix(argv[1]);
	if (c == NULL || c->err)
		return (1);
	listen_to(c, argc - 2, argv + 2);
	(void)printf("ready\n");
	(void)fflush(stdout);
	fds[0] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents != 0)
			take_all(c);
		else if (fds[1].revents != 0)
			break;
	}
	(void)printf("%lu\n", messages);
	redisFree(c);
	return (0);
}
