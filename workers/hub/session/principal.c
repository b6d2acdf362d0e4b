/*
 * Identity from claims; see principal.h.  Made by admit.c of each token
 * that is good.
 */
#include "hub/session/principal.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "proto/json.h"
#include "proto/token.h"

static void
principal_keep_claim(struct buf *b, const char *name, struct slice json)
{
	struct slice value;

	if (!json_get_path(json, slice_str(name), &value))
		return;
	if (b->wpos > 1)
		buf_byte(b, ',');
	json_escape(b, slice_str(name));
	buf_byte(b, ':');
	buf_slice(b, value);
}

/* The claims that rules of the configuration ask for, as an object. */
static void
principal_keep_claims(struct buf *b, const struct conf *conf, struct slice json)
{
	size_t i;

	buf_byte(b, '{');
	for (i = 0; i < conf->claims.n; i++)
		principal_keep_claim(b, conf->claims.v[i], json);
	buf_byte(b, '}');
	if (b->wpos == 2)
		buf_reset(b);	/* nothing asked, nothing kept */
}

/* What a principal is made of; roles: each followed by NUL. */
struct principal_parts {
	struct slice	 user, roles, claims;
	int64_t		 exp, iat;
};

static struct principal *
principal_assemble(const struct principal_parts *q)
{
	size_t json = json_escape_size(q->user);
	struct principal *p = malloc(sizeof *p + q->user.n + json +
	    q->roles.n + q->claims.n);
	char *at;

	if (p == NULL)
		return (NULL);
	*p = (struct principal){ .magic = PRINCIPAL_MAGIC, .refs = 1,
		.exp = q->exp, .iat = q->iat, .user_len = (uint32_t)q->user.n,
		.json_len = (uint32_t)json, .roles_len = (uint32_t)q->roles.n,
		.claims_len = (uint32_t)q->claims.n };
	memcpy(p->bytes, q->user.p, q->user.n);
	at = (char *)json_escape_to((uint8_t *)p->bytes + q->user.n, q->user);
	if (q->roles.n != 0)
		memcpy(at, q->roles.p, q->roles.n);
	if (q->claims.n != 0)
		memcpy(at + q->roles.n, q->claims.p, q->claims.n);
	return (p);
}

struct principal *
principal_new(const struct conf *conf, const struct token_claims *tc)
{
	struct principal_parts q = { .user = slice_of(tc->user, tc->user_len),
		.exp = tc->exp, .iat = tc->iat };
	struct principal *p = NULL;
	struct buf claims, roles;
	size_t i;

	buf_init(&claims);
	buf_init(&roles);
	principal_keep_claims(&claims, conf, slice_of(tc->json, tc->json_len));
	for (i = 0; i < tc->nroles; i++)
		buf_append(&roles, tc->roles[i], strlen(tc->roles[i]) + 1);
	q.claims = buf_unread(&claims);
	q.roles = buf_unread(&roles);
	if (!claims.oom && !roles.oom)
		p = principal_assemble(&q);
	buf_fini(&roles);
	buf_fini(&claims);
	return (p);
}

struct principal *
principal_other(const struct principal *who, struct slice user,
    const struct slice *roles, int64_t iat)
{
	struct principal_parts q = { .user = user, .iat = iat };

	if (who != NULL) {
		q.exp = who->exp;
		q.iat = who->iat;
		if (user.n == 0)
			q.user = principal_user(who);
		q.roles = slice_of(who->bytes + who->user_len + who->json_len,
		    who->roles_len);
		q.claims = slice_of(slice_end(q.roles), who->claims_len);
	}
	if (roles != NULL)
		q.roles = *roles;
	return (principal_assemble(&q));
}

bool
principal_set_token(struct principal *p, uint64_t id)
{
	struct principal_token *t = calloc(1, sizeof *t);

	CHECK_MAGIC(p, PRINCIPAL_MAGIC);
	MUST(p->token == NULL);
	if (t == NULL)
		return (false);
	t->id = id;
	t->who = p;
	p->token = t;
	return (true);
}

struct principal *
principal_ref(struct principal *p)
{
	CHECK_MAGIC(p, PRINCIPAL_MAGIC);
	p->refs++;
	return (p);
}

void
principal_unref(struct principal **pp)
{
	struct principal *p = *pp;

	if (p == NULL)
		return;
	CHECK_MAGIC(p, PRINCIPAL_MAGIC);
	*pp = NULL;
	if (--p->refs > 0)
		return;
	if (p->token != NULL && p->token->in != NULL)
		hashtab_remove(p->token->in, p->token->id, &p->token->link);
	free(p->token);
	p->magic = 0;
	free(p);
}

bool
principal_has_role(const struct principal *p, char *const *roles,
    size_t nroles)
{
	const char *r, *end;
	size_t i;

	if (nroles == 0)
		return (true);
	if (p == NULL)
		return (false);
	r = p->bytes + p->user_len + p->json_len;
	end = r + p->roles_len;
	for (; r < end; r += strlen(r) + 1)
		for (i = 0; i < nroles; i++)
			if (strcmp(r, roles[i]) == 0)
				return (true);
	return (false);
}

bool
principal_role(const struct principal *p, size_t i, struct slice *role)
{
	const char *r = p->bytes + p->user_len + p->json_len;
	const char *end = r + p->roles_len;

	while (r < end && i-- > 0)
		r += strlen(r) + 1;
	if (r >= end)
		return (false);
	*role = slice_str(r);
	return (true);
}

bool
principal_claim(const struct principal *p, const char *name,
    struct slice *value)
{
	if (p == NULL || p->claims_len == 0)
		return (false);
	return (json_get(slice_of(p->bytes + p->user_len + p->json_len +
	    p->roles_len, p->claims_len), slice_str(name), value));
}
