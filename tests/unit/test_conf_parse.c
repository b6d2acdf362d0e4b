/* The whole: defaults, ranges, sections, -o, the environment's variables. */
#include "conf/value/value.h"

#include "conf/read/line.h"
#include "tests/lib/conf_text.h"

#define HEX16	"0123456789abcdef"
#define HEX64	HEX16 HEX16 HEX16 HEX16

static void
an_empty_file_has_all_the_defaults(void **state)
{
	struct conf *conf = conf_text("");

	(void)state;
	assert_int_equal(conf->workers, 0);
	assert_string_equal(conf->user, "");
	assert_string_equal(conf->log_level, "info");
	assert_int_equal(conf->stop_time_ms, 5000);
	assert_int_equal(conf->drain_time_ms, 30000);
	assert_int_equal(conf->nlistens, 1);
	assert_string_equal(conf->listens[0].text, "127.0.0.1:8080");
	assert_int_equal(conf->listens[0].addrs[0].sa.ss_family, AF_INET);
	assert_int_equal(conf->listens[0].mode, 0660);
	assert_false(conf->listens[0].tls);
	assert_int_equal(conf->norigins, 0);
	assert_int_equal(conf->limit_connections, 1000000);
	assert_int_equal(conf->limit_per_address, 0);
	assert_int_equal(conf->limit_per_user, 0);
	assert_int_equal(conf->message_bytes, 1000000);
	assert_null(conf->rate_messages);
	assert_null(conf->rate_connects);
	assert_null(conf->rate_auth_failures);
	assert_int_equal(conf->send_queue_bytes, 1000000);
	assert_int_equal(conf->bus_queue_bytes, 16000000);
	assert_int_equal(conf->handshake_timeout_ms, 10000);
	assert_int_equal(conf->keepalive_timeout_ms, 75000);
	assert_int_equal(conf->slow_consumer_timeout_ms, 10000);
	assert_int_equal(conf->close_timeout_ms, 5000);
	assert_int_equal(conf->fragments, 16384);
	assert_int_equal(conf->rooms_per_session, 100);
	assert_int_equal(conf->namespaces_per_connection, 16);
	assert_int_equal(conf->ping_interval_ms, 25000);
	assert_int_equal(conf->ping_timeout_ms, 20000);
	assert_int_equal(conf->connect_timeout_ms, 45000);
	assert_string_equal(conf->socketio_path, "/socket.io");
	assert_false(conf->jwt.enabled);
	assert_string_equal(conf->jwt.user_claim, "sub");
	assert_string_equal(conf->jwt.roles_claim, "roles");
	assert_string_equal(conf->jwt.query, "token");
	assert_int_equal(conf->jwt.leeway_ms, 5000);
	assert_int_equal(conf->auth_warning_ms, 60000);
	assert_int_equal(conf->shm_users, 100000);
	assert_int_equal(conf->shm_rooms, 65536);
	assert_int_equal(conf->nnamespaces, 0);
	assert_int_equal(conf->leave_grace_ms, 5000);
	conf_free(&conf);
	assert_null(conf);
}

static void
presence_is_chosen_for_each_namespace(void **state)
{
	struct conf *conf = conf_text("presence { leave_grace = 0 }\n"
	    "namespace '/a' { auth = none }\n"
	    "namespace '/b' { auth = none presence = rooms idle_after = 5m }\n"
	    "namespace '/c' { auth = none presence = namespace }");

	(void)state;
	assert_int_equal(conf->leave_grace_ms, 0);
	assert_int_equal(conf->namespaces[0].presence, CONF_PRESENCE_OFF);
	assert_int_equal(conf->namespaces[0].idle_after_ms, 0);
	assert_int_equal(conf->namespaces[1].presence, CONF_PRESENCE_ROOMS);
	assert_int_equal(conf->namespaces[1].idle_after_ms, 300000);
	assert_int_equal(conf->namespaces[2].presence,
	    CONF_PRESENCE_NAMESPACE);
	conf_free(&conf);
	assert_conf_errors("presence { leave_grace = 11m }\n"
	    "namespace '/a' { auth = none presence = all idle_after = 25h }",
	    "t:1: presence: leave_grace = 11m: out of range 0s..10m\n"
	    "t:2: namespace \"/a\": idle_after = 25h: out of range 0s..1d\n"
	    "t:2: namespace \"/a\": presence = all: must be one of off | query |"
	    " rooms | namespace\n");
}

static void
whom_a_client_may_see_is_said_once(void **state)
{
	struct conf *conf = conf_text("presence { interval = 2s }\n"
	    "namespace '/a' { auth = none presence = query }\n"
	    "namespace '/b' { auth = none presence = rooms presence_of = rooms\n"
	    " presence_watch = 7 }\n"
	    "namespace '/c' { auth = none presence = query presence_of = claim\n"
	    " presence_claim = friends }");

	(void)state;
	assert_int_equal(conf->status_interval_ms, 2000);
	assert_int_equal(conf->namespaces[0].sees, CONF_SEES_EVERYBODY);
	assert_int_equal(conf->namespaces[0].watches, 1000);
	assert_int_equal(conf->namespaces[1].sees, CONF_SEES_ROOMS);
	assert_int_equal(conf->namespaces[1].watches, 7);
	assert_int_equal(conf->namespaces[2].sees, CONF_SEES_CLAIM);
	/* which is one of those that are kept of a token */
	assert_int_equal(conf->claims.n, 1);
	assert_string_equal(conf->claims.v[0], "friends");
	conf_free(&conf);
	assert_conf_errors("namespace '/a' { auth = none presence_of = claim }\n"
	    "namespace '/b' { auth = none presence_claim = friends }\n"
	    "namespace '/c' { auth = none presence = query presence_of = rooms }",
	    "t:1: namespace \"/a\": presence_of = claim needs "
	    "presence_claim\n"
	    "t:2: namespace \"/b\": presence_claim needs presence_of = "
	    "claim\n"
	    "t:3: namespace \"/c\": presence_of = rooms needs presence = "
	    "rooms, or namespace: else it is not known who is in which "
	    "room\n");
}

static void
sections_fill_their_structs(void **state)
{
	struct conf *conf = conf_text(
	    "workers = 3\nlisten '*:0' {}\nlisten '*:0' {}\n"
	    "listen 'unix:/s' { mode = 0600 }\n"
	    "listen '[::1]:1' { tls = true certificate = c key = k }\n"
	    "jwt { key a { file = x.pem } key b { file = y.pem } }\n"
	    "api { key web { sha256 = '" HEX64 "' allow = {publish} } }\n"
	    "socketio { path = '/io/' }\n"
	    "namespace '/n' { roles = {x, y} }");

	(void)state;
	assert_int_equal(conf->workers, 3);
	assert_int_equal(conf->nlistens, 4);
	assert_int_equal(conf->listens[2].mode, 0600);
	assert_true(conf->listens[3].tls);
	assert_string_equal(conf->listens[3].key, "k");
	assert_int_equal(conf->listens[3].line, 5);
	assert_true(conf->jwt.enabled);
	assert_int_equal(conf->jwt.nkeys, 2);
	assert_string_equal(conf->jwt.keys[1].kid, "b");
	assert_string_equal(conf->jwt.keys[1].file, "y.pem");
	assert_int_equal(conf->jwt.algorithms, 0x1ff8);
	assert_int_equal(conf->napi_keys, 1);
	assert_string_equal(conf->api_keys[0].name, "web");
	assert_int_equal(conf->api_keys[0].sha256[31], 0xef);
	assert_int_equal(conf->api_keys[0].allow, CONF_API_PUBLISH);
	assert_string_equal(conf->socketio_path, "/io");
	assert_int_equal(conf->namespaces[0].auth, CONF_AUTH_REQUIRED);
	assert_string_equal(conf->namespaces[0].roles[1], "y");
	conf_free(&conf);
}

static void
algorithms_are_those_of_the_keys(void **state)
{
	struct conf *conf = conf_text("jwt { secret = '${SECRET}" HEX64 "' }");

	(void)state;
	assert_int_equal(conf->jwt.algorithms, 7);
	conf_free(&conf);
	conf = conf_text("jwt { jwks_file = j algorithms = {HS512, EdDSA} }");
	assert_int_equal(conf->jwt.algorithms, 4 | 4096);
	conf_free(&conf);
	assert_conf_errors("jwt { secret = \"${SECRET}\"\n"
	    "algorithms = {HS256, RS256} }", "t:2: jwt: algorithms has RS, PS,"
	    " ES or EdDSA, but there is no public key\n");
	assert_conf_errors("jwt { key a { file = f }\nalgorithms = HS256 }",
	    "t:2: jwt: algorithms has HS, but there is no secret\n");
	assert_conf_errors("jwt { secret = short }",
	    "t:1: jwt: secret: has 5 bytes, needs 32 or more\n");
}

static void
values_out_of_range_name_the_range(void **state)
{
	(void)state;
	assert_conf_errors("workers = 65\nworkers_ = 1\n"
	    "log_level = loud\nstop_time = 11m\n"
	    "limits { message_bytes = 0B\n fragments = 2M\n"
	    " connections = many }\n"
	    "listen 'unix:/s' { mode = 1777 tls = maybe }",
	    "t:1: workers = 65: out of range 1..64\n"
	    "t:2: unknown directive workers_, did you mean workers?\n"
	    "t:3: log_level = loud: must be one of error | warn | info | "
	    "debug\n"
	    "t:4: stop_time = 11m: out of range 0s..10m\n"
	    "t:5: limits: message_bytes = 0B: out of range 1B..64MB\n"
	    "t:6: limits: fragments = 2M: out of range 1..1M\n"
	    "t:7: limits: connections = many: not a count (digits, with k or "
	    "M behind)\n"
	    "t:8: listen \"unix:/s\": mode = 1777: out of range 0000..0777\n"
	    "t:8: listen \"unix:/s\": tls = maybe: must be true or false\n");
}

static void
sections_that_contradict_are_refused(void **state)
{
	(void)state;
	assert_conf_errors("listen '127.0.0.1:1' { tls = true }\n"
	    "listen '0.0.0.0:2' { certificate = c }\n"
	    "listen '127.0.0.1:1' {}\nlisten 'localhost:1' {}\n"
	    "jwt { key a { file = f }\nkey a {} }\n"
	    "api { key a { sha256 = 12 allow = all }\nkey a {} }\n"
	    "socketio { path = '/' }\n",
	    "t:1: listen \"127.0.0.1:1\": tls needs a certificate\n"
	    "t:1: listen \"127.0.0.1:1\": tls needs a key\n"
	    "t:2: listen \"0.0.0.0:2\": certificate and key need tls = true\n"
	    "t:3: listen \"127.0.0.1:1\": is there already (line 1)\n"
	    "t:4: listen \"localhost:1\": is there already (line 1)\n"
	    "t:6: key \"a\" needs file\n"
	    "t:6: key \"a\": is there already (line 5)\n"
	    "t:7: key \"a\": allow = all: must be one of publish | "
	    "presence | disconnect | rooms | revoke | history | stats | hooks | "
	    "answers | inbox | documents\n"
	    "t:7: key \"a\": sha256 = 12: must have 64 hexadecimal digits, "
	    "as sha256sum prints\n"
	    "t:8: key \"a\" needs allow\n"
	    "t:8: key \"a\" needs sha256\n"
	    "t:8: key \"a\": is there already (line 7)\n"
	    "t:9: socketio: path = /: not a path like \"/socket.io\"\n");
	assert_conf_errors("cors { origins = {'http://a', a.b} }",
	    "t:1: cors: origins = a.b: not an origin: SCHEME://HOST or "
	    "SCHEME://HOST:PORT, file://, or null\n");
	assert_conf_errors("hosts = {'a.b:80', 'a b', '*', '*.', 'b\xc3\xbc', "
	    "'http://a'}",
	    "t:1: hosts = *.: not a host name (a \"*\" may only be its first "
	    "label)\n"
	    "t:1: hosts = *: not a host name (a \"*\" may only be its first "
	    "label)\n"
	    "t:1: hosts = a b: not a host name (a \"*\" may only be its first "
	    "label)\n"
	    "t:1: hosts = a.b:80: is a name alone, without a port\n"
	    "t:1: hosts = b\xc3\xbc: has letters beyond ASCII: write it as "
	    "browsers send it, its xn-- form\n"
	    "t:1: hosts = http://a: is a name alone, without a port\n");
	assert_conf_errors("api { key a { sha256 = '"
	    "0000000000000000000000000000000000000000000000000000000000000000"
	    "' allow = publish namespaces = {'/a', a, '/b'} } }\n"
	    "namespace '/a' { auth = none }",
	    "t:1: key \"a\": namespaces = /b: there is no such namespace\n"
	    "t:1: key \"a\": namespaces = a: there is no such namespace (its "
	    "name starts with \"/\")\n");
	assert_conf_errors("cors { exposed = {ok, \"x y\"} }",
	    "t:1: cors: exposed = x y: has a character that names in HTTP "
	    "do not have\n");
}

/* The kernel would choose between the two, or refuse the second. */
static void
an_address_beside_all_of_its_port_is_an_error(void **state)
{
	struct conf *conf;

	(void)state;
	assert_conf_errors("listen '*:8080' {}\nlisten '127.0.0.1:8080' {}\n"
	    "listen '[::1]:8080' {}\nlisten 'localhost:8080' {}\n",
	    "t:2: listen \"127.0.0.1:8080\": \"*:8080\" (line 1) is all "
	    "addresses of that port\n"
	    "t:3: listen \"[::1]:8080\": \"*:8080\" (line 1) is all "
	    "addresses of that port\n"
	    "t:4: listen \"localhost:8080\": \"*:8080\" (line 1) is all "
	    "addresses of that port\n"
	    "t:4: listen \"localhost:8080\": is there already (line 2)\n");
	assert_conf_errors("listen '[::1]:1' {}\nlisten '[::]:1' {}",
	    "t:2: listen \"[::]:1\": is all addresses of that port, "
	    "\"[::1]:1\" too (line 1)\n");
	/* what is no address is nobody's like */
	assert_conf_errors("listen nowhere {}\nlisten '127.0.0.1:1' {}",
	    "t:1: listen \"nowhere\": needs a port, 0 to 65535: "
	    "ADDRESS:PORT\n");
	conf = conf_text("listen '*:1' {} listen '127.0.0.1:2' {}\n"
	    "listen '*:0' {} listen '127.0.0.1:0' {} listen '*:00' {}\n"
	    "listen '*:00' {} listen '0.0.0.0:3' {} listen '[::1]:3' {}\n"
	    "listen 'unix:/a' {} listen 'unix:/b' {}");
	conf_free(&conf);
}

#define KEY "sha256 = '00000000000000000000000000000000000000000000000000"	\
	"00000000000000' allow = publish"

static void
a_key_for_no_namespace_is_an_error(void **state)
{
	struct conf *conf;

	(void)state;
	assert_conf_errors("api { key a { " KEY "\n namespaces = {} }\n"
	    "key b { " KEY " namespaces = {'/a', '*'} } }\n"
	    "namespace '/a' { auth = none }",
	    "t:2: key \"a\": namespaces: has no namespace: write \"*\" for "
	    "all, or leave it out\n"
	    "t:3: key \"b\": namespaces = *: is all of them, and stands "
	    "alone\n");
	conf = conf_text("namespace '/a' { auth = none }\n"
	    "namespace '/b' { auth = none }\n"
	    "api { key all { " KEY " namespaces = '*' } key too { " KEY " }\n"
	    "key b { " KEY " namespaces = {'/b'} } }");
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(conf_api_key_covers(&conf->api_keys[i],
		    &conf->namespaces[0]), i < 2);
		assert_true(conf_api_key_covers(&conf->api_keys[i],
		    &conf->namespaces[1]));
	}
	conf_free(&conf);
}

static void
events_of_a_key_are_names_or_their_beginnings(void **state)
{
	struct conf *conf;

	(void)state;
	assert_conf_errors("api { key a { " KEY "\n"
	    "events = {'a*b', '*:new', disconnect, ''} } }",
	    "t:2: key \"a\": events = *:new: a \"*\" may only be its last "
	    "character\n"
	    "t:2: key \"a\": events = : is empty\n"
	    "t:2: key \"a\": events = a*b: a \"*\" may only be its last "
	    "character\n"
	    "t:2: key \"a\": events = disconnect: the name is reserved by "
	    "Socket.IO\n");
	conf = conf_text("api { key a { " KEY " events = {'order:*', note} }\n"
	    "key b { " KEY " } }");
	assert_true(conf_api_key_sends(&conf->api_keys[0], SLICE("order:1")));
	assert_true(conf_api_key_sends(&conf->api_keys[0], SLICE("note")));
	assert_false(conf_api_key_sends(&conf->api_keys[0], SLICE("notes")));
	assert_true(conf_api_key_sends(&conf->api_keys[1], SLICE("notes")));
	conf_free(&conf);
}

static void
required_auth_needs_a_key(void **state)
{
	struct conf *conf;

	(void)state;
	assert_conf_errors("\nnamespace '/n' {}\n", "t:2: namespace \"/n\": "
	    "auth = required, but jwt has no secret, key or jwks_file\n");
	/* what is missing is the variable, and only that is told */
	assert_conf_errors("jwt { secret = \"${NONE}\" }\nnamespace '/n' {}\n",
	    "t:1: the environment does not set NONE "
	    "(${NONE:-DEFAULT} has a default)\n");
	conf = conf_text("namespace '/n' { auth = optional }");
	assert_int_equal(conf->namespaces[0].auth, CONF_AUTH_OPTIONAL);
	conf_free(&conf);
}

/* Parse text with n arguments of -o. */
static struct conf *
with_overrides(const char *text, const char *const *overrides, size_t n,
    struct conf_errors *errors)
{
	struct conf_source src = { .file = "t", .text = slice_str(text),
		.overrides = overrides, .noverrides = n,
		.env = conf_text_env };

	conf_errors_init(errors);
	return (conf_parse(&src, errors));
}

static void
overrides_win_over_the_file(void **state)
{
	static const char *const args[] = { "workers=2", "workers=4",
		"limits.connections=10k", "jwt.issuer=a=b,c",
		"allowed_origins=https://a, http://b:1", "socketio.path=/x" };
	struct conf_errors errors;
	struct conf *conf = with_overrides("workers = 7 allowed_origins = '*'",
	    args, nitems(args), &errors);

	(void)state;
	assert_non_null(conf);
	assert_int_equal(conf->workers, 4);
	assert_int_equal(conf->limit_connections, 10000);
	assert_string_equal(conf->jwt.issuer, "a=b,c");
	assert_int_equal(conf->norigins, 2);
	assert_string_equal(conf->origins[1].host, "b");
	assert_string_equal(conf->socketio_path, "/x");
	conf_free(&conf);
	conf_errors_fini(&errors);
	conf = with_overrides("allowed_origins = '*'",
	    (const char *const[]){ "allowed_origins=" }, 1, &errors);
	assert_non_null(conf);
	assert_int_equal(conf->norigins, 0);
	conf_free(&conf);
	conf_errors_fini(&errors);
}

static void
bad_overrides_are_told_as_such(void **state)
{
	static const char *const args[] = { "workers", "wrokers=2",
		"namespace.auth=none", "limits=2", "limits.fragments=0",
		"=", ".=" };
	struct conf_errors errors;

	(void)state;
	assert_null(with_overrides("", args, nitems(args), &errors));
	assert_text(buf_unread(&errors.text),
	    "-o: .=: no such directive outside sections with a title\n"
	    "-o: =: no such directive outside sections with a title\n"
	    "-o: limits: fragments = 0: out of range 1..1M\n"
	    "-o: limits=2: no such directive outside sections with a title\n"
	    "-o: namespace.auth=none: no such directive outside sections with "
	    "a title\n"
	    "-o: workers: must be NAME=VALUE\n"
	    "-o: wrokers=2: no such directive outside sections with a title\n"
	    );
	conf_errors_fini(&errors);
}

static const char *
familiar_env(const char *name)
{
	if (strcmp(name, "JWT_SECRET") == 0)
		return (HEX64);
	if (strcmp(name, "ALLOWED_ORIGIN") == 0)
		return ("https://a/, https://b,file://");
	return (NULL);
}

static void
familiar_variables_count_where_the_file_is_silent(void **state)
{
	struct conf_source src = { .file = "t", .env = familiar_env };
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	conf_errors_init(&errors);
	src.text = SLICE("namespace '/n' {}");
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_string_equal(conf->jwt.secret, HEX64);
	assert_int_equal(conf->norigins, 3);
	assert_string_equal(conf->origins[0].host, "a");
	conf_free(&conf);
	src.text = SLICE("allowed_origins = {} jwt { key a { file = f } }");
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_string_equal(conf->jwt.secret, "");
	assert_int_equal(conf->norigins, 0);
	conf_free(&conf);
	conf_errors_fini(&errors);
}

static const char *rate_limit;

static const char *
rate_env(const char *name)
{
	return (strcmp(name, "RATE_LIMIT_MESSAGES_PER_MINUTE") == 0 ?
	    rate_limit : NULL);
}

static struct conf *
with_rate_limit(const char *value, const char *text,
    struct conf_errors *errors)
{
	struct conf_source src = { .file = "t", .env = rate_env,
		.text = slice_str(text) };

	rate_limit = value;
	conf_errors_init(errors);
	return (conf_parse(&src, errors));
}

static void
the_environment_sets_the_rate_of_messages(void **state)
{
	struct conf_errors errors;
	struct conf *conf = with_rate_limit("200", "", &errors);

	(void)state;
	assert_non_null(conf);
	assert_int_equal(conf->nrates, 1);
	assert_ptr_equal(conf->rate_messages, &conf->rates[0]);
	assert_int_equal(conf->rates[0].per, CONF_PER_USER);
	assert_int_equal(conf->rates[0].allow, 200);
	assert_int_equal(conf->rates[0].period_ms, 60000);
	assert_int_equal(conf->rates[0].burst, 40);
	conf_free(&conf);
	conf_errors_fini(&errors);
	conf = with_rate_limit("200", "rate messages { allow = 5/1s }",
	    &errors);
	assert_non_null(conf);
	assert_int_equal(conf->nrates, 1);
	assert_int_equal(conf->rate_messages->allow, 5);
	conf_free(&conf);
	conf_errors_fini(&errors);
	conf = with_rate_limit("0", "", &errors);
	assert_non_null(conf);
	assert_null(conf->rate_messages);
	conf_free(&conf);
	conf_errors_fini(&errors);
	assert_null(with_rate_limit("fast", "", &errors));
	assert_text(buf_unread(&errors.text),
	    "RATE_LIMIT_MESSAGES_PER_MINUTE: fast: must be a count of up to "
	    "1M\n");
	conf_errors_fini(&errors);
}

/* What packaging/ holds, with an environment that sets whatever is asked. */
static const char *
generous_env(const char *name)
{
	return (strcmp(name, "ALLOWED_ORIGIN") == 0 ? "https://a.example" :
	    strcmp(name, "REDIS_URL") == 0 ? "redis://h" :
	    strstr(name, "RATE_LIMIT") != NULL ? "200" :
	    strstr(name, "ROLLOUT") != NULL ? "30" :
	    strstr(name, "SHA256") != NULL || strstr(name, "SECRET") != NULL ?
	    HEX64 : "/file");
}

static void
the_files_that_come_along_are_valid(void **state)
{
	static const char *const files[] = { "roost.conf",
		"examples/demo.conf", "examples/classroom.conf",
		"examples/learning.conf", "examples/matters.conf",
		"examples/media.conf",
		"examples/social.conf" };
	static char text[32768];
	const char *top = getenv("srcdir");
	struct conf_source src = { .env = generous_env };
	struct conf_errors errors;
	struct conf *conf;
	char path[4096];
	FILE *f;

	(void)state;
	for (size_t i = 0; i < nitems(files); i++) {
		snprintf(path, sizeof path, "%s/packaging/%s",
		    top == NULL ? "." : top, files[i]);
		f = fopen(path, "r");
		assert_row(f != NULL, slice_str(path));
		src.file = path;
		src.text = slice_of(text, fread(text, 1, sizeof text, f));
		assert_int_equal(fclose(f), 0);
		conf_errors_init(&errors);
		conf = conf_parse(&src, &errors);
		assert_text(buf_unread(&errors.text), "");
		conf_free(&conf);
		conf_errors_fini(&errors);
	}
}

/* As a reload reads it. */
static struct conf *
conf_text_after(const char *text, const struct conf *before,
    struct conf_errors *errors)
{
	const struct conf_source src = { .file = "t",
		.text = slice_str(text), .env = conf_text_env,
		.before = before };

	conf_errors_init(errors);
	return (conf_parse(&src, errors));
}

static void
assert_index(const struct conf *conf, const char *name, size_t index)
{
	const struct conf_namespace *ns = conf_namespace_find(conf,
	    slice_str(name));

	assert_non_null(ns);
	assert_int_equal(ns->index, index);
	assert_ptr_equal(ns, &conf->namespaces[index]);
	assert_ptr_equal(ns, conf_namespace_at(conf, index));
	assert_ptr_equal(ns, conf_namespace_at(conf,
	    conf_rooms_index(conf, ns)));
}

static void
namespaces_keep_their_index(void **state)
{
	struct conf *a = conf_text("namespace '/a' { auth = none }"
	    "namespace '/b' { auth = none }"), *b, *c;
	struct conf_errors errors;

	(void)state;
	assert_index(a, "/b", 1);
	b = conf_text_after("namespace '/c' { auth = none }"
	    "namespace '/b' { auth = none } route '/x' { namespace = '/b' }",
	    a, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_errors_fini(&errors);
	assert_index(b, "/b", 1);
	assert_index(b, "/c", 2);
	assert_int_equal(b->routes[0].ns->index, 1);
	assert_int_equal(b->ns_room, a->ns_room);
	assert_null(conf_namespace_find(b, slice_str("/a")));
	assert_null(conf_namespace_at(b, 0));
	assert_null(conf_namespace_at(b, b->ns_room));
	assert_null(conf_namespace_at(b, 3));
	assert_null(conf_namespace_at(b, 2 * (size_t)b->ns_room));
	/* who comes back is who it was */
	c = conf_text_after("namespace '/d' { auth = none }"
	    "namespace '/a' { auth = none }", b, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_errors_fini(&errors);
	assert_index(c, "/a", 0);
	assert_index(c, "/d", 3);
	conf_free(&a);
	conf_free(&b);
	conf_free(&c);
}

static void
rates_keep_their_index(void **state)
{
	struct conf *a = conf_text("rate 'a' { allow = 1/1s }"
	    "rate 'b' { allow = 1/1s }"), *b;
	struct conf_errors errors;
	struct buf text;
	unsigned i;

	(void)state;
	b = conf_text_after("rate 'c' { allow = 1/1s }"
	    "rate 'b' { allow = 1/1s } rate 'd' { allow = 1/1s }", a, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_errors_fini(&errors);
	assert_int_equal(b->rates[0].index, 2);
	assert_int_equal(b->rates[1].index, 1);
	assert_int_equal(b->rates[2].index, 3);
	conf_free(&b);
	/* as many as there can be: they have one each, whatever was before */
	buf_init(&text);
	for (i = 0; i < CONF_RATES_MAX; i++)
		buf_printf(&text, "rate 'r%u' { allow = 1/1s }\n", i);
	buf_byte(&text, '\0');
	b = conf_text_after((const char *)text.data, a, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_errors_fini(&errors);
	assert_int_equal(b->rates[0].index, 2);
	assert_int_equal(b->rates[61].index, 63);
	assert_int_equal(b->rates[62].index, 0);
	assert_int_equal(b->rates[63].index, 1);
	buf_fini(&text);
	conf_free(&a);
	conf_free(&b);
}

static void
there_is_room_for_so_many_namespaces(void **state)
{
	struct conf *a = conf_text("namespace '/a' { auth = none }"), *b;
	struct conf_errors errors;
	struct buf text;
	unsigned i;

	(void)state;
	buf_init(&text);
	for (i = 1; i < a->ns_room; i++)
		buf_printf(&text, "namespace '/b%u' { auth = none }\n", i);
	buf_byte(&text, '\0');
	b = conf_text_after((const char *)text.data, a, &errors);
	assert_text(buf_unread(&errors.text), "");
	conf_free(&b);
	conf_errors_fini(&errors);
	text.wpos--;
	buf_str(&text, "namespace '/c' { auth = none }\n");
	buf_byte(&text, '\0');
	b = conf_text_after((const char *)text.data, a, &errors);
	assert_null(b);
	assert_text(buf_unread(&errors.text), "t:65: namespace \"/c\": there "
	    "is no room for another namespace until a new start\n");
	conf_errors_fini(&errors);
	buf_fini(&text);
	conf_free(&a);
}

static void
errors_found_later_have_the_same_form(void **state)
{
	struct conf_errors errors;

	(void)state;
	conf_errors_init(&errors);
	conf_error(&errors, "cert.pem", 0, "no such file");
	conf_error(&errors, "roost.conf", 7, "%s", "x");
	assert_text(buf_unread(&errors.text),
	    "cert.pem: no such file\nroost.conf:7: x\n");
	assert_int_equal(errors.count, 2);
	conf_errors_fini(&errors);
}

/* What is found wrong later names the line that says so. */
static void
a_value_knows_its_line(void **state)
{
	static const char *const overrides[] = { "shm.rooms=70" };
	struct conf_source src = { .file = "t", .overrides = overrides,
		.noverrides = 1, .text = SLICE("workers = 2\n\nshm {\n"
		    "\tusers = 64\n}\nlimits {}\n") };
	struct conf_errors errors;
	struct conf *conf;

	(void)state;
	conf_errors_init(&errors);
	conf = conf_parse(&src, &errors);
	assert_non_null(conf);
	assert_int_equal(conf_line(conf, "workers"), 1);
	assert_int_equal(conf_line(conf, "shm: users"), 4);
	/* of its section, or nowhere */
	assert_int_equal(conf_line(conf, "shm: rates"), 3);
	assert_int_equal(conf_line(conf, "limits: per_user"), 6);
	assert_int_equal(conf_line(conf, "pidfile"), 0);
	assert_int_equal(conf_line(conf, "stats: file"), 0);
	assert_int_equal(conf_line(conf, "namespace '/': auth"), 0);
	assert_int_equal(conf_line(conf, "nonsense: x"), 0);
	assert_int_equal(conf_line(conf, "shm: rooms"), CONF_LINE_OPTION);
	conf_error(&errors, "t", CONF_LINE_OPTION, "x");
	assert_slice(buf_unread(&errors.text), "-o: x\n");
	conf_errors_fini(&errors);
	conf_free(&conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_file_has_all_the_defaults),
		cmocka_unit_test(sections_fill_their_structs),
		cmocka_unit_test(presence_is_chosen_for_each_namespace),
		cmocka_unit_test(whom_a_client_may_see_is_said_once),
		cmocka_unit_test(algorithms_are_those_of_the_keys),
		cmocka_unit_test(values_out_of_range_name_the_range),
		cmocka_unit_test(sections_that_contradict_are_refused),
		cmocka_unit_test(an_address_beside_all_of_its_port_is_an_error),
		cmocka_unit_test(a_key_for_no_namespace_is_an_error),
		cmocka_unit_test(events_of_a_key_are_names_or_their_beginnings),
		cmocka_unit_test(required_auth_needs_a_key),
		cmocka_unit_test(overrides_win_over_the_file),
		cmocka_unit_test(bad_overrides_are_told_as_such),
		cmocka_unit_test(
		    familiar_variables_count_where_the_file_is_silent),
		cmocka_unit_test(the_environment_sets_the_rate_of_messages),
		cmocka_unit_test(the_files_that_come_along_are_valid),
		cmocka_unit_test(namespaces_keep_their_index),
		cmocka_unit_test(rates_keep_their_index),
		cmocka_unit_test(there_is_room_for_so_many_namespaces),
		cmocka_unit_test(errors_found_later_have_the_same_form),
		cmocka_unit_test(a_value_knows_its_line),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
