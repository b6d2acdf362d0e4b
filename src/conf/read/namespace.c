/*
 * Namespaces with their rooms and events, and the index of their names.
 */
#include "conf/read/namespace.h"

#include <string.h>

#include "conf/find.h"
#include "conf/heap.h"
#include "conf/index.h"
#include "conf/name.h"
#include "conf/pattern.h"
#include "conf/read/asked.h"
#include "conf/read/event.h"

static bool
namespace_room_same(const void *va, const void *vb)
{
	const struct conf_room *a = va, *b = vb;

	return (conf_pattern_same(&a->pattern, &b->pattern));
}

static bool
namespace_has_star(const struct conf_pattern *p)
{
	size_t i;

	for (i = 0; i < p->npieces; i++)
		if (strchr(p->pieces[i].text, '*') != NULL)
			return (true);
	return (false);
}

static bool
namespace_key_same(const void *va, const void *vb)
{
	const struct conf_key *a = va, *b = vb;

	return (conf_pattern_same(&a->pattern, &b->pattern));
}

static void
namespace_key(struct conf_reading *parse, const struct conf_tree *in,
    const struct conf_tree *s, struct conf_room *room)
{
	struct conf_key *key = &room->key_rules[room->nkey_rules++];
	const char *wrong = conf_pattern_parse(s->title.text, &key->pattern);

	key->line = s->title.at.line;
	if (wrong == NULL && s->title.text[0] == '\0')
		wrong = "the name is empty";
	if (wrong == NULL && !room->documents)
		wrong = "its room has no documents = true";
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	else
		conf_titled_repeats(parse, in, s, room->key_rules,
		    sizeof *room->key_rules, namespace_key_same);
	conf_titled_fill(parse, s, key);
}

static void
namespace_keys(struct conf_reading *parse, const struct conf_tree *s,
    struct conf_room *room)
{
	const struct conf_tree *sub = NULL;

	room->key_rules = conf_calloc(conf_tree_count(s, CONF_SEC_KEY),
	    sizeof *room->key_rules);
	while ((sub = conf_tree_next(s, CONF_SEC_KEY, sub)) != NULL)
		namespace_key(parse, s, sub, room);
}

static void
namespace_room(struct conf_reading *parse, const struct conf_tree *in,
    const struct conf_tree *s, struct conf_namespace *ns)
{
	struct conf_room *room = &ns->rooms[ns->nrooms++];
	const char *wrong = conf_pattern_parse(s->title.text, &room->pattern);

	room->line = s->title.at.line;
	if (wrong == NULL && s->title.text[0] == '\0')
		wrong = "the name is empty";
	if (wrong == NULL && namespace_has_star(&room->pattern))
		wrong = "there are no wild cards: use a {parameter}";
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	else
		conf_titled_repeats(parse, in, s, ns->rooms,
		    sizeof *ns->rooms, namespace_room_same);
	conf_titled_fill(parse, s, room);
	if (room->join == CONF_JOIN_ASK && ns->hook == NULL)
		conf_titled_bad(parse, s, "join = ask needs a hook in the "
		    "namespace");
	if (room->document && (room->keep_ms != 0 || room->history == 0))
		conf_titled_bad(parse, s, "a document needs a history, and "
		    "keep = 0s: nothing of it is dropped, by age neither");
	namespace_keys(parse, s, room);
}

/* Sort; names that are there twice are neighbours then. */
static void
namespace_index(struct conf_reading *parse, struct conf_index *index,
    enum conf_section section)
{
	const struct conf_indexed *a, *b;
	size_t i;

	conf_index_sort(index);
	for (i = 1; i < index->n; i++) {
		a = &index->names[i - 1];
		b = &index->names[i];
		if (slice_eq(a->name, b->name))
			conf_section_again(parse, section,
			    (const char *)b->name.p, b->line, a->line);
	}
}

static void
namespace_index_events(struct conf_reading *parse, struct conf_namespace *ns)
{
	struct conf_index *index = conf_index_new(ns->nevents);
	size_t i;

	for (i = 0; i < ns->nevents; i++)
		if (strcmp(ns->events[i].name, "connect") != 0)
			conf_index_add(index, ns->events[i].name,
			    &ns->events[i], ns->events[i].line);
	namespace_index(parse, index, CONF_SEC_EVENT);
	ns->event_index = index;
}

/* Another one, of this name, which is gone as long as it is not read. */
static struct conf_namespace *
namespace_add(struct conf *conf, const char *name)
{
	struct conf_namespace *ns = &conf->namespaces[conf->nnamespaces];

	ns->index = (uint16_t)conf->nnamespaces++;
	ns->gone = true;
	ns->auth = CONF_AUTH_NONE;
	ns->name = conf_strdup(name);
	ns->name_len = strlen(ns->name);
	return (ns);
}

/* Where it was before, or behind all others. */
static struct conf_namespace *
namespace_place(struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].gone &&
		    strcmp(conf->namespaces[i].name, name) == 0)
			return (&conf->namespaces[i]);
	return (conf->nnamespaces == conf->ns_room ? NULL :
	    namespace_add(conf, name));
}

static void
namespace_event_keeps(const struct conf_namespace *ns,
    struct conf_event *event)
{
	size_t i;

	event->keeps = ns->keeps && event->history && !event->is_volatile &&
	    (event->to == CONF_TO_ROOM || event->to == CONF_TO_JOINED);
	for (i = 0; i < event->nthen; i++)
		namespace_event_keeps(ns, &event->then[i]);
}

#define NAMESPACE_KEYED_HISTORY	1000	/* of a room with keys, when it does not say */

/* What is between two that hear of keys is in the history, so there is one. */
static void
namespace_note_keyed(struct conf_namespace *ns)
{
	struct conf_room *r;
	size_t i;

	for (i = 0; i < ns->nrooms; i++) {
		r = &ns->rooms[i];
		if (!r->documents && !r->latest)
			continue;
		ns->keyed = true;
		if (r->history == 0)
			r->history = NAMESPACE_KEYED_HISTORY;
	}
}

/* So that whoever keeps nothing need not ask which room it is. */
static void
namespace_note_keeps(const struct conf *conf, struct conf_namespace *ns)
{
	size_t i;

	namespace_note_keyed(ns);
	for (i = 0; i < ns->nrooms; i++) {
		ns->keeps |= ns->rooms[i].history != 0;
		ns->documents |= ns->rooms[i].document;
	}
	/* what other hosts publish has no place in a journal of this one */
	ns->journals = ns->recovery == CONF_RECOVERY_STORE &&
	    conf->recovery_window_ms != 0 && (!conf_redis_on(&conf->redis) ||
	    conf->store_engine != CONF_STORE_MEMORY);
	for (i = 0; i < ns->nevents; i++)
		ns->queues |= (ns->events[i].offline &
		    CONF_OFFLINE_QUEUE) != 0;
	for (i = 0; i < ns->nevents; i++)
		namespace_event_keeps(ns, &ns->events[i]);
	for (i = 0; i < ns->nevents; i++)
		ns->asks |= ns->events[i].asks;
	for (i = 0; i < ns->nrooms; i++)
		ns->asks |= ns->rooms[i].join == CONF_JOIN_ASK;
}

static void
namespace_check_poll(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_namespace *ns)
{
	if (ns->poll_room[0] != '\0' &&
	    !conf_room_keeps(ns, slice_str(ns->poll_room)))
		conf_titled_bad(parse, s, "poll_room is no room that keeps a "
		    "history");
}

static void
namespace_check_sees(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_namespace *ns)
{
	bool claim = ns->sees == CONF_SEES_CLAIM;

	if (claim != (ns->sees_claim[0] != '\0'))
		conf_titled_bad(parse, s, claim ?
		    "presence_of = claim needs presence_claim" :
		    "presence_claim needs presence_of = claim");
	if (ns->presence_list != 0 && ns->presence != CONF_PRESENCE_ROOMS)
		conf_titled_bad(parse, s, "presence_list needs presence = "
		    "rooms");
	if (ns->sees == CONF_SEES_ROOMS && !conf_keeps_rooms(ns))
		conf_titled_bad(parse, s, "presence_of = rooms needs presence "
		    "= rooms, or namespace: else it is not known who is in "
		    "which room");
}

/* A journal has one order for all that sessions get; what is asked of keys has none
 * there. */
static void
namespace_check_keyed(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_namespace *ns)
{
	if (ns->keyed && ns->recovery == CONF_RECOVERY_STORE)
		conf_titled_bad(parse, s, "rooms with documents or latest are "
		    "not for recovery = store: who opens them is told what it "
		    "has missed");
}

/* What could hold a token is for nobody to see. */
static void
namespace_check_query(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_namespace *ns)
{
	size_t i;

	for (i = 0; i < ns->nkeep_query; i++)
		if (strcmp(ns->keep_query[i], parse->p.conf->jwt.query) == 0)
			conf_titled_bad(parse, s, "keep_query has the "
			    "parameter that tokens come in (jwt: query)");
}

static void
namespace_check_joins(struct conf_reading *parse, const struct conf_tree *s,
    const struct conf_namespace *ns)
{
	size_t i;

	if (ns->njoins > parse->p.conf->rooms_per_session)
		conf_titled_bad(parse, s, "join names more rooms than limits { "
		    "rooms_per_session } lets a client be in");
	for (i = 0; i < ns->njoins; i++)
		if (ns->joins[i].nparams != 0 && ns->auth == CONF_AUTH_NONE) {
			conf_titled_bad(parse, s, "nobody is a {user} for join "
			    "with auth = none");
			break;
		}
}

static void
namespace_read(struct conf_reading *parse, const struct conf_tree *s)
{
	struct conf_namespace *ns = namespace_place(parse->p.conf,
	    s->title.text);
	const char *wrong = conf_namespace_name_bad(s->title.text);
	const struct conf_tree *sub = NULL;

	if (ns == NULL) {
		conf_titled_bad(parse, s, "there is no room for another "
		    "namespace until a new start");
		return;
	}
	ns->gone = false;
	ns->line = s->title.at.line;
	if (wrong != NULL)
		conf_titled_bad(parse, s, wrong);
	conf_titled_fill(parse, s, ns);
	namespace_check_query(parse, s, ns);
	namespace_check_sees(parse, s, ns);
	if (ns->asks_connect && ns->hook == NULL)
		conf_titled_bad(parse, s, "ask needs a hook in the namespace");
	if (ns->tells != 0 && ns->hook == NULL &&
	    !conf_redis_on(&parse->p.conf->redis))
		conf_titled_bad(parse, s, "events needs a hook, or a redis "
		    "section: back ends get them there");
	if (ns->inbox && ns->auth == CONF_AUTH_NONE)
		conf_titled_bad(parse, s, "inbox is for users, whom nobody is "
		    "with auth = none");
	if (ns->inbox_push && !conf_redis_on(&parse->p.conf->redis))
		conf_titled_bad(parse, s, "inbox_push needs a redis section: "
		    "back ends read of it there");
	ns->rooms = conf_calloc(conf_tree_count(s, CONF_SEC_ROOM),
	    sizeof *ns->rooms);
	ns->events = conf_calloc(conf_tree_count(s, CONF_SEC_EVENT),
	    sizeof *ns->events);
	while ((sub = conf_tree_next(s, CONF_SEC_ROOM, sub)) != NULL)
		namespace_room(parse, s, sub, ns);
	while ((sub = conf_tree_next(s, CONF_SEC_EVENT, sub)) != NULL)
		conf_event_read(parse, sub, ns);
	namespace_note_keeps(parse->p.conf, ns);
	namespace_check_keyed(parse, s, ns);
	namespace_check_poll(parse, s, ns);
	namespace_check_joins(parse, s, ns);
	namespace_index_events(parse, ns);
}

static void
namespace_index_all(struct conf_reading *parse)
{
	struct conf *conf = parse->p.conf;
	struct conf_index *index = conf_index_new(conf->nnamespaces);
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (!conf->namespaces[i].gone)
			conf_index_add(index, conf->namespaces[i].name,
			    &conf->namespaces[i], conf->namespaces[i].line);
	namespace_index(parse, index, CONF_SEC_NAMESPACE);
	conf->ns_index = index;
}

#define NAMESPACES_MAX		1024
#define NAMESPACES_SPARE	64	/* that later configurations may add */

/* Room for them, in which those that were there before have their places. */
static void
namespace_prepare(struct conf *conf, const struct conf *before, size_t n)
{
	size_t i;

	conf->ns_room = before != NULL ? before->ns_room :
	    (unsigned)(n > NAMESPACES_MAX ? NAMESPACES_MAX : n) +
	    NAMESPACES_SPARE;
	conf->namespaces = conf_calloc(conf->ns_room,
	    sizeof *conf->namespaces);
	for (i = 0; before != NULL && i < before->nnamespaces; i++)
		(void)namespace_add(conf, before->namespaces[i].name);
}

void
conf_namespaces_read(struct conf_reading *parse)
{
	size_t n = conf_tree_count(&parse->tree, CONF_SEC_NAMESPACE), i = 0;
	const struct conf_tree *s = NULL;

	namespace_prepare(parse->p.conf, parse->p.src->before, n);
	while ((s = conf_tree_next(&parse->tree, CONF_SEC_NAMESPACE, s)) !=
	    NULL) {
		if (i++ == NAMESPACES_MAX) {
			conf_titled_bad(parse, s, "more than 1024 namespaces");
			break;
		}
		namespace_read(parse, s);
	}
	namespace_index_all(parse);
	conf_asked_note(parse->p.conf);
}
