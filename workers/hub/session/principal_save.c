/*
 * Principals of one client; see principal_save.h.  Called for clients, and for
 * sessions that wait for theirs.
 */
#include "hub/session/principal_save.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "hub/model.h"
#include "proto/json.h"
#include "shm/table_revoked.h"

/* refs are made again, and the user's JSON. */
STATE_FIELDS(principal, 48);

#define WHO_TAG		0x4f57		/* "WO" */
#define WHO_VERSION	2

void
principals_init(struct principals *all)
{
	*all = (struct principals){ NULL, 0, 0 };
}

void
principals_fini(struct principals *all)
{
	while (all->n > 0)
		principal_unref(&all->v[--all->n]);
	free(all->v);
	principals_init(all);
}

uint32_t
principals_number(const struct principals *all, const struct principal *p)
{
	uint32_t i;

	for (i = 0; p != NULL && i < all->n; i++)
		if (all->v[i] == p)
			return (i + 1);
	return (0);
}

static bool
principal_make_room(struct principals *all)
{
	uint32_t cap = all->cap == 0 ? 4 : all->cap * 2;
	struct principal **v;

	v = reallocarray(all->v, cap, sizeof(struct principal *));
	if (v == NULL)
		return (false);
	all->v = v;
	all->cap = cap;
	return (true);
}

bool
principals_add(struct principals *all, struct principal *p)
{
	if (p == NULL || principals_number(all, p) != 0)
		return (true);
	if (all->n == all->cap && !principal_make_room(all))
		return (false);
	all->v[all->n++] = principal_ref(p);
	return (true);
}

/* --- save ----------------------------------------------------------------- */

static void
principal_save(const struct principal *p, struct buf *b)
{
	const char *roles = p->bytes + p->user_len + p->json_len;

	state_put_u64(b, (uint64_t)p->exp);
	state_put_u64(b, (uint64_t)p->iat);
	state_put_u64(b, p->token == NULL ? 0 : p->token->id);
	state_put_slice(b, principal_user(p));
	state_put_slice(b, slice_of(roles, p->roles_len));
	state_put_slice(b, slice_of(roles + p->roles_len, p->claims_len));
}

void
principals_save(const struct principals *all, struct buf *b)
{
	size_t at = state_open(b, WHO_TAG, WHO_VERSION);
	uint32_t i;

	state_put_u32(b, all->n);
	for (i = 0; i < all->n; i++)
		principal_save(all->v[i], b);
	state_close(b, at);
}

/* --- load ----------------------------------------------------------------- */

static bool
principal_is_good(struct slice user, struct slice roles, struct slice claims)
{
	return (user.n != 0 && user.n <= ROOM_NAME_MAX && utf8_name(user) &&
	    (roles.n == 0 || roles.p[roles.n - 1] == '\0') &&
	    (claims.n == 0 || (json_valid(claims) &&
	    json_type(claims) == JSON_OBJECT)));
}

/* What nobody said before version 2 is not known. */
static void
principal_load_token(struct state_in *in, uint16_t version, int64_t *iat,
    uint64_t *token)
{
	*iat = REVOKED_NO_IAT;
	*token = 0;
	if (version < 2)
		return;
	*iat = (int64_t)state_get_u64(in);
	*token = state_get_u64(in);
}

static struct principal *
principal_load(struct state_in *in, uint16_t version)
{
	int64_t exp = (int64_t)state_get_u64(in), iat;
	struct slice user, roles, claims;
	struct principal *p;
	uint64_t token;
	size_t json;
	char *at;

	principal_load_token(in, version, &iat, &token);
	user = state_get_slice(in);
	roles = state_get_slice(in);
	claims = state_get_slice(in);
	if (in->bad || exp < 0 || !principal_is_good(user, roles, claims))
		return (NULL);
	json = json_escape_size(user);
	p = malloc(sizeof *p + user.n + json + roles.n + claims.n);
	if (p == NULL)
		return (NULL);
	*p = (struct principal){ .magic = PRINCIPAL_MAGIC, .refs = 1,
		.exp = exp, .iat = iat, .user_len = (uint32_t)user.n,
		.json_len = (uint32_t)json, .roles_len = (uint32_t)roles.n,
		.claims_len = (uint32_t)claims.n };
	memcpy(p->bytes, user.p, user.n);
	at = (char *)json_escape_to((uint8_t *)p->bytes + user.n, user);
	if (roles.n != 0)
		memcpy(at, roles.p, roles.n);
	if (claims.n != 0)
		memcpy(at + roles.n, claims.p, claims.n);
	if (token != 0 && !principal_set_token(p, token))
		principal_unref(&p);
	return (p);
}

static bool
principal_load_one(struct principals *all, struct state_in *in,
    uint16_t version)
{
	struct principal *p = principal_load(in, version);
	bool ok = p != NULL && principals_add(all, p);

	principal_unref(&p);
	return (ok);
}

bool
principals_load(struct principals *all, struct state_in *in)
{
	struct state_in body;
	uint16_t version;
	uint32_t n;

	if (!state_section(in, WHO_TAG, &version, &body) ||
	    version == 0 || version > WHO_VERSION)
		return (false);
	for (n = state_get_u32(&body); n > 0; n--)
		if (!principal_load_one(all, &body, version))
			return (false);
	return (state_end(&body));
}

bool
principals_get(const struct principals *all, struct state_in *in,
    struct principal **who)
{
	uint32_t number = state_get_u32(in);

	*who = NULL;
	if (in->bad || number > all->n)
		return (false);
	if (number != 0)
		*who = all->v[number - 1];
	return (true);
}
