/*
 * Sessions over polling from worker to worker, in every state that they may be
 * in.  Each story is told once without a move, then with one at each of its
 * marked places, then with one at all of them: what the client is sent is the
 * same to the byte.
 */
#include <limits.h>

#include "tests/lib/check.h"
#include "tests/lib/small_worker.h"

#include "hub/move.h"
#include "shm/count.h"
#include "worker/engineio/polling_int.h"

#define CONF \
	"cors { origins = {\"https://a.example\"} }\n" \
	"limits { message_bytes = 256KB send_queue_bytes = 256KB " \
	"per_address = 50 }\n" \
	"namespace \"/\" { auth = none\n" \
	"  event \"q\" { to = sender meta = off ack = echo }\n" \
	"  event \"n\" { to = namespace meta = off } }\n" \
	"route \"/r\" { namespace = \"/\" format = engine }\n"

#define ALL	UINT_MAX	/* places */

struct stage {
	struct small_world world;
	struct conf	*other;		/* of the heir, or NULL */
	struct small_worker *at;	/* who has it */
	unsigned	 places;	/* passed */
	unsigned	 move_at;	/* 0: never */
	bool		 in_vain;	/* the heir is not there in the end */
	unsigned	 moves;
	char		 sid[EIO_SID_LEN + 1];
	const char	*path;
	struct buf	 heard;		/* what the client was sent */
};

static void
stage_init(struct stage *x, unsigned move_at)
{
	memset(x, 0, sizeof *x);
	small_world_init(&x->world, CONF);
	x->at = small_worker_new(&x->world, NULL);
	x->move_at = move_at;
	x->path = "/socket.io/";
	buf_init(&x->heard);
}

static void
stage_fini(struct stage *x)
{
	small_worker_free(&x->at);
	buf_fini(&x->heard);
	if (x->other != NULL)
		conf_free(&x->other);
	small_world_fini(&x->world);
}

/* --- moving -------------------------------------------------------------- */

struct bag {			/* what crosses */
	struct buf	 b;
	int		 fds[POLLER_CONNS_MAX];
	unsigned	 n;
};

static bool
give_one(struct small_worker *from, struct poller *p, unsigned heir,
    struct bag *bag)
{
	struct hub_move *hm = hub_move_new(from->w->hub, true,
	    (uint16_t)heir);
	unsigned i;
	bool ok;

	assert_non_null(hm);
	assert_true(poller_may_move(p));
	buf_init(&bag->b);
	bag->n = poller_nconns(p);
	ok = poller_save(p, hm, &bag->b, bag->fds);
	for (i = 0; i < bag->n; i++)	/* as SCM_RIGHTS does */
		bag->fds[i] = dup(bag->fds[i]);
	poller_freeze(p);
	assert_false(poller_may_move(p));
	hub_move_free(&hm);
	return (ok);
}

static bool
give(struct small_worker *from, unsigned heir, struct bag *bag)
{
	struct poller *p = polling_first(from->w->polling);

	assert_non_null(p);
	assert_null(polling_next(p));
	return (give_one(from, p, heir, bag));
}

static struct poller *
take(struct small_worker *to, unsigned giver, struct bag *bag)
{
	struct hub_move *hm = hub_move_new(to->w->hub, false,
	    (uint16_t)giver);
	struct state_in in = state_in(buf_unread(&bag->b));
	struct poller *p;

	assert_non_null(hm);
	p = poller_load(to->w->polling, hm, &in, bag->fds, bag->n);
	if (p != NULL)
		assert_true(state_end(&in));
	hub_move_free(&hm);
	return (p);
}

static void
move(struct stage *x)
{
	struct small_worker *to = small_worker_new(&x->world, x->other);
	unsigned from = (unsigned)x->at->h.slot;
	struct poller *p;
	struct bag bag;

	assert_true(give(x->at, (unsigned)to->h.slot, &bag));
	p = take(to, from, &bag);
	assert_non_null(p);
	poller_moved(polling_first(x->at->w->polling));
	assert_null(polling_first(x->at->w->polling));
	poller_activate(p);
	buf_fini(&bag.b);
	small_turns(x->at);
	small_worker_free(&x->at);
	x->at = to;
	x->moves++;
	small_turns(to);
}

/* It is loaded, but not confirmed: it stays where it was. */
static void
move_in_vain(struct stage *x)
{
	struct small_worker *to = small_worker_new(&x->world, x->other);
	struct poller *p;
	struct bag bag;

	assert_true(give(x->at, (unsigned)to->h.slot, &bag));
	p = take(to, (unsigned)x->at->h.slot, &bag);
	assert_non_null(p);
	poller_unload(p);
	assert_null(polling_first(to->w->polling));
	assert_true(TAILQ_EMPTY(&to->w->conns));
	small_worker_free(&to);
	poller_thaw(polling_first(x->at->w->polling));
	buf_fini(&bag.b);
	x->moves++;
}

static void
place_now(struct stage *x)
{
	x->places++;
	if (x->move_at != x->places && x->move_at != ALL)
		return;
	if (x->in_vain)
		move_in_vain(x);
	else
		move(x);
}

/* A place of the story where it may move. */
static void
place(struct stage *x)
{
	small_turns(x->at);
	place_now(x);
}

/* --- the client ---------------------------------------------------------- */

/* Without what is different each time: the session's id, the time. */
static void
note(struct stage *x, const char *text)
{
	const char *at;

	while (*text != '\0') {
		if (x->sid[0] != '\0' &&
		    strncmp(text, x->sid, EIO_SID_LEN) == 0) {
			buf_str(&x->heard, "SID");
			text += EIO_SID_LEN;
		} else if ((strncmp(text, "Date: ", 6) == 0 ||
		    strncmp(text, "X-Request-ID: ", 14) == 0) &&
		    (at = strchr(text, '\n')) != NULL) {
			text = at + 1;
		} else
			buf_append(&x->heard, text++, 1);
	}
}

/* All that comes now. */
static void
hear(struct stage *x, int fd)
{
	const char *text;

	small_turns(x->at);
	while (*(text = small_read(fd)) != '\0') {
		note(x, text);
		if (strstr(text, "EOF") != NULL)
			break;
		small_turns(x->at);
	}
	buf_str(&x->heard, "|\n");
}

/* ... which may need a moment. */
static void
await(struct stage *x, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned i;

	for (i = 0; i < 3000 && poll(&p, 1, 1) == 0; i++)
		small_turn(x->at);
	hear(x, fd);
}

/* A session; the connection it was opened on. */
static int
enter_with(struct stage *x, const char *lines)
{
	int fd = small_connect(x->at);
	char line[512];
	const char *text, *sid;

	(void)snprintf(line, sizeof line,
	    "GET %s?EIO=4&transport=polling&t=0 HTTP/1.1\r\n"
	    "Host: x\r\n%s\r\n", x->path, lines);
	small_send(fd, line);
	small_turns(x->at);
	text = small_read(fd);
	sid = strstr(text, "\"sid\":\"");
	assert_non_null(sid);
	memcpy(x->sid, sid + 7, EIO_SID_LEN);
	return (fd);
}

static int
enter(struct stage *x)
{
	return (enter_with(x, ""));
}

static void
get_with(struct stage *x, int fd, const char *t, const char *lines)
{
	char line[512];

	(void)snprintf(line, sizeof line,
	    "GET %s?EIO=4&transport=polling&t=%s&sid=%s HTTP/1.1\r\n"
	    "Host: x\r\n%s\r\n", x->path, t, x->sid, lines);
	small_send(fd, line);
	small_turns(x->at);
}

static void
get(struct stage *x, int fd, const char *t)
{
	get_with(x, fd, t, "");
}

static void
post_head(struct stage *x, int fd, const char *t, size_t n)
{
	char line[512];

	(void)snprintf(line, sizeof line,
	    "POST %s?EIO=4&transport=polling&t=%s&sid=%s HTTP/1.1\r\n"
	    "Host: x\r\nContent-Length: %zu\r\n\r\n", x->path, t, x->sid, n);
	small_send(fd, line);
}

static void
post(struct stage *x, int fd, const char *t, const char *body)
{
	post_head(x, fd, t, strlen(body));
	small_send(fd, body);
	small_turns(x->at);
}

/* ... and in Socket.IO's main namespace. */
static void
enter_main(struct stage *x)
{
	int fd = enter(x);

	post(x, fd, "1", "40");
	(void)small_read(fd);
	get(x, fd, "2");
	assert_non_null(strstr(small_read(fd), "40{"));
	(void)close(fd);
	small_turns(x->at);
}

/* A connection for one request. */
static int
fresh(struct stage *x)
{
	return (small_connect(x->at));
}

static void
hear_out(struct stage *x, int fd)
{
	hear(x, fd);
	(void)close(fd);
}

/* A POST, and its answer. */
static void
tell(struct stage *x, const char *t, const char *body)
{
	int fd = fresh(x);

	post(x, fd, t, body);
	hear_out(x, fd);
}

/* A GET, and what it brings. */
static void
ask(struct stage *x, const char *t)
{
	int fd = fresh(x);

	get(x, fd, t);
	await(x, fd);
	(void)close(fd);
}

static void
ws_say(int fd, const char *text)
{
	char frame[160];
	size_t n = strlen(text);

	assert_true(n < 126);
	frame[0] = (char)0x81;
	frame[1] = (char)(0x80 | n);
	memset(frame + 2, 0, 4);
	memcpy(frame + 6, text, n);
	assert_int_equal(send(fd, frame, n + 6, 0), n + 6);
}

static int
candidate(struct stage *x)
{
	int fd = fresh(x);
	char line[512];

	(void)snprintf(line, sizeof line,
	    "GET %s?EIO=4&transport=websocket&sid=%s HTTP/1.1\r\nHost: x\r\n"
	    "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	    "Sec-WebSocket-Version: 13\r\n"
	    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
	    x->path, x->sid);
	small_send(fd, line);
	return (fd);
}

/* A body of n bytes: packets of about 100, each of which comes back. */
static char *
body_of(size_t n)
{
	struct buf b;
	char one[128];
	unsigned i;

	buf_init(&b);
	for (i = 0; b.wpos < n; i++) {
		(void)snprintf(one, sizeof one, "%s42[\"q\",\"%080u\"]",
		    i > 0 ? "\x1e" : "", i);
		buf_str(&b, one);
	}
	buf_byte(&b, '\0');
	assert_false(b.oom);
	return ((char *)b.data);
}

static size_t
events(const void *p, size_t len)
{
	const char *at = p, *end = at + len;
	size_t n = 0;

	while ((at = memmem(at, (size_t)(end - at), "42[\"q\",", 7)) != NULL) {
		n++;
		at += 7;
	}
	return (n);
}

/* All of times bodies came back. */
static bool
came_back(const struct stage *x, const char *body, unsigned times)
{
	return (events(x->heard.data, x->heard.wpos) ==
	    times * events(body, strlen(body)));
}

/* --- stories ------------------------------------------------------------- */

static void
a_get_waits_and_is_answered(struct stage *x)
{
	int fd;

	enter_main(x);
	place(x);
	fd = fresh(x);
	get(x, fd, "a");
	place(x);
	hear(x, fd);		/* nothing */
	place(x);
	tell(x, "b", "42[\"q\",1]");
	hear_out(x, fd);
	place(x);
	fd = fresh(x);
	get(x, fd, "c");
	place(x);
	tell(x, "d", "42[\"q\",2]\x1e" "421[\"q\",{\"a\":[]}]");
	hear_out(x, fd);
	place(x);
	tell(x, "e", "42[\"q\",3]");
	place(x);
	ask(x, "f");
}

static void
lines_and_coding_of_a_get_are_kept(struct stage *x)
{
	char *body = body_of(4000);
	int fd;

	enter_main(x);
	fd = fresh(x);
	get_with(x, fd, "a", "Origin: https://a.example\r\n"
	    "Accept-Encoding: gzip\r\n");
	place(x);
	tell(x, "b", body);
	hear_out(x, fd);
	assert_non_null(memmem(x->heard.data, x->heard.wpos,
	    "Content-Encoding: gzip", 22));
	assert_non_null(memmem(x->heard.data, x->heard.wpos,
	    "Access-Control-Allow-Origin: https://a.example", 46));
	free(body);
}

static void
a_post_comes_in_pieces(struct stage *x)
{
	int fd, waits;

	enter_main(x);
	waits = fresh(x);
	get(x, waits, "a");
	fd = fresh(x);
	post_head(x, fd, "b", 17);
	place(x);
	small_send(fd, "42[\"q\",");
	place(x);
	small_send(fd, "1]\x1e" "42[\"q\"");
	place(x);
	hear(x, waits);		/* nothing */
	small_send(fd, "]");
	hear_out(x, fd);
	hear_out(x, waits);
	place(x);
}

static void
a_post_comes_in_chunks(struct stage *x)
{
	char line[256];
	int fd;

	enter_main(x);
	fd = fresh(x);
	(void)snprintf(line, sizeof line, "POST %s?EIO=4&transport=polling"
	    "&t=1&sid=%s HTTP/1.1\r\nHost: x\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n3\r\n42", x->path, x->sid);
	small_send(fd, line);
	place(x);
	small_send(fd, "[\r\n4\r");
	place(x);
	small_send(fd, "\n\"q\"]\r\n");
	place(x);
	small_send(fd, "0\r\n\r\n");
	hear_out(x, fd);
	ask(x, "c");
}

/* It breaks in the middle, and is sent once more. */
static void
a_post_is_sent_again(struct stage *x)
{
	int fd;

	enter_main(x);
	fd = fresh(x);
	post_head(x, fd, "b", 9);
	small_send(fd, "42[\"");
	place(x);
	(void)close(fd);
	fd = fresh(x);
	post_head(x, fd, "b", 9);
	small_send(fd, "42[\"q\"");
	place(x);
	small_send(fd, ",1]");
	hear_out(x, fd);
	place(x);
	ask(x, "c");
}

/* The client closes, and its GET comes a moment later. */
static void
a_post_that_closes_waits_for_a_get(struct stage *x)
{
	int fd, last;

	enter_main(x);
	fd = fresh(x);
	post(x, fd, "b", "1");
	place(x);
	last = fresh(x);
	get(x, last, "c");
	hear_out(x, last);
	hear_out(x, fd);
	assert_null(polling_first(x->at->w->polling));
}

/* More than is done in a turn. */
static void
a_post_is_done_turn_by_turn(struct stage *x)
{
	char *body = body_of(100000), t[8];
	int fd, waits;
	unsigned i;

	enter_main(x);
	waits = fresh(x);
	get(x, waits, "a");
	fd = fresh(x);
	post_head(x, fd, "b", strlen(body));
	for (i = 0; i < strlen(body); i += 10000) {
		char piece[10001];

		(void)snprintf(piece, sizeof piece, "%s", body + i);
		small_send(fd, piece);
		small_turn(x->at);
		place_now(x);
	}
	hear_out(x, fd);
	hear_out(x, waits);
	for (i = 0; !came_back(x, body, 1) && i < 50; i++) {
		(void)snprintf(t, sizeof t, "x%u", i);
		ask(x, t);
	}
	assert_true(came_back(x, body, 1));
	place(x);
	free(body);
}

/* More than may be queued: it is answered, and the rest waits for GETs. */
static void
what_is_left_of_posts_waits(struct stage *x)
{
	char *body = body_of(200000), t[8];
	int fd, other;
	unsigned i;

	enter_main(x);
	fd = fresh(x);
	post_head(x, fd, "b", strlen(body));
	small_send(fd, body);
	hear_out(x, fd);
	place(x);
	other = fresh(x);		/* its answer comes later */
	post_head(x, other, "c", strlen(body));
	small_send(other, body);
	place(x);
	place(x);
	for (i = 0; !came_back(x, body, 2) && i < 50; i++) {
		(void)snprintf(t, sizeof t, "x%u", i);
		ask(x, t);
	}
	hear_out(x, other);
	assert_true(came_back(x, body, 2));
	free(body);
}

static void
an_answer_is_read_slowly_and_lost(struct stage *x)
{
	char *body = body_of(60000);
	int fd;

	enter_main(x);
	tell(x, "b", body);
	fd = fresh(x);
	get(x, fd, "c");
	place(x);		/* it is being written */
	(void)close(fd);
	small_turns(x->at);
	place(x);		/* what it was is remembered */
	fd = fresh(x);
	get(x, fd, "c");
	place(x);		/* ... and written once more */
	hear_out(x, fd);
	assert_true(came_back(x, body, 1));
	place(x);
	tell(x, "d", "42[\"q\",1]");
	ask(x, "e");
	free(body);
}

static void
a_get_comes_twice(struct stage *x)
{
	int fd, again;

	enter_main(x);
	fd = fresh(x);
	get(x, fd, "c");
	place(x);
	again = fresh(x);
	get(x, again, "c");
	place(x);
	hear_out(x, fd);
	tell(x, "d", "42[\"q\",1]");
	hear_out(x, again);
}

static void
a_websocket_takes_over(struct stage *x)
{
	int fd, ws;

	enter_main(x);
	fd = fresh(x);
	get(x, fd, "a");
	ws = candidate(x);
	place(x);
	hear(x, ws);
	ws_say(ws, "2probe");
	hear_out(x, fd);
	place(x);
	hear(x, ws);
	fd = fresh(x);
	get(x, fd, "b");
	place(x);		/* it is not held for long */
	await(x, fd);
	(void)close(fd);
	tell(x, "c", "42[\"q\",1]");
	place(x);
	ws_say(ws, "5");
	place(x);
	hear(x, ws);
	ask(x, "d");		/* error 3 */
	place(x);
	ws_say(ws, "42[\"q\",2]");
	hear(x, ws);
	place(x);
	ws_say(ws, "42[\"q\",3]");
	hear_out(x, ws);
	small_turns(x->at);
	assert_null(polling_first(x->at->w->polling));
}

static void
a_websocket_waits_for_what_is_left(struct stage *x)
{
	char *body = body_of(200000);
	int fd, ws;

	enter_main(x);
	ws = candidate(x);
	ws_say(ws, "2probe");
	hear(x, ws);
	fd = fresh(x);
	post_head(x, fd, "b", strlen(body));
	small_send(fd, body);
	hear_out(x, fd);
	place(x);
	ws_say(ws, "5");
	ws_say(ws, "42[\"q\",2]");
	place(x);
	hear(x, ws);
	place(x);
	hear(x, ws);
	ws_say(ws, "42[\"q\",3]");
	hear_out(x, ws);
	assert_int_equal(events(x->heard.data, x->heard.wpos),
	    events(body, strlen(body)) + 2);
	free(body);
}

static void
a_candidate_goes_away(struct stage *x)
{
	int ws;

	enter_main(x);
	ws = candidate(x);
	ws_say(ws, "2probe");
	hear(x, ws);
	place(x);
	(void)close(ws);
	small_turns(x->at);
	place(x);
	tell(x, "c", "42[\"q\",1]");
	ask(x, "d");
	ws = candidate(x);
	place(x);
	hear_out(x, ws);
}

/* Closed by us: the last word waits for a GET; behind what is queued, it has a
 * response of its own. */
static void
the_last_word_waits(struct stage *x)
{
	enter_main(x);
	place(x);
	tell(x, "b", "42[\"q\",1]\x1e" "42[");
	place(x);
	ask(x, "c");
	place(x);
	ask(x, "d");
	assert_null(polling_first(x->at->w->polling));
}

static void
a_route_of_its_own(struct stage *x)
{
	int fd;

	x->path = "/r/";
	(void)close(enter(x));
	place(x);
	fd = fresh(x);
	get(x, fd, "a");
	place(x);
	tell(x, "b", "3\x1e" "4{\"event\":\"q\",\"data\":1}");
	hear_out(x, fd);
	place(x);
	x->path = "/socket.io/";
	ask(x, "c");		/* error 1 */
	x->path = "/r/";
	tell(x, "d", "4{\"event\":\"q\",\"data\":2}");
	ask(x, "e");
}

/* --- all of them, with all moves ----------------------------------------- */

typedef void story(struct stage *);

static unsigned
told(story *s, unsigned move_at, bool in_vain, struct buf *heard)
{
	struct stage x;
	unsigned places;

	stage_init(&x, move_at);
	x.in_vain = in_vain;
	s(&x);
	places = x.places;
	if (move_at == ALL)
		assert_int_equal(x.moves, places);
	buf_init(heard);
	buf_slice(heard, buf_unread(&x.heard));
	stage_fini(&x);
	return (places);
}

static void
assert_same(struct buf *want, struct buf *got, unsigned at)
{
	if (!slice_eq(buf_unread(want), buf_unread(got))) {
		fprintf(stderr, "moved at %u\nwant %.*s\ngot %.*s\n", at,
		    (int)want->wpos, (const char *)want->data,
		    (int)got->wpos, (const char *)got->data);
		fail();
	}
	buf_fini(got);
}

static void
told_in_all_ways(story *s)
{
	struct buf want, got;
	unsigned places = told(s, 0, false, &want), i;

	assert_true(places > 0);
	for (i = 1; i <= places; i++) {
		(void)told(s, i, false, &got);
		assert_same(&want, &got, i);
	}
	(void)told(s, ALL, false, &got);
	assert_same(&want, &got, ALL);
	(void)told(s, ALL, true, &got);
	assert_same(&want, &got, ALL);
	buf_fini(&want);
}

#define STORIES \
	STORY(a_get_waits_and_is_answered) \
	STORY(lines_and_coding_of_a_get_are_kept) \
	STORY(a_post_comes_in_pieces) \
	STORY(a_post_comes_in_chunks) \
	STORY(a_post_is_sent_again) \
	STORY(a_post_that_closes_waits_for_a_get) \
	STORY(a_post_is_done_turn_by_turn) \
	STORY(what_is_left_of_posts_waits) \
	STORY(an_answer_is_read_slowly_and_lost) \
	STORY(a_get_comes_twice) \
	STORY(a_websocket_takes_over) \
	STORY(a_websocket_waits_for_what_is_left) \
	STORY(a_candidate_goes_away) \
	STORY(the_last_word_waits) \
	STORY(a_route_of_its_own)

#define STORY(f) \
static void \
test_##f(void **state) \
{ \
	(void)state; \
	told_in_all_ways(f); \
}
STORIES
#undef STORY

/* --- what is not as it should be ----------------------------------------- */

/* One with all that there may be: a GET, a POST, a candidate. */
static void
crowded(struct stage *x, int fds[3])
{
	enter_main(x);
	fds[0] = fresh(x);
	get(x, fds[0], "a");
	fds[1] = fresh(x);
	post_head(x, fds[1], "b", 100);
	small_send(fds[1], "42[\"q\",1]");
	fds[2] = candidate(x);
	ws_say(fds[2], "2probe");
	small_turns(x->at);
	(void)small_read(fds[0]);
	(void)small_read(fds[2]);
	fds[0] = fresh(x);
	get(x, fds[0], "c");
}

/* It is not taken, and nothing is left of it. */
static void
refused(struct small_worker *heir, struct bag *bag, const uint8_t *p, size_t n,
    unsigned nfds)
{
	struct bag part = { .n = nfds };
	unsigned i;

	buf_init(&part.b);
	buf_append(&part.b, p, n);
	for (i = 0; i < nfds; i++)
		part.fds[i] = dup(bag->fds[i]);
	assert_null(take(heir, 1, &part));
	for (i = 0; i < nfds; i++)
		assert_int_equal(fcntl(part.fds[i], F_GETFD), -1);
	small_turns(heir);
	assert_null(polling_first(heir->w->polling));
	assert_true(TAILQ_EMPTY(&heir->w->conns));
	buf_fini(&part.b);
}

static void
what_is_cut_short_is_refused(void **state)
{
	struct small_worker *heir;
	struct stage x;
	struct bag bag;
	int fds[3];
	size_t n;

	(void)state;
	stage_init(&x, 0);
	crowded(&x, fds);
	heir = small_worker_new(&x.world, NULL);
	assert_true(give(x.at, (unsigned)heir->h.slot, &bag));
	assert_int_equal(bag.n, 3);
	for (n = 0; n < bag.b.wpos; n++)
		refused(heir, &bag, bag.b.data, n, bag.n);
	for (n = 0; n < bag.n; n++)
		refused(heir, &bag, bag.b.data, bag.b.wpos, (unsigned)n);
	/* a descriptor too many */
	bag.fds[3] = bag.fds[0];
	refused(heir, &bag, bag.b.data, bag.b.wpos, 4);
	/* another version */
	bag.b.data[2]++;
	refused(heir, &bag, bag.b.data, bag.b.wpos, bag.n);
	bag.b.data[2]--;
	/* the same sid twice */
	assert_non_null(take(heir, 1, &bag));
	for (n = 0; n < bag.n; n++)
		bag.fds[n] = dup(fds[n]);
	assert_null(take(heir, 1, &bag));
	poller_unload(polling_first(heir->w->polling));
	poller_thaw(polling_first(x.at->w->polling));
	small_worker_free(&heir);
	buf_fini(&bag.b);
	for (n = 0; n < nitems(fds); n++)
		(void)close(fds[n]);
	stage_fini(&x);
}

/* Any byte of it may be wrong: it is refused, or is a session. */
static void
what_is_damaged_does_no_harm(void **state)
{
	struct small_worker *heir;
	struct poller *p;
	struct stage x;
	struct bag bag, copy;
	unsigned i;
	int fds[3];
	size_t n;

	(void)state;
	stage_init(&x, 0);
	crowded(&x, fds);
	heir = small_worker_new(&x.world, NULL);
	assert_true(give(x.at, (unsigned)heir->h.slot, &bag));
	for (n = 0; n < bag.b.wpos; n++) {
		copy = bag;
		for (i = 0; i < bag.n; i++)
			copy.fds[i] = dup(bag.fds[i]);
		bag.b.data[n] ^= 0x81;
		p = take(heir, 1, &copy);
		bag.b.data[n] ^= 0x81;
		if (p != NULL)
			poller_unload(p);
		small_turns(heir);
		assert_null(polling_first(heir->w->polling));
		assert_true(TAILQ_EMPTY(&heir->w->conns));
	}
	for (i = 0; i < bag.n; i++)
		(void)close(bag.fds[i]);
	poller_thaw(polling_first(x.at->w->polling));
	small_worker_free(&heir);
	buf_fini(&bag.b);
	for (n = 0; n < nitems(fds); n++)
		(void)close(fds[n]);
	stage_fini(&x);
}

/* Neither knows whose it is, and turns go by: a message comes, a request, the
 * end. */
static void
in_doubt(bool kept, bool ends)
{
	struct small_worker *heir, *giver;
	struct stage x, other;
	struct bag bag;
	struct poller *p, *to;
	int fd, asks;

	stage_init(&x, 0);
	giver = x.at;
	enter_main(&x);
	p = polling_first(giver->w->polling);
	fd = fresh(&x);
	get(&x, fd, "a");
	heir = small_worker_new(&x.world, NULL);
	assert_true(give_one(giver, p, (unsigned)heir->h.slot, &bag));
	to = take(heir, (unsigned)giver->h.slot, &bag);
	assert_non_null(to);
	/* who sends is at the giver, as its message is before the mark */
	other = x;
	other.at = giver;
	buf_init(&other.heard);
	enter_main(&other);
	tell(&other, "b", "42[\"n\",1]");
	asks = small_connect(giver);
	post(&x, asks, "c", "42[\"q\",2]");
	if (ends) {
		polling_close(p, REASON_kicked);
		polling_close(to, REASON_kicked);
	}
	small_turns(giver);
	small_turns(heir);
	assert_string_equal(small_read(fd), "");
	assert_string_equal(small_read(asks), "");
	if (kept) {
		poller_unload(to);
		poller_thaw(p);
	} else {
		poller_moved(p);
		poller_activate(to);
		x.at = heir;
	}
	small_turns(giver);
	hear_out(&x, fd);
	if (kept)
		assert_non_null(memmem(x.heard.data, x.heard.wpos,
		    "42[\"n\",1]", 9));
	if (kept && ends)
		ask(&x, "d");
	if (ends)
		assert_non_null(memmem(x.heard.data, x.heard.wpos,
		    "\r\n\r\n1|", 6));
	if (kept && !ends) {
		assert_non_null(strstr(small_read(asks), "\r\n\r\nok"));
		ask(&x, "d");
		assert_non_null(memmem(x.heard.data, x.heard.wpos,
		    "42[\"q\",2]", 9));
	} else if (!kept)
		assert_non_null(strstr(small_read(asks), "\"code\":1"));
	else
		assert_non_null(strstr(small_read(asks), "HTTP/1.1 "));
	(void)close(asks);
	buf_fini(&other.heard);
	buf_fini(&bag.b);
	x.at = giver;
	small_worker_free(&heir);
	stage_fini(&x);
}

static void
nothing_is_done_while_it_is_in_doubt(void **state)
{
	(void)state;
	in_doubt(true, false);
	in_doubt(false, false);
	in_doubt(true, true);
	in_doubt(false, true);
}

static uint32_t
counted(struct stage *x)
{
	uint64_t key = polling_first(x->at->w->polling)->address_key;

	assert_int_not_equal(key, 0);
	return (count_of(x->at->w->count, COUNT_POLLING,
	    slice_of(&key, sizeof key)));
}

static void
sessions_of_an_address_are_counted_once(void **state)
{
	struct stage x;
	int ws;

	(void)state;
	stage_init(&x, ALL);
	enter_main(&x);
	assert_int_equal(counted(&x), 1);
	place(&x);
	assert_int_equal(counted(&x), 1);
	x.in_vain = true;
	place(&x);
	assert_int_equal(counted(&x), 1);
	x.in_vain = false;
	ws = candidate(&x);
	ws_say(ws, "2probe");
	small_turns(x.at);
	ws_say(ws, "5");
	small_turns(x.at);
	assert_int_equal(counted(&x), 0);
	assert_int_equal(polling_waiting(x.at->w->polling), 0);
	place(&x);
	assert_int_equal(counted(&x), 0);
	assert_int_equal(polling_waiting(x.at->w->polling), 0);
	(void)close(ws);
	stage_fini(&x);
}

/* Under another configuration, which does not have its route. */
static void
what_may_not_be_at_the_heir_ends_there(void **state)
{
	struct stage x;
	int fd;

	(void)state;
	stage_init(&x, ALL);
	x.other = small_conf("namespace \"/\" { auth = none }\n");
	x.path = "/r/";
	(void)close(enter(&x));
	fd = fresh(&x);
	get(&x, fd, "a");
	place(&x);
	assert_int_equal(x.moves, 1);
	hear_out(&x, fd);
	assert_non_null(memmem(x.heard.data, x.heard.wpos, "HTTP/1.1 ", 9));
	assert_null(polling_first(x.at->w->polling));
	stage_fini(&x);
}

/* It goes on under the new limits. */
static void
an_age_that_is_new_begins_at_the_heir(void **state)
{
	struct conf *other;
	struct stage x;
	struct poller *p;

	(void)state;
	stage_init(&x, ALL);
	x.other = small_conf("max_connection_age = 1h\n"
	    "namespace \"/\" { auth = none }\n");
	enter_main(&x);
	p = polling_first(x.at->w->polling);
	assert_true(p->deadline.us == UINT64_MAX);
	place(&x);
	p = polling_first(x.at->w->polling);
	assert_true(p->deadline.us < x.at->w->now.us + 2 * UINT64_C(3600000000));
	other = x.other;
	x.other = NULL;
	place(&x);
	conf_free(&other);
	p = polling_first(x.at->w->polling);
	assert_true(p->deadline.us == UINT64_MAX);
	stage_fini(&x);
}

/* What came over TLS, by way of another worker, stays there. */
static void
a_get_over_tls_is_let_go(void **state)
{
	struct stage x;
	struct poller *p;
	int fd;

	(void)state;
	stage_init(&x, ALL);
	enter_main(&x);
	fd = fresh(&x);
	get(&x, fd, "a");
	p = polling_first(x.at->w->polling);
	assert_false(poller_release(p));	/* no need */
	p->get->secure = true;
	assert_false(poller_may_move(p));
	assert_true(poller_release(p));
	assert_int_equal(poller_nconns(p), 0);
	hear_out(&x, fd);
	assert_non_null(memmem(x.heard.data, x.heard.wpos,
	    "Connection: close", 17));
	assert_non_null(memmem(x.heard.data, x.heard.wpos, "\r\n\r\n6EOF", 8));
	place(&x);
	tell(&x, "b", "42[\"q\",1]");
	ask(&x, "c");
	assert_non_null(memmem(x.heard.data, x.heard.wpos, "42[\"q\",1]", 9));
	stage_fini(&x);
}

/* Its TLS is in a worker that goes: what waits on it is let go soon, and each
 * response there is the last. */
static void
a_connection_that_goes_is_not_waited_on(void **state)
{
	struct stage x;
	struct conn *c;
	int fd;

	(void)state;
	stage_init(&x, 0);
	enter_main(&x);
	fd = fresh(&x);
	c = TAILQ_FIRST(&x.at->w->conns);
	c->secure = c->last = true;
	get(&x, fd, "a");
	await(&x, fd);
	(void)close(fd);
	assert_non_null(memmem(x.heard.data, x.heard.wpos,
	    "Connection: close", 17));
	assert_non_null(memmem(x.heard.data, x.heard.wpos, "\r\n\r\n6EOF", 8));
	buf_reset(&x.heard);
	x.at->w->succeeded = true;
	fd = fresh(&x);
	TAILQ_FIRST(&x.at->w->conns)->secure = true;
	post(&x, fd, "b", "42[\"q\",1]");
	hear_out(&x, fd);
	assert_non_null(memmem(x.heard.data, x.heard.wpos,
	    "Connection: close", 17));
	assert_non_null(memmem(x.heard.data, x.heard.wpos, "okEOF", 5));
	/* a plain one goes along, and stays */
	buf_reset(&x.heard);
	ask(&x, "c");
	assert_non_null(memmem(x.heard.data, x.heard.wpos,
	    "Connection: keep-alive", 22));
	stage_fini(&x);
}

int
main(void)
{
#define STORY(f)	cmocka_unit_test(test_##f),
	const struct CMUnitTest tests[] = {
		STORIES
		cmocka_unit_test(what_is_cut_short_is_refused),
		cmocka_unit_test(what_is_damaged_does_no_harm),
		cmocka_unit_test(nothing_is_done_while_it_is_in_doubt),
		cmocka_unit_test(sessions_of_an_address_are_counted_once),
		cmocka_unit_test(what_may_not_be_at_the_heir_ends_there),
		cmocka_unit_test(an_age_that_is_new_begins_at_the_heir),
		cmocka_unit_test(a_get_over_tls_is_let_go),
		cmocka_unit_test(a_connection_that_goes_is_not_waited_on),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
