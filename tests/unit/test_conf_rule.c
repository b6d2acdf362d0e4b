/* Namespaces: who may join, what an event does, what is checked. */
#include "conf/conf.h"

#include <bsd/string.h>

#include "conf/name.h"
#include "conf/schema/schema.h"
#include "tests/lib/conf_text.h"

#define NS(rules)	"namespace '/n' { auth = none\n" rules "\n}"

static void
join_rules_are_understood(void **state)
{
	struct conf *conf = conf_text(NS("room a {} room b { join = open }"
	    "room 'c:{x}' { join = 'claim:https://x.example/c' }"
	    "room 'd:{x}:{y}:{z}' { join = 'self:x,z' }"));
	const struct conf_room *rooms = conf->namespaces[0].rooms;

	(void)state;
	assert_int_equal(rooms[0].join, CONF_JOIN_SERVER);
	assert_int_equal(rooms[1].join, CONF_JOIN_OPEN);
	assert_int_equal(rooms[2].join, CONF_JOIN_CLAIM);
	assert_string_equal(rooms[2].claim, "https://x.example/c");
	assert_int_equal(rooms[3].join, CONF_JOIN_SELF);
	assert_int_equal(rooms[3].self, 1 | 4);
	conf_free(&conf);
}

static void
a_hook_is_asked_where_rules_say_so(void **state)
{
	static const char text[] = "hook h { url = 'https://a/' secret = "
	    "'0123456789abcdef0123456789abcdef' cache = 0s }\n"
	    "namespace '/n' { auth = none hook = h %s room r { join = %s } }";
	static const struct {
		const char *ns, *join;
		bool asks, connect;
	} cases[] = {
		{ "", "open", false, false },
		{ "", "ask", true, false },
		{ "ask = true keep_claims = {a}", "open", false, true },
		{ "event e { ask = true }", "server", true, false },
	};
	char all[512];
	struct conf *conf;
	size_t i;

	(void)state;
	for (i = 0; i < nitems(cases); i++) {
		(void)snprintf(all, sizeof all, text, cases[i].ns,
		    cases[i].join);
		conf = conf_text(all);
		assert_int_equal(conf->namespaces[0].asks, cases[i].asks);
		assert_int_equal(conf->namespaces[0].asks_connect,
		    cases[i].connect);
		assert_int_equal(conf->keeps_address, cases[i].connect);
		assert_int_equal(conf->claims.n, cases[i].connect);
		assert_int_equal(conf->hooks[0].cache_ms, 0);
		conf_free(&conf);
	}
}

static void
event_rules_are_understood(void **state)
{
	struct conf *conf = conf_text(NS(
	    "event m { to = room:room self = yes volatile = on member = off\n"
	    "  meta = off as = 'M\"2' confirm = ok ack = echo max_bytes = 4KB\n"
	    "  roles = {a, b} args = 7 }\n"
	    "event u { to = user:receiverId ack = accepted }\n"
	    "event n { to = namespace } event s { to = sender }\n"
	    "event '*' { error = 'no such event' }"));
	const struct conf_event *e = conf->namespaces[0].events;

	(void)state;
	assert_int_equal(e->to, CONF_TO_ROOM);
	assert_string_equal(e->field, "room");
	assert_true(e->self && e->is_volatile && !e->member && !e->meta);
	assert_string_equal(e->name_json, "\"m\"");
	assert_string_equal(e->as_json, "\"M\\\"2\"");
	assert_string_equal(e->confirm_json, "\"ok\"");
	assert_int_equal(e->ack, CONF_ACK_ECHO);
	assert_int_equal(e->max_bytes, 4000);
	assert_int_equal(e->args, 7);
	assert_int_equal(conf_event_args(e), 7);
	assert_int_equal(e->nroles, 2);
	assert_string_equal(e->roles[1], "b");
	e++;
	assert_int_equal(e->to, CONF_TO_USER);
	assert_string_equal(e->field, "receiverId");
	assert_ptr_equal(e->as_json, e->name_json);
	assert_null(e->confirm_json);
	assert_true(e->member && e->meta && !e->self && !e->is_volatile);
	assert_int_equal(e->ack, CONF_ACK_ACCEPTED);
	assert_int_equal(e->args, 0);
	assert_int_equal(conf_event_args(e), 1);
	assert_int_equal(conf_event_args(&e[3]), 0);	/* nowhere */
	assert_int_equal(e[1].to, CONF_TO_NAMESPACE);
	assert_int_equal(e[2].to, CONF_TO_SENDER);
	assert_int_equal(e[3].to, CONF_TO_NOWHERE);
	assert_string_equal(e[3].error, "no such event");
	assert_null(e[3].as_json);
	assert_ptr_equal(conf->namespaces[0].fallback, &e[3]);
	conf_free(&conf);
}

static void
checks_have_type_and_range(void **state)
{
	struct conf *conf = conf_text(NS("event m { check = {'a: string 1..40',"
	    "'b?: integer 0..', 'c :number  ..-1.5e3', 'd:any', 'e: array 2..2'"
	    ", 'f: object', 'g: boolean', 'h?: string|null 1..9'} }"));
	const struct conf_event *e = conf->namespaces[0].events;
	const struct conf_schema_member *m = e->checked->members;

	(void)state;
	assert_int_equal(e->nchecks, 8);
	assert_string_equal(m[0].name, "a");
	assert_int_equal(m[0].schema->types, CONF_IS_STRING);
	assert_true(m[0].required);
	assert_int_equal(m[0].schema->min_chars, 1);
	assert_int_equal(m[0].schema->max_chars, 40);
	assert_string_equal(m[1].name, "b");
	assert_false(m[1].required);
	assert_true(m[1].schema->has_min && !m[1].schema->has_max);
	assert_int_equal(m[1].schema->types, CONF_IS_INTEGER);
	assert_string_equal(m[2].name, "c");
	assert_true(!m[2].schema->has_min && m[2].schema->has_max &&
	    m[2].schema->max == -1500);
	assert_int_equal(m[3].schema->types, CONF_IS_ANY);
	assert_int_equal(m[4].schema->types, CONF_IS_ARRAY);
	assert_int_equal(m[4].schema->max_items, 2);
	assert_int_equal(m[5].schema->types, CONF_IS_OBJECT);
	assert_int_equal(m[6].schema->types, CONF_IS_BOOLEAN);
	assert_int_equal(m[7].schema->types, CONF_IS_STRING | CONF_IS_NULL);
	assert_false(m[7].required);
	conf_free(&conf);
}

/* The rule stands in line 2 and is refused with that message. */
static void
assert_refused(const char *rule, const char *message)
{
	char text[1024], want[512];

	snprintf(text, sizeof text, "namespace '/n' { auth = none\n%s\n}",
	    rule);
	snprintf(want, sizeof want, "t:2: %s\n", message);
	assert_conf_errors(text, want);
}

static void
the_rule_for_connect_is_kept_apart(void **state)
{
	struct conf *conf = conf_text(NS("event connect { to = sender "
	    "as = auth meta = off } event '*' { to = namespace }"));
	const struct conf_namespace *ns = &conf->namespaces[0];

	(void)state;
	assert_ptr_equal(ns->on_connect, &ns->events[0]);
	assert_null(conf_event_find(ns, SLICE("connect")));
	assert_null(conf_event_find(ns, SLICE("disconnect")));
	assert_ptr_equal(conf_event_find(ns, SLICE("connection")),
	    ns->fallback);
	conf_free(&conf);
}

static void
the_rule_for_connect_sends_to_nobody_else(void **state)
{
	static const char *const more[] = { "roles = {a}", "self = true",
		"volatile = true", "member = off", "confirm = c",
		"ack = echo", "max_bytes = 1KB", "check = {'a: any'}",
		"error = e" };
	char rule[128];
	size_t i;

	(void)state;
	assert_refused("event connect { to = namespace as = auth }",
	    "event \"connect\": without data only to = sender: an auth object, "
	    "with tokens in it, is for nobody else");
	assert_refused("event connect { to = room:r as = auth }",
	    "event \"connect\": without data only to = sender: an auth object, "
	    "with tokens in it, is for nobody else");
	assert_refused("event connect { to = sender }",
	    "event \"connect\": it needs as: clients may not be sent "
	    "an event of this name");
	for (i = 0; i < nitems(more); i++) {
		snprintf(rule, sizeof rule,
		    "event connect { to = sender as = auth %s }", more[i]);
		assert_refused(rule, "event \"connect\": nobody sends it: it "
		    "takes to, as, meta, meta_sid, data, set and then, and "
		    "nothing else");
	}
	assert_refused("event connect {} event connect {}",
	    "event \"connect\": is there already (line 2)");
	assert_refused("event m { as = connect }", "event \"m\": as = "
	    "connect: the name is reserved by Socket.IO");
}

static void
rules_that_make_no_sense_are_refused(void **state)
{
	(void)state;
	assert_conf_errors("namespace '/n' { auth = none events = {joined} }",
	    "t:1: namespace \"/n\": events needs a hook, or a redis "
	    "section: back ends get them there\n");
	assert_refused("room '*' {}", "room \"*\": there are no wild cards: "
	    "use a {parameter}");
	assert_refused("room '' {}", "room \"\": the name is empty");
	assert_refused("room 'a{' { join = claim:x }",
	    "room \"a{\": \"{\" without \"}\"");
	assert_refused("room a { join = claim:x }", "room \"a\": join = "
	    "claim:x: the room's name has no {parameter} to look up");
	assert_refused("room 'a{x}' { join = 'self:x,y' }", "room \"a{x}\": "
	    "join = self:x,y: not all of them are {parameters} of the room's "
	    "name");
	assert_refused("room 'a{x}' { join = 'self:' }", "room \"a{x}\": "
	    "join = self:: must be one of open | claim:NAME | "
	    "self:PARAMETER,... | ask | server");
	assert_refused("room a { join = ask }", "room \"a\": join = ask needs a "
	    "hook in the namespace");
	assert_conf_errors("namespace '/n' { auth = none ask = true }",
	    "t:1: namespace \"/n\": ask needs a hook in the namespace\n");
	assert_refused("room 'a{x}' {} room 'a{y}' {}",
	    "room \"a{y}\": is there already (line 2)");
	assert_refused("event m { to = room }", "event \"m\": to = room: needs "
	    "the member of the first argument that names it: room:FIELD");
	assert_refused("event m { to = back }", "event \"m\": to = back:"
	    " must be one of room:FIELD | user:FIELD | joined | namespace | "
	    "sender | backend | nowhere");
	assert_refused("event m { to = backend }", "event \"m\": to = backend "
	    "needs a hook in the namespace, or a redis section: back ends get "
	    "it there");
	assert_refused("event m { to = namespace forward = true }",
	    "event \"m\": forward = true needs a hook in the namespace, or a "
	    "redis section: back ends get it there");
	assert_refused("event m { ask = true }", "event \"m\": ask needs a hook "
	    "in the namespace");
	assert_refused("event m { ack = backend }", "event \"m\": ack = backend "
	    "needs ask, or to = backend: the answer has it");
	assert_refused("event m { to = sender:x }", "event \"m\": to = "
	    "sender:x: must be one of room:FIELD | user:FIELD | joined | "
	    "namespace | sender | backend | nowhere");
	assert_refused("event m {} event m {}",
	    "event \"m\": is there already (line 2)");
	assert_refused("event 'm*' {}", "event \"m*\": \"*\" stands alone: "
	    "there are no patterns of events");
	assert_refused("event m { to = sender error = x }",
	    "event \"m\": error needs to = nowhere");
	assert_refused("event m { self = true }",
	    "event \"m\": self needs a receiver: to = ...");
}

static void
reserved_names_are_refused(void **state)
{
	static const char *const socketio[] = { "connect", "connect_error",
		"disconnect", "disconnecting", "newListener",
		"removeListener" };
	static const char *const server[] = { "room:join", "presence:set",
		"history:get", "notification:x", "doc:", "auth:refresh",
		"roost:ping" };
	static const char *const allowed[] = { "message", "connection", "room",
		"error", "*", "rooms:x", "Connect" };
	char name[258];

	(void)state;
	for (size_t i = 0; i < nitems(socketio); i++)
		assert_string_equal(conf_event_name_bad(socketio[i]),
		    "the name is reserved by Socket.IO");
	for (size_t i = 0; i < nitems(server); i++)
		assert_string_equal(conf_event_name_bad(server[i]),
		    "the name is reserved to the server");
	for (size_t i = 0; i < nitems(allowed); i++)
		assert_null(conf_event_name_bad(allowed[i]));
	memset(name, 'n', sizeof name - 1);
	name[256] = '\0';
	assert_null(conf_event_name_bad(name));
	name[256] = 'n';
	name[257] = '\0';
	assert_string_equal(conf_event_name_bad(name),
	    "the name is longer than 256 bytes");
	assert_string_equal(conf_event_name_bad("a\nb"),
	    "the name has a control character");
	assert_string_equal(conf_event_name_bad("\x7f"),
	    "the name has a control character");
	assert_refused("event m { to = sender as = 'presence:update' }",
	    "event \"m\": as = presence:update: the name is reserved to the "
	    "server");
	assert_refused("event m { confirm = '*' }",
	    "event \"m\": confirm = *: \"*\" is not a name");
}

static void
checks_that_make_no_sense_are_refused(void **state)
{
	static const char *const rows[] = { "", "a", ":", "?: string",
		"a: strin", "a:", "a: string 5", "a: string 2..1",
		"a: string x..", "a: string 1..0x10", "a: string 1...2",
		"a: any 1..2", "a: boolean 1..", "a: number 1..inf",
		"a: number +1..", "a: string 1..2 3",
		"a: null", "a: |null", "a: string|nul", "a: string|null|null",
		"a: null|string", "a..b: any", ".a: any", "a.: any",
		"a[: any", "a[]b: any", "[]: any", "a: one of", "a: one of |",
		"a: string ..1.5", "a: string -1..", "a: string 1..2 3..4",
		"a: string format x", "a: string pattern", "a: string pattern (",
		"a: integer format date", "a: string closed", "closed 1",
		"a.b.c.d.e.f.g.h: any" };
	char text[128];
	struct conf_source src = { .file = "t", .env = conf_text_env };
	struct conf_errors errors;

	(void)state;
	for (size_t i = 0; i < nitems(rows); i++) {
		snprintf(text, sizeof text, NS("event m { check = '%s' }"),
		    rows[i]);
		src.text = slice_str(text);
		conf_errors_init(&errors);
		assert_row(conf_parse(&src, &errors) == NULL,
		    slice_str(rows[i]));
		assert_int_equal(errors.count, 1);
		conf_errors_fini(&errors);
	}
	assert_refused("event m { check = {'a: any', 'a?: any'} }",
	    "event \"m\": check = a?: any: the field is checked twice");
}

static void
what_the_server_writes_is_understood(void **state)
{
	struct conf *conf = conf_text(NS("room 'r:{x}' { join = claim:rooms }"
	    "event m { data = {'{\"a\": [1]}', 2, '\"x\"'} set = {'by: user',"
	    "'a b :sid', 'n: claim:user.name', 'k: {\"q\":1}', 't: text:a\"b',"
	    "'r: claim:rooms'} }"
	    "event n { to = room:k set = 'k: text:lobby' }"));
	const struct conf_event *e = conf->namespaces[0].events;
	const struct conf_member *m = e->members;

	(void)state;
	assert_int_equal(e->ndata, 3);
	assert_string_equal(e->data_args, "{\"a\": [1]},2,\"x\"");
	assert_int_equal(conf_event_args(e), 0);
	assert_int_equal(e->nmembers, 6);
	assert_int_equal(m[0].from, CONF_FROM_USER);
	assert_string_equal(m[1].key, "\"a b\"");
	assert_int_equal(m[1].from, CONF_FROM_SID);
	assert_int_equal(m[2].from, CONF_FROM_CLAIM);
	assert_string_equal(m[2].text, "user.name");
	assert_int_equal(m[3].from, CONF_FROM_JSON);
	assert_string_equal(m[3].text, "{\"q\":1}");
	assert_string_equal(m[4].text, "\"a\\\"b\"");
	assert_true(e->writes && !e->writes_field);
	assert_true(e[1].writes && e[1].writes_field);
	assert_int_equal(conf->claims.n, 2);
	conf_free(&conf);
}

static void
what_the_server_cannot_write_is_refused(void **state)
{
	char many[512] = "event m { data = {1", list[512] =
	    "event m { set = {'a: 1'", one[24];
	int i;

	(void)state;
	assert_refused("event m { data = x }", "event \"m\": data = x: is no "
	    "JSON (a string has quotes of its own: \"\\\"text\\\"\")");
	assert_refused("event m { data = {'{}', '1,2'} }", "event \"m\": data "
	    "= 1,2: is no JSON (a string has quotes of its own: "
	    "\"\\\"text\\\"\")");
	assert_refused("event m { data = 1 set = 'a: user' }", "event \"m\": "
	    "set writes members, and the first of data is no object");
	assert_refused("event m { set = a }", "event \"m\": set = a: must be "
	    "\"MEMBER: SOURCE\"");
	assert_refused("event m { set = ': user' }", "event \"m\": set = : "
	    "user: the member has no name");
	assert_refused("event m { set = {'a: users'} }", "event \"m\": set = "
	    "a: users: the source must be one of claim:NAME, query:NAME, "
	    "header:NAME, user, sid, address, text:WORDS or JSON");
	assert_refused("event m { set = {'a: user', 'a: sid'} }", "event \"m\":"
	    " set = a: sid: the member is written twice");
	for (i = 0; i < 16; i++)
		(void)strlcat(many, ", 1", sizeof many);
	(void)strlcat(many, "} }", sizeof many);
	assert_refused(many, "event \"m\": data = 1: more than 16 arguments");
	for (i = 0; i < 32; i++) {
		(void)snprintf(one, sizeof one, ", 'm%d: 1'", i);
		(void)strlcat(list, one, sizeof list);
	}
	(void)strlcat(list, "} }", sizeof list);
	assert_refused(list, "event \"m\": set = a: 1: more than 32 members");
}

static void
what_is_kept_of_handshakes_is_what_rules_may_see(void **state)
{
	struct conf *conf = conf_text("namespace '/a' { auth = none keep_query "
	    "= {a, b} keep_headers = {X-A} event m { set = {'a: query:a', "
	    "'h: header:x-A'} } } namespace '/b' { auth = none "
	    "keep_query = {b, c} event m { then n { to = sender set = "
	    "'i: address' } } }");
	const struct conf_event *e = conf->namespaces[0].events;

	(void)state;
	assert_int_equal(conf->query.n, 3);
	assert_int_equal(conf->headers.n, 1);
	assert_string_equal(conf->headers.v[0], "x-a");
	assert_string_equal(e->members[1].text, "x-a");
	assert_true(conf->keeps_address && conf->keeps_handshakes);
	conf_free(&conf);
	conf = conf_text(NS(""));
	assert_false(conf->keeps_handshakes);
	conf_free(&conf);
	assert_refused("event m { set = 'a: query:a' }", "event \"m\": set has "
	    "query:NAME, which is not in keep_query of the namespace");
	assert_refused("event m { then n { to = sender set = 'a: header:a' } }",
	    "then \"n\": set has header:NAME, which is not in keep_headers of "
	    "the namespace");
	assert_refused("keep_headers = {a, Cookie}", "namespace \"/n\": "
	    "keep_headers = Cookie: holds secrets that are for nobody else");
	assert_refused("keep_headers = 'a b'", "namespace \"/n\": keep_headers "
	    "= a b: has a character that names in HTTP do not have");
	assert_conf_errors("jwt { query = token secret = '"
	    "0123456789abcdef0123456789abcdef' }\n"
	    "namespace '/n' { keep_query = token }",
	    "t:2: namespace \"/n\": keep_query has the parameter that tokens "
	    "come in (jwt: query)\n");
}

static void
what_an_event_causes_besides_is_understood(void **state)
{
	struct conf *conf = conf_text(NS("event m { to = joined "
	    "then a { to = sender data = 1 } then b { to = user:u "
	    "  as = a meta = off set = 'k: claim:c' } }"
	    "event n { then a { to = namespace } }"
	    "event o { then a { to = namespace meta = off } }"
	    "event p { args = 3 then a { to = namespace data = 1 }"
	    "  then b { to = namespace } }"));
	const struct conf_event *e = conf->namespaces[0].events;

	(void)state;
	assert_int_equal(e->to, CONF_TO_JOINED);
	assert_int_equal(e->nthen, 2);
	assert_string_equal(e->then[0].as_json, "\"a\"");
	assert_string_equal(e->then[1].as_json, "\"a\"");
	assert_string_equal(e->then[1].field, "u");
	assert_int_equal(e->then[1].offline, CONF_OFFLINE_DROP);
	assert_int_equal(conf->claims.n, 1);
	/* where meta is, no client can write */
	assert_int_equal(conf_event_args(e), 1);
	assert_int_equal(conf_event_args(&e->then[0]), 0);
	assert_int_equal(conf_event_args(&e->then[1]), 1);
	assert_int_equal(conf_event_args(&e[1]), 1);
	assert_int_equal(conf_event_args(&e[2]), 0);
	assert_int_equal(conf_event_args(&e[3]), 3);
	assert_int_equal(conf_event_args(&e[3].then[0]), 0);
	assert_int_equal(conf_event_args(&e[3].then[1]), 3);
	conf_free(&conf);
}

static void
what_an_event_cannot_cause_is_refused(void **state)
{
	(void)state;
	assert_refused("event m { then a {} }", "then \"a\" needs to");
	assert_refused("event m { then a { to = sender } then a { to = sender "
	    "} }", "then \"a\": is there already (line 2)");
	assert_refused("event m { then '*' { to = sender } }", "then \"*\": "
	    "\"*\" is not a name");
	assert_refused("event m { then connect { to = sender } }",
	    "then \"connect\": the name is reserved by Socket.IO");
	assert_refused("event m { then a { to = backend } }", "then \"a\": to "
	    "= backend needs a hook in the namespace, or a redis section: back "
	    "ends get it there");
	assert_refused("event m { error = no then a { to = sender } }",
	    "event \"m\": then and error contradict");
	assert_refused("event m { then a { to = sender meta = off meta_sid = on"
	    " } }", "then \"a\": meta_sid needs meta");
	assert_refused("event connect { then a { to = namespace } }",
	    "then \"a\": without data only to = sender: an auth object, "
	    "with tokens in it, is for nobody else");
	assert_refused("event m { then a { to = sender ack = echo } }",
	    "unknown directive ack in then, it belongs in event");
	assert_refused("event m { then 1 { to = sender } then 2 { to = sender }"
	    "then 3 { to = sender } then 4 { to = sender } then 5 { to = sender"
	    "} then 6 { to = sender } then 7 { to = sender } then 8 { to = "
	    "sender } then 9 { to = sender } }", "then \"9\": an event causes 8 "
	    "more at most");
}

static void
namespaces_have_sane_names(void **state)
{
	static const char *const bad[] = { "", "chat", "/a,b", "/a?b", "/a b",
		"/{a}", "/*", "/a\n" };

	(void)state;
	for (size_t i = 0; i < nitems(bad); i++)
		assert_row(conf_namespace_name_bad(bad[i]) != NULL,
		    slice_str(bad[i]));
	assert_null(conf_namespace_name_bad("/"));
	assert_null(conf_namespace_name_bad("/chat/caf\xc3\xa9"));
	assert_conf_errors("namespace '/a' { auth = none }\n"
	    "namespace '/b' { auth = none }\nnamespace '/a' { auth = none }",
	    "t:3: namespace \"/a\": is there already (line 1)\n");
}

static void
routes_lead_to_a_namespace_and_fill_in_a_room(void **state)
{
	struct conf *conf = conf_text("route '/ws/{a}/{b}' { namespace = '/n'"
	    " join = '{b}{a}:x' format = bare roles = {admin} }"
	    "namespace '/n' { auth = none }");
	const struct conf_route *r = conf->routes;

	(void)state;
	assert_ptr_equal(r->ns, &conf->namespaces[0]);
	assert_int_equal(r->njoin, 3);
	assert_true(r->join[0].param && r->join[1].param && !r->join[2].param);
	assert_string_equal(r->join[0].text, "b");
	assert_string_equal(r->join[2].text, ":x");
	assert_int_equal(r->format, CONF_FORMAT_BARE);
	assert_int_equal(r->nroles, 1);
	conf_free(&conf);
	assert_conf_errors("route '/a/{x}' { namespace = '/no' join = '{y}' }\n"
	    "route '/b' {}\nroute x { namespace = '/n' }\n"
	    "route '/metrics' { namespace = '/n' }\n"
	    "route '/socket.io/x' { namespace = '/n' }\n"
	    "namespace '/n' { auth = none }\n"
	    "route '/a/{z}' { namespace = n }\n",
	    "t:1: route \"/a/{x}\": join = {y}: the path has no parameter {y}\n"
	    "t:1: route \"/a/{x}\": namespace = /no: there is no such "
	    "namespace\n"
	    "t:2: route \"/b\" needs namespace\n"
	    "t:3: route \"x\": a path starts with \"/\", and goes on\n"
	    "t:4: route \"/metrics\": the path is one of roostd's own\n"
	    "t:5: route \"/socket.io/x\": the path is socketio's\n"
	    "t:7: route \"/a/{z}\": is there already (line 1)\n"
	    "t:7: route \"/a/{z}\": namespace = n: there is no such namespace "
	    "(its name starts with \"/\")\n");
}

static void
a_route_of_documents_needs_a_room_that_is_one(void **state)
{
	struct conf *conf = conf_text("namespace '/n' { auth = none"
	    " room 'd:{x*}' { history = 100 yjs = true } }"
	    "route '/d/{x*}' { namespace = '/n' join = 'd:{x}' format = yjs"
	    " writers = {editor} compact = 50 }");
	const struct conf_route *r = conf->routes;

	(void)state;
	assert_int_equal(r->format, CONF_FORMAT_YJS);
	assert_int_equal(r->nwriters, 1);
	assert_int_equal(r->compact, 50);
	assert_true(r->path.pieces[1].rest && r->ns->rooms[0].document);
	assert_true(r->ns->documents);
	conf_free(&conf);
	assert_conf_errors("namespace '/n' { auth = none\n"
	    " room 'k:{x}' { history = 100 }\n"
	    " room 'a:{x}' { history = 100 keep = 1h yjs = true }\n"
	    " room 'b:{x}' { yjs = true }\n"
	    " room 'd:{x}' { history = 100 yjs = true } }\n"
	    "route '/1/{x}' { namespace = '/n' format = yjs }\n"
	    "route '/2/{x}' { namespace = '/n' join = 'k:{x}' format = yjs }\n"
	    "route '/3/{x}' { namespace = '/n' join = 'd:{x}' format = yjs"
	    " compact = 51 }\n"
	    "route '/4/*' { namespace = '/n' }\n",
	    "t:3: room \"a:{x}\": a document needs a history, and keep = 0s: "
	    "nothing of it is dropped, by age neither\n"
	    "t:4: room \"b:{x}\": a document needs a history, and keep = 0s: "
	    "nothing of it is dropped, by age neither\n"
	    "t:6: route \"/1/{x}\": format = yjs needs join, and for that a "
	    "room of the namespace with yjs = true\n"
	    "t:7: route \"/2/{x}\": format = yjs needs join, and for that a "
	    "room of the namespace with yjs = true\n"
	    "t:8: route \"/3/{x}\": compact is more than half of the room's "
	    "history\n"
	    "t:9: route \"/4/*\": the path has blanks or one of ?#*\n");
}

static void
rooms_of_every_session_are_named(void **state)
{
	struct conf *conf = conf_text("jwt { secret = '0123456789abcdef"
	    "0123456789abcdef' } namespace '/n' {"
	    " auth = optional join = {all, 'own:{user}'} }");
	const struct conf_namespace *ns = &conf->namespaces[0];

	(void)state;
	assert_int_equal(ns->njoins, 2);
	assert_int_equal(ns->joins[0].nparams, 0);
	assert_int_equal(ns->joins[1].nparams, 1);
	conf_free(&conf);
	assert_conf_errors("limits { rooms_per_session = 1 }\n"
	    "namespace '/a' { auth = none join = {a, b} }\n"
	    "namespace '/b' { auth = none join = {'{x}'} }\n"
	    "namespace '/c' { auth = none join = {'{user}'} }\n"
	    "namespace '/d' { auth = none join = {a, a} }\n",
	    "t:2: namespace \"/a\": join names more rooms than limits { "
	    "rooms_per_session } lets a client be in\n"
	    "t:3: namespace \"/b\": join = {x}: only {user} can stand in it\n"
	    "t:4: namespace \"/c\": nobody is a {user} for join with "
	    "auth = none\n"
	    "t:5: namespace \"/d\": join = a: is there twice\n");
}

static void
rates_are_counted_by_whom_they_say(void **state)
{
	struct conf *conf = conf_text("rate connects { allow = 30/10s }"
	    "rate messages { per = user allow = 200/1m burst = 40 }"
	    "rate typing { per = connection allow = 1k/1m30s strikes = 3 }"
	    "namespace '/n' { auth = none event e { rate = typing }"
	    " event f {} }");

	(void)state;
	assert_int_equal(conf->nrates, 3);
	assert_ptr_equal(conf->rate_connects, &conf->rates[0]);
	assert_int_equal(conf->rates[0].per, CONF_PER_ADDRESS);
	assert_int_equal(conf->rates[0].burst, 30);
	assert_ptr_equal(conf->rate_messages, &conf->rates[1]);
	assert_int_equal(conf->rates[1].burst, 40);
	assert_null(conf->rate_auth_failures);
	assert_int_equal(conf->rates[2].index, 2);
	assert_int_equal(conf->rates[2].per, CONF_PER_CONNECTION);
	assert_int_equal(conf->rates[2].allow, 1000);
	assert_int_equal(conf->rates[2].period_ms, 90000);
	assert_int_equal(conf->rates[2].strikes, 3);
	assert_ptr_equal(conf->namespaces[0].events[0].rate, &conf->rates[2]);
	assert_null(conf->namespaces[0].events[1].rate);
	conf_free(&conf);
}

static void
rates_that_no_bucket_can_hold_are_refused(void **state)
{
	struct conf *conf;

	(void)state;
	assert_conf_errors("rate a { allow = 200 }\nrate b { allow = /1m }\n"
	    "rate c { allow = 0/1m }\nrate d { allow = 1/31d }\n"
	    "rate e { allow = 251/1ms }\nrate f { allow = 1/30d burst = 4 }\n"
	    "rate g {}\nrate '' { allow = 1/1s }\nrate g { allow = 1/1s }\n"
	    "rate h { allow = 5000M/1d }",
	    "t:1: rate \"a\": allow = 200: must be COUNT/DURATION, like "
	    "200/1m\n"
	    "t:2: rate \"b\": allow = /1m: must be COUNT/DURATION, like "
	    "200/1m\n"
	    "t:3: rate \"c\": allow = 0/1m: needs a count of 1 or more, and a "
	    "time of up to 30d\n"
	    "t:4: rate \"d\": allow = 1/31d: needs a count of 1 or more, and a "
	    "time of up to 30d\n"
	    "t:5: rate \"e\": more than one in 4 microseconds\n"
	    "t:6: rate \"f\": the burst takes more than 101 days to earn\n"
	    "t:7: rate \"g\" needs allow\n"
	    "t:8: rate \"\": the name is empty\n"
	    "t:9: rate \"g\": is there already (line 7)\n"
	    "t:10: rate \"h\": allow = 5000M/1d: needs a count of 1 or more, "
	    "and a time of up to 30d\n");
	/* the last that do fit */
	conf = conf_text("rate e { allow = 250/1ms }"
	    "rate f { allow = 1/30d burst = 3 }");
	conf_free(&conf);
}

static void
rates_are_referred_to_by_name(void **state)
{
	(void)state;
	assert_conf_errors("rate x { allow = 1/1s }\n"
	    "rate connects { per = user allow = 1/1s }\n"
	    "rate auth_failures { allow = 1/1s strikes = 1 }\n"
	    "namespace '/n' { auth = none\nevent a { rate = y }\n"
	    "event b { rate = messages }\nevent c { rate = x } }",
	    "t:2: rate \"connects\": must be per = address\n"
	    "t:3: rate \"auth_failures\": strikes are for events\n"
	    "t:5: event \"a\": rate = y: there is no such rate\n"
	    "t:6: event \"b\": rate = messages: this rate applies by "
	    "itself\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(join_rules_are_understood),
		cmocka_unit_test(
		    a_route_of_documents_needs_a_room_that_is_one),
		cmocka_unit_test(rooms_of_every_session_are_named),
		cmocka_unit_test(a_hook_is_asked_where_rules_say_so),
		cmocka_unit_test(event_rules_are_understood),
		cmocka_unit_test(checks_have_type_and_range),
		cmocka_unit_test(the_rule_for_connect_is_kept_apart),
		cmocka_unit_test(the_rule_for_connect_sends_to_nobody_else),
		cmocka_unit_test(rules_that_make_no_sense_are_refused),
		cmocka_unit_test(reserved_names_are_refused),
		cmocka_unit_test(checks_that_make_no_sense_are_refused),
		cmocka_unit_test(what_the_server_writes_is_understood),
		cmocka_unit_test(what_the_server_cannot_write_is_refused),
		cmocka_unit_test(what_is_kept_of_handshakes_is_what_rules_may_see),
		cmocka_unit_test(what_an_event_causes_besides_is_understood),
		cmocka_unit_test(what_an_event_cannot_cause_is_refused),
		cmocka_unit_test(namespaces_have_sane_names),
		cmocka_unit_test(
		    routes_lead_to_a_namespace_and_fill_in_a_room),
		cmocka_unit_test(rates_are_counted_by_whom_they_say),
		cmocka_unit_test(rates_that_no_bucket_can_hold_are_refused),
		cmocka_unit_test(rates_are_referred_to_by_name),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
