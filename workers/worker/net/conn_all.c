/*
 * Several connections of one session; see conn_all.h.  Called by engineio/ and
 * sockjs/ for what they save.
 */
#include "worker/net/conn_all.h"

#include "base/state.h"
#include "worker/net/conn.h"
#include "worker/net/conn_save.h"

unsigned
conn_all_count(struct conn_all v)
{
	unsigned i, n = 0;

	for (i = 0; i < v.n; i++)
		n += *v.at[i] != NULL;
	return (n);
}

bool
conn_all_may_move(struct conn_all v, const struct conn *except)
{
	const struct conn *c;
	unsigned i;

	for (i = 0; i < v.n; i++) {
		c = *v.at[i];
		if (c != NULL && c != except && !conn_may_move(c))
			return (false);
	}
	return (true);
}

void
conn_all_each(struct conn_all v, void (*f)(struct conn *))
{
	unsigned i;

	for (i = 0; i < v.n; i++)
		if (*v.at[i] != NULL)
			f(*v.at[i]);
}

void
conn_all_forget(struct conn_all v, void (*back)(struct conn *),
    void (*f)(struct conn *))
{
	struct conn *c;
	unsigned i;

	for (i = 0; i < v.n; i++) {
		c = *v.at[i];
		if (c == NULL)
			continue;
		back(c);
		*v.at[i] = NULL;
		f(c);
	}
}

bool
conn_all_save(struct conn_all v, struct hub_move *hm, struct buf *b, int fds[])
{
	unsigned i, n = 0;
	struct conn *c;

	for (i = 0; i < v.n; i++) {
		c = *v.at[i];
		state_put_bool(b, c != NULL);
		if (c == NULL)
			continue;
		if (!conn_save(c, hm, b))
			return (false);
		fds[n++] = c->io.fd;
	}
	return (true);
}

bool
conn_all_load(struct conn_all v, struct worker *w, struct hub_move *hm,
    struct state_in *in, int fds[], unsigned n,
    bool (*fits)(void *arg, unsigned i, struct conn *), void *arg)
{
	unsigned i, used = 0;
	struct conn *c;

	for (i = 0; i < v.n; i++) {
		if (!state_get_bool(in))
			continue;
		if (in->bad || used == n)
			return (false);
		c = conn_load(w, hm, in, fds[used]);
		fds[used++] = -1;
		if (c == NULL)
			return (false);
		if (!fits(arg, i, c)) {
			conn_unload(c);
			return (false);
		}
		*v.at[i] = c;
	}
	return (!in->bad && used == n);
}
