/*
 * Requests of hooks; see post.h.  Called by courier.c, and by target.c through
 * their table.
 */
#include "relay/hooks/post.h"

#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/hooks/target_int.h"
#include "shm/counters.h"

static void	post_end(struct post *, unsigned status, const char *why);

#define POST_HEAD_MAX	(64u << 10)	/* bytes of an answer's headers */
#define POST_RETRY_AFTER_MAX_S	3600

/* --- what libcurl calls -----------------------------------------------------*/

static size_t
post_on_bytes(char *p, size_t size, size_t n, void *arg)
{
	struct post *post = arg;

	if (post->answer.wpos + size * n > post->request.answer_max) {
		post->large = true;
		return (0);
	}
	buf_append(&post->answer, p, size * n);
	return (post->answer.oom ? 0 : size * n);
}

static size_t
post_on_head(char *p, size_t size, size_t n, void *arg)
{
	struct post *post = arg;

	(void)p;
	post->head += size * n;
	if (post->head <= POST_HEAD_MAX)
		return (size * n);
	post->large = true;
	return (0);
}

/* What is connected to is what is looked at. */
static curl_socket_t
post_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct post *post = arg;
	int fd;

	(void)purpose;
	if (!target_allows(post->target, &a->addr, a->addrlen)) {
		post->refused = true;
		return (CURL_SOCKET_BAD);
	}
	fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	if (fd != -1)
		counter_add(COUNTER_hook_connections, 1);
	return (fd);
}

/* Perhaps long after its post has gone. */
static int
post_on_close(void *arg, curl_socket_t fd)
{
	(void)arg;
	counter_sub(COUNTER_hook_connections, 1);
	return (close(fd));
}

/* --- asking -----------------------------------------------------------------*/

/* "host:port:address,...": of those that may be connected to. */
static bool
post_addresses(struct post *p)
{
	const struct resolved *r = &p->target->found;
	char text[INET6_ADDRSTRLEN];
	const void *at;
	struct buf b;
	unsigned i;

	if (strchr(p->target->host, ':') != NULL)
		return (true);		/* it is one */
	buf_init(&b);
	buf_printf(&b, "%s:%u:", p->target->host, p->target->port);
	for (i = 0; i < r->n; i++) {
		const struct sockaddr_storage *sa = &r->addrs[i].sa;

		at = sa->ss_family == AF_INET6 ? (const void *)
		    &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr
		    : &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
		if (inet_ntop(sa->ss_family, at, text, sizeof text) == NULL)
			continue;
		buf_printf(&b, sa->ss_family == AF_INET6 ? "%s[%s]" : "%s%s",
		    i > 0 ? "," : "", text);
	}
	buf_byte(&b, '\0');
	if (!b.oom)
		p->resolve = curl_slist_append(NULL, (const char *)b.data);
	buf_fini(&b);
	return (p->resolve != NULL);
}

static bool
post_is_set(struct post *p)
{
	struct target *t = p->target;
	CURL *c = p->easy;
	CURLcode bad = 0;

#define SET(option, value)	bad |= curl_easy_setopt(c, option, value)
	SET(CURLOPT_URL, t->url);
	SET(CURLOPT_PRIVATE, p);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PROXY, "");		/* whatever the environment says */
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
#else
	SET(CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t->ca[0] != '\0') {
		SET(CURLOPT_CAINFO, t->ca);
		SET(CURLOPT_CAPATH, NULL);
	}
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->request.body.n);
	SET(CURLOPT_POSTFIELDS, (const char *)p->request.body.p);
	SET(CURLOPT_HTTPHEADER, (struct curl_slist *)p->headers);
	SET(CURLOPT_RESOLVE, (struct curl_slist *)p->resolve);
	SET(CURLOPT_OPENSOCKETFUNCTION, post_on_open);
	SET(CURLOPT_OPENSOCKETDATA, p);
	SET(CURLOPT_CLOSESOCKETFUNCTION, post_on_close);
	SET(CURLOPT_WRITEFUNCTION, post_on_bytes);
	SET(CURLOPT_WRITEDATA, p);
	SET(CURLOPT_HEADERFUNCTION, post_on_head);
	SET(CURLOPT_HEADERDATA, p);
#undef SET
	return (bad == CURLE_OK);
}

static void
post_run(struct post *p)
{
	TAILQ_REMOVE(&p->target->waiting, p, next);
	TAILQ_INSERT_TAIL(&p->target->running, p, next);
	p->runs = true;
	if (p->target->nrunning++ >= p->target->connections)
		counter_add(COUNTER_hook_crowded, 1);
	p->easy = curl_easy_init();
	if (p->easy == NULL || !post_addresses(p) || !post_is_set(p) ||
	    curl_multi_add_handle(p->target->multi, p->easy) != CURLM_OK) {
		counter_add(COUNTER_memory_failures, 1);
		post_end(p, 0, "out of memory");
	}
}

static bool
post_put_header(struct post *p, const char *line)
{
	struct curl_slist *list = curl_slist_append(p->headers, line);

	if (list != NULL)
		p->headers = list;
	return (list != NULL);
}

static void
post_on_late(struct timer *timer, struct mono now)
{
	struct post *p = container_of(timer, struct post, over);

	(void)now;
	target_doubt(p->target);
	counter_add(COUNTER_hook_timeouts, 1);
	post_end(p, 0, "it does not answer in time");
}

static void
post_fini(struct post *p)
{
	struct target *t = p->target;

	timer_stop(loop_wheel(t->loop), &p->over);
	if (p->easy != NULL) {
		(void)curl_multi_remove_handle(t->multi, p->easy);
		curl_easy_cleanup(p->easy);
	}
	curl_slist_free_all(p->headers);
	curl_slist_free_all(p->resolve);
	p->easy = p->headers = p->resolve = NULL;
	p->target = NULL;
}

/* --- its end ----------------------------------------------------------------*/

static void
post_leave(struct post *p)
{
	if (p->runs) {
		TAILQ_REMOVE(&p->target->running, p, next);
		p->target->nrunning--;
	} else
		TAILQ_REMOVE(&p->target->waiting, p, next);
}

void
post_stop(struct post *p)
{
	if (p->target == NULL)
		return;
	post_leave(p);
	post_fini(p);
	buf_fini(&p->answer);
}

static uint64_t
post_retry_after(const struct post *p)
{
	curl_off_t s = 0;

	if (p->easy == NULL || curl_easy_getinfo(p->easy, CURLINFO_RETRY_AFTER,
	    &s) != CURLE_OK || s <= 0)
		return (0);
	return ((uint64_t)(s < POST_RETRY_AFTER_MAX_S ? s :
	    POST_RETRY_AFTER_MAX_S) * 1000);
}

static void
post_end(struct post *p, unsigned status, const char *why)
{
	struct post_result r = { .status = status, .why = why,
		.large = p->large, .retry_after_ms = post_retry_after(p) };
	struct buf answer = p->answer;

	r.body = buf_unread(&answer);
	post_leave(p);
	post_fini(p);
	p->done(p, &r);		/* and p may be gone, or under way again */
	buf_fini(&answer);
}

static void
post_over(struct post *p, CURLcode code)
{
	long status = 0;

	(void)curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		target_doubt(p->target);
	if (p->refused)
		counter_add(COUNTER_hook_private, 1);
	post_end(p, (unsigned)status, code == CURLE_OK ? NULL : p->refused ?
	    "its address is private, and allow_private is false" : p->large ?
	    "its answer is too large" : curl_easy_strerror(code));
}

/* --- its beginning ----------------------------------------------------------*/

static const struct post_calls post_calls = {
	.run = post_run, .end = post_end, .over = post_over,
};

bool
post_start(struct post *p, struct target *t, const struct post_request *q)
{
	unsigned i;
	bool ok;

	MUST(p->target == NULL);
	p->target = t;
	p->calls = &post_calls;
	p->request = *q;
	p->large = p->refused = p->runs = false;
	p->head = 0;
	buf_init(&p->answer);
	/* no wait for a 100, which many never send */
	ok = post_put_header(p, "Expect:") &&
	    post_put_header(p, "Content-Type: application/json") &&
	    post_put_header(p, "User-Agent: roostd");
	for (i = 0; ok && i < q->nheaders; i++)
		ok = post_put_header(p, q->headers[i]);
	if (!ok) {
		counter_add(COUNTER_memory_failures, 1);
		post_fini(p);
		return (false);
	}
	timer_start(loop_wheel(t->loop), &p->over,
	    mono_add_ms(loop_now(t->loop), q->timeout_ms), post_on_late);
	counter_add(COUNTER_hook_requests, 1);
	TAILQ_INSERT_TAIL(&t->waiting, p, next);
	if (target_find(t))
		post_run(p);
	return (true);
}
