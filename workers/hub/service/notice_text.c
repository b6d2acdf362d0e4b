/*
 * Notifications as JSON; see notice_text.h.  Called by notices.c and by what back
 * ends ask (backend/api_inbox.c).
 */
#include "hub/service/notice_text.h"

#include <stdio.h>

#include "proto/json.h"

/* --- members ----------------------------------------------------------------- */

/* A value as a name; false: it is none. */
static bool
notice_name(struct slice value, struct notice_names *names, struct slice *out)
{
	uint8_t *to = names->bytes[names->n];
	ssize_t n;

	MUST(names->n < nitems(names->bytes));
	n = json_name(value, to, BOX_NAME_MAX);
	if (n <= 0)
		return (false);
	names->n++;
	*out = slice_of(to, (size_t)n);
	return (true);
}

/* A member that may be absent: *out is empty then. */
static bool
notice_member(struct slice object, const char *name,
    struct notice_names *names, struct slice *out)
{
	struct slice v;

	*out = slice_of(NULL, 0);
	return (!json_get(object, slice_str(name), &v) ||
	    notice_name(v, names, out));
}

/* A list of names, appended. */
static bool
notice_list(struct slice array, struct notice_names *names,
    struct slice *list, uint32_t *n, uint32_t max)
{
	struct json_iter it;
	struct slice key, v;

	if (json_type(array) != JSON_ARRAY || !json_enter(array, &it))
		return (false);
	while (json_next(&it, &key, &v)) {
		if (*n == max || !notice_name(v, names, &list[*n]))
			return (false);
		(*n)++;
	}
	return (true);
}

static bool
notice_bool(struct slice object, const char *name, bool *out)
{
	struct slice v;

	*out = false;
	if (!json_get(object, slice_str(name), &v))
		return (true);
	*out = json_type(v) == JSON_TRUE;
	return (*out || json_type(v) == JSON_FALSE);
}

/* A number from least to most; absent: it stays. */
static bool
notice_number(struct slice object, const char *name, int64_t least,
    int64_t most, int64_t *out)
{
	struct slice v;

	if (!json_get(object, slice_str(name), &v))
		return (true);
	return (json_type(v) == JSON_NUMBER && json_int(v, out) &&
	    *out >= least && *out <= most);
}

/* --- which ones -------------------------------------------------------------- */

static const char notice_category_words[] =
    "\"category\" is a string of 1..64 bytes";

const char *
notice_look(struct slice object, struct notice_names *names,
    struct box_look *l)
{
	int64_t limit = 20, cursor = 0;

	names->n = 0;
	*l = (struct box_look){ .limit = 0 };
	if (!notice_number(object, "limit", 1, BOX_PAGE_MAX, &limit))
		return ("\"limit\" is 1..100");
	if (!notice_number(object, "cursor", 0, INT64_MAX, &cursor))
		return ("\"cursor\" is a number, as \"next\" of the page "
		    "before");
	if (!notice_bool(object, "unread", &l->unread))
		return ("\"unread\" is true or false");
	if (!notice_member(object, "category", names, &l->category))
		return (notice_category_words);
	l->limit = (uint32_t)limit;
	l->cursor = (uint64_t)cursor;
	return (NULL);
}

const char *
notice_pick_all(struct slice object, struct notice_names *names,
    struct box_pick *p)
{
	names->n = 0;
	p->all = true;
	p->n = 0;
	return (notice_member(object, "category", names, &p->category) ? NULL :
	    notice_category_words);
}

const char *
notice_pick(struct slice object, struct notice_names *names,
    struct box_pick *p)
{
	struct slice v;
	bool all;

	if (!notice_bool(object, "all", &all))
		return ("\"all\" is true or false");
	if (all)
		return (notice_pick_all(object, names, p));
	names->n = 0;
	*p = (struct box_pick){ .all = false };
	if ((json_get(object, SLICE("notificationId"), &v) ||
	    json_get(object, SLICE("id"), &v)) &&
	    !notice_name(v, names, &p->ids[p->n++]))
		return ("\"notificationId\" is a string of 1..64 bytes");
	if (json_get(object, SLICE("ids"), &v) &&
	    !notice_list(v, names, p->ids, &p->n, BOX_IDS_MAX))
		return ("\"ids\" are at most 100 strings of 1..64 bytes");
	return (p->n != 0 ? NULL : "\"notificationId\" or \"ids\" must say "
	    "which");
}

/* --- preferences ---------------------------------------------------------------- */

struct slice
notice_prefs_none(void)
{
	return (SLICE("{\"muted\":[],\"least_priority\":\"low\","
	    "\"quiet_hours\":null}"));
}

/* "HH:MM" */
static bool
notice_minute(struct slice object, const char *name, uint16_t *out)
{
	uint8_t t[8];
	struct slice raw;
	ssize_t n = json_text(object, slice_str(name), t, sizeof t, &raw);
	unsigned h, m;

	if (n != 5 || t[2] != ':' || t[0] < '0' || t[0] > '2' ||
	    t[1] < '0' || t[1] > '9' || t[3] < '0' || t[3] > '5' ||
	    t[4] < '0' || t[4] > '9')
		return (false);
	h = (t[0] - '0') * 10u + (t[1] - '0');
	m = (t[3] - '0') * 10u + (t[4] - '0');
	*out = (uint16_t)(h * 60 + m);
	return (h < 24);
}

static bool
notice_quiet(struct slice v, struct box_prefs *p)
{
	uint8_t word[8];
	struct slice raw;
	int64_t offset = 0;
	ssize_t n;

	if (json_type(v) != JSON_OBJECT ||
	    !notice_minute(v, "from", &p->from) ||
	    !notice_minute(v, "to", &p->to) ||
	    !notice_number(v, "utc_offset", -840, 840, &offset))
		return (false);
	p->offset = (int16_t)offset;
	p->quiet = true;
	if (!json_get(v, SLICE("deliver"), &raw))
		return (true);
	n = json_name(raw, word, sizeof word);
	p->count_only = n == 5 && memcmp(word, "count", 5) == 0;
	return (p->count_only || (n == 6 && memcmp(word, "silent", 6) == 0));
}

static void
notice_put_prefs(struct buf *b, struct box_prefs *p)
{
	uint32_t i;

	buf_reset(b);
	buf_str(b, "{\"muted\":[");
	for (i = 0; i < p->nmuted; i++) {
		if (i != 0)
			buf_byte(b, ',');
		json_escape(b, p->muted[i]);
	}
	buf_printf(b, "],\"least_priority\":\"%s\",\"quiet_hours\":",
	    box_rank_name(p->least));
	if (p->quiet)
		buf_printf(b, "{\"from\":\"%02u:%02u\",\"to\":\"%02u:%02u\","
		    "\"utc_offset\":%d,\"deliver\":\"%s\"}}", p->from / 60u,
		    p->from % 60u, p->to / 60u, p->to % 60u, p->offset,
		    p->count_only ? "count" : "silent");
	else
		buf_str(b, "null}");
	p->json = buf_unread(b);
}

const char *
notice_prefs(struct slice object, struct notice_names *names, struct buf *b,
    struct box_prefs *p)
{
	struct slice v, word;

	names->n = 0;
	*p = (struct box_prefs){ .least = BOX_LOW };
	if (json_get(object, SLICE("muted"), &v) &&
	    !notice_list(v, names, p->muted, &p->nmuted, BOX_MUTED_MAX))
		return ("\"muted\" are at most 32 categories");
	if (!notice_member(object, "least_priority", names, &word) ||
	    (word.n != 0 && !box_rank_of(word, &p->least)))
		return ("\"least_priority\" is low, normal, high or urgent");
	if (json_get(object, SLICE("quiet_hours"), &v) &&
	    json_type(v) != JSON_NULL && !notice_quiet(v, p))
		return ("\"quiet_hours\" is null or {\"from\":\"HH:MM\","
		    "\"to\":\"HH:MM\",\"utc_offset\"?:MINUTES,"
		    "\"deliver\"?:\"silent\"|\"count\"}");
	notice_put_prefs(b, p);
	return (NULL);
}

/* --- one ------------------------------------------------------------------------- */

/* ,"NAME":VALUE as it stands there, if it does. */
static bool
notice_copy(struct buf *b, struct slice object, const char *name, bool text)
{
	struct slice v;

	if (!json_get(object, slice_str(name), &v))
		return (true);
	if (text && json_type(v) != JSON_STRING)
		return (false);
	buf_printf(b, ",\"%s\":", name);
	buf_slice(b, v);
	return (true);
}

static void
notice_put_name(struct buf *b, const char *name, struct slice text)
{
	if (text.n == 0)
		return;
	buf_printf(b, ",\"%s\":", name);
	json_escape(b, text);
}

static const char *
notice_item_names(struct slice object, struct notice_names *names,
    struct box_item *i)
{
	struct slice priority, given;

	if (!notice_member(object, "id", names, &given))
		return ("\"id\" is a string of 1..64 bytes");
	if (given.n != 0)
		i->id = given;
	if (!notice_member(object, "category", names, &i->category))
		return (notice_category_words);
	if (!notice_member(object, "collapse", names, &i->collapse))
		return ("\"collapse\" is a string of 1..64 bytes");
	if (!notice_member(object, "priority", names, &priority) ||
	    (priority.n != 0 && !box_rank_of(priority, &i->rank)))
		return ("\"priority\" is low, normal, high or urgent");
	return (NULL);
}

const char *
notice_item(struct slice object, struct notice_names *names, struct slice id,
    uint64_t now_ms, struct buf *b, struct box_item *i)
{
	const char *why;
	int64_t expires = 0;

	names->n = 0;
	*i = (struct box_item){ .id = id, .rank = BOX_NORMAL,
		.ts_ms = now_ms };
	why = notice_item_names(object, names, i);
	if (why != NULL)
		return (why);
	if (!notice_number(object, "expires", 1, INT64_MAX, &expires) ||
	    (expires != 0 && (uint64_t)expires <= now_ms))
		return ("\"expires\" is a time to come, in unix milliseconds");
	i->expires_ms = (uint64_t)expires;
	buf_reset(b);
	buf_str(b, "\"id\":");
	json_escape(b, i->id);
	if (!notice_copy(b, object, "type", true) ||
	    !notice_copy(b, object, "title", true) ||
	    !notice_copy(b, object, "message", true))
		return ("\"type\", \"title\" and \"message\" are strings");
	notice_put_name(b, "category", i->category);
	buf_printf(b, ",\"priority\":\"%s\"", box_rank_name(i->rank));
	(void)notice_copy(b, object, "data", false);
	buf_printf(b, ",\"ts\":%llu", (unsigned long long)now_ms);
	if (expires != 0)
		buf_printf(b, ",\"expires\":%llu",
		    (unsigned long long)expires);
	notice_put_name(b, "collapse", i->collapse);
	i->json = buf_unread(b);
	return (NULL);
}
