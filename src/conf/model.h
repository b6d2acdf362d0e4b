/*
 * The configuration as one struct: data alone.  Directives fill in its fields,
 * as directives.def says; after parsing nobody writes to it.  Any process.
 */
#ifndef CONF_MODEL_H
#define CONF_MODEL_H

#include <sys/socket.h>

#include "base/bug.h"
#include "base/slice.h"
#include "conf/model_ns.h"

/* --- listeners ---------------------------------------------------------- */

struct buf;

struct conf_addr {
	struct sockaddr_storage sa;
	socklen_t	 len;
};
#define CONF_ADDRS_MAX	2

/* A certificate for clients that ask for this name (RFC 6066, section 3). */
struct conf_listen_host {
	char		*name;		/* lower case, "host" or "*.host" */
	char		*certificate;	/* PEM file paths */
	char		*key;
	char		*ocsp;		/* DER; "": none */
	int		 line;
};

enum conf_proxy_protocol { CONF_PROXY_OFF, CONF_PROXY_V1, CONF_PROXY_V2,
	CONF_PROXY_ANY };
enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_client_verify { CONF_CLIENT_OFF, CONF_CLIENT_OPTIONAL,
	CONF_CLIENT_REQUIRED };
enum conf_client_user { CONF_CLIENT_CN, CONF_CLIENT_SUBJECT, CONF_CLIENT_DNS,
	CONF_CLIENT_EMAIL, CONF_CLIENT_URI, CONF_CLIENT_USER__MAX };

/* What is on an address: the words of listen { serve }. */
enum { CONF_SERVE_CLIENTS = 1, CONF_SERVE_API = 2, CONF_SERVE_STATUS = 4 };

struct conf_listen {
	char		*text;		/* "0.0.0.0:8080", "unix:/run/x.sock" */
	/* ready for bind(2), with IPV6_V6ONLY; of "*" and "localhost" there
	 * are two, one of each kind, and what the host lacks may be missing */
	struct conf_addr addrs[CONF_ADDRS_MAX];
	unsigned	 naddrs;
	bool		 tls;
	char		*certificate;	/* PEM file paths; set iff tls */
	char		*key;
	char		*ocsp;		/* DER; "": none */
	struct conf_listen_host *tls_hosts; /* none without tls */
	size_t		 ntls_hosts;
	char		*client_ca;	/* PEM file; "": none */
	enum conf_client_verify client_verify;
	enum conf_client_user client_user; /* the user's id, without a token */
	unsigned	 mode;		/* unix: permission bits, 0660 */
	uint32_t	 serve;		/* CONF_SERVE_ bits; 0: all */
	bool		 status;	/* /metrics, /health, ... are there */
	bool		 deflate;	/* WebSockets may be compressed */
	unsigned	 proxy_protocol; /* enum conf_proxy_protocol */
	int		 line;
};

/* An allowed origin: "*", "https://host", "http://host:*", exact otherwise. */
struct conf_origin {
	char		*scheme;	/* lower case; NULL: "*", anything; "null":
					 * that, what has no origin */
	char		*host;		/* lower case; may start with "*."; "" as
					 * in "file://" */
	char		*port;		/* decimal, "*", or "" = the scheme's */
};

/* Addresses that are alike in their first bits; IPv4 is mapped. */
struct conf_network {
	uint8_t		 address[16];	/* zero behind the bits */
	uint8_t		 bits;		/* 0 to 128 */
	bool		 local;		/* "unix:": who has no address */
};

/*
 * CORS for Engine.IO and what is served beside it; off without origins.  It
 * tells browsers what pages may read; who may connect is conf.origins' and
 * these origins', the latter over polling only.
 */
struct conf_cors {
	struct conf_origin *origins;
	size_t		 norigins;
	char		**methods;	/* none: the usual ones */
	size_t		 nmethods;
	char		**headers;	/* none: those that are asked for */
	size_t		 nheaders;
	char		**exposed;
	size_t		 nexposed;
	bool		 credentials;
	uint64_t	 max_age_ms;	/* 0: not told */
};

/* --- cookies ------------------------------------------------------------ */

enum conf_same_site {
	CONF_SAME_SITE_LAX, CONF_SAME_SITE_STRICT, CONF_SAME_SITE_NONE
};
enum conf_secure {
	CONF_SECURE_AUTO,	/* as the connection is */
	CONF_SECURE_TRUE, CONF_SECURE_FALSE
};

/* What a session over polling is given for balancers; off without a name. */
struct conf_cookie {
	char		*name;		/* a token, or "" */
	char		*path;
	enum conf_same_site same_site;
	enum conf_secure secure;
	uint64_t	 max_age_ms;	/* 0: as long as the browser runs */
};

/* --- keys --------------------------------------------------------------- */

struct conf_jwt_key {
	char		*kid;
	char		*file;		/* PEM public key or certificate */
	int		 line;
};

/* In the order of the bits of conf_jwt.algorithms. */
#define CONF_ALGORITHMS \
	"HS256 | HS384 | HS512 | RS256 | RS384 | RS512 | PS256 | PS384 | " \
	"PS512 | ES256 | ES384 | ES512 | EdDSA"
enum { CONF_ALGORITHMS_HS = 0x0007, CONF_ALGORITHMS_PUBLIC = 0x1ff8 };

enum conf_secret_encoding { CONF_SECRET_TEXT, CONF_SECRET_BASE64 };

struct conf_jwt {
	bool		 enabled;	/* a jwt section with a key is there */
	uint32_t	 algorithms;	/* 1 << enum conf_alg order, which is
					 * that of proto/token.h (asserted in
					 * the master, which includes both) */
	char		*secret;	/* "" when none */
	enum conf_secret_encoding secret_encoding;
	struct conf_jwt_key *keys;
	size_t		 nkeys;
	char		*jwks_file;	/* "" when none */
	char		*issuer;	/* "" = any */
	char		*audience;
	char		*user_claim;
	char		*roles_claim;
	char		*cookie;	/* "" = not looked at */
	char		*query;		/* "" = not looked at */
	uint64_t	 leeway_ms;
	uint64_t	 revoke_ms;	/* of a revocation without end */
};

enum {
	CONF_API_PUBLISH = 1, CONF_API_PRESENCE = 2, CONF_API_DISCONNECT = 4,
	CONF_API_ROOMS = 8, CONF_API_REVOKE = 16,
	CONF_API_HISTORY = 32, CONF_API_STATS = 64, CONF_API_HOOKS = 128,
	CONF_API_ANSWERS = 256, CONF_API_INBOX = 512,
	CONF_API_DOCUMENTS = 1024
};

struct conf_api_key {
	char		*name;
	uint8_t		 sha256[32];
	uint32_t	 allow;		/* CONF_API_ bits */
	char		**namespaces;	/* names, with their slash; none: all */
	size_t		 nnamespaces;
	char		**events;	/* "order:*", "*"; none: no event */
	size_t		 nevents;
	struct conf_network *networks;	/* none: any */
	size_t		 nnetworks;
	int		 line;
};

/* --- Redis -------------------------------------------------------------- */

struct conf_redis_url {
	char		*text;		/* NULL: none; and then so is all else */
	char		*shown;		/* the same without its password */
	bool		 tls;
	char		*host;		/* a name or an address, no brackets */
	unsigned	 port;
	bool		 port_given;	/* false: it is Redis' own */
	char		*path;		/* of a unix socket; then no host */
	char		*user;		/* NULL or "": the default one */
	char		*password;	/* NULL or "": none */
	unsigned	 database;
};

#define CONF_REDIS_PREFIX_MAX	64	/* bytes */
/* What servers of Socket.IO may do: the words of redis { socketio }. */
enum {
	CONF_SOCKETIO_ALL = 1, CONF_SOCKETIO_BROADCAST = 2,
	CONF_SOCKETIO_JOIN = 4, CONF_SOCKETIO_DISCONNECT = 8,
	CONF_SOCKETIO_EVENT = 16,
	CONF_SOCKETIO_ANY = 31		/* one of them */
};
/* Which adapter they have: the words of redis { socketio_adapter }. */
enum conf_adapter { CONF_ADAPTER_CLASSIC, CONF_ADAPTER_SHARDED };
#define CONF_REDIS_SENTINELS_MAX 16
#define CONF_REDIS_SHARDS_MAX	8
struct conf_redis {
	struct conf_redis_url url;
	struct conf_redis_url *shards;	/* several, instead of url */
	size_t		 nshards;
	struct conf_redis_url *sentinels; /* who know the host; then that of
					 * url does not count */
	size_t		 nsentinels;
	char		*master;	/* what they call it */
	char		*sentinel_password_file; /* "" = none */
	char		*password_file;	/* "" = none */
	char		*secret_file;	/* "" = none */
	unsigned	 stream;	/* entries kept; 0: not read */
	unsigned	 events;	/* entries kept of a stream that back ends
					 * read */
	uint64_t	 events_buffer;	/* for these, while they are not taken */
	uint64_t	 answer_ms;	/* for a back end that has read one */
	char		*prefix;	/* of channels: "roost:" */
	char		*socketio_prefix; /* of theirs; "": we have nothing to
					 * do with them */
	uint32_t	 socketio;	/* CONF_SOCKETIO_ bits */
	enum conf_adapter socketio_adapter;
	bool		 socketio_send;	/* theirs get what ours get */
	char		*ca;		/* PEM file paths; "" = none */
	char		*certificate;
	char		*key;
	char		*server_name;	/* "" = host */
	uint64_t	 linger_ms;	/* of one that is not named any more */
};

/* There is one to be used. */
static inline bool
conf_redis_on(const struct conf_redis *r)
{
	return (r->url.text != NULL || r->nsentinels > 0 || r->nshards > 0);
}

/* There is something to do with such servers. */
static inline bool
conf_socketio_on(const struct conf_redis *r, enum conf_adapter adapter)
{
	return (r->socketio_prefix[0] != '\0' &&
	    r->socketio_adapter == adapter);
}

static inline bool
conf_socketio_allows(const struct conf_redis *r, uint32_t what)
{
	return ((r->socketio & (what | CONF_SOCKETIO_ALL)) != 0);
}

/* --- rates -------------------------------------------------------------- */

enum conf_per { CONF_PER_USER, CONF_PER_ADDRESS, CONF_PER_CONNECTION };

#define CONF_RATES_MAX	64
struct conf_rate {
	unsigned	 index;		/* below CONF_RATES_MAX, no other's */
	char		*name;
	enum conf_per	 per;
	unsigned	 allow;		/* so many, 1 or more, */
	uint64_t	 period_ms;	/* in so long a time */
	unsigned	 burst;		/* at once; 0 in the file is allow */
	unsigned	 strikes;	/* refusals in period_ms that end the
					 * connection; 0: none do */
	int		 line;		/* 0: of the environment */
};

/* --- hooks -------------------------------------------------------------- */

/* What becomes of an event whose question has no answer. */
enum conf_failure { CONF_FAILURE_REFUSE, CONF_FAILURE_ALLOW };

/* A back end that speaks HTTP. */
struct conf_hook {
	char		*name;
	char		*url;		/* as it was given */
	bool		 tls;
	char		*host;		/* a name or an address, no brackets */
	unsigned	 port;
	char		*secret;
	uint64_t	 timeout_ms;
	uint64_t	 retry_ms;
	unsigned	 batch;		/* of one request: entries, */
	uint64_t	 batch_bytes;	/* and bytes */
	uint64_t	 batch_delay_ms;
	unsigned	 queue;		/* that wait: entries, */
	uint64_t	 queue_bytes;	/* and bytes */
	unsigned	 dead;		/* that were given up, and are kept: */
	uint64_t	 dead_bytes;	/* so many, and so large */
	unsigned	 questions;	/* that wait for an answer */
	enum conf_failure on_failure;
	uint64_t	 cache_ms;	/* that an answer may hold; 0: none does */
	uint64_t	 cache_bytes;	/* of those that do */
	bool		 allow_private;
	char		*ca;		/* PEM file; "": the system's */
	int		 line;
};

/* --- SockJS -------------------------------------------------------------- */

struct conf_sockjs {
	bool		 websocket;	/* it may be used */
	bool		 cookie;	/* JSESSIONID is set */
	uint64_t	 disconnect_delay_ms;
	uint64_t	 response_bytes;
	char		*client_url;	/* of its script; "": no page with it */
};

/* --- the whole ---------------------------------------------------------- */

/* What a line is: the words of log_format, in the order of sys/log.h. */
enum conf_log_format { CONF_LOG_FORMAT_TEXT, CONF_LOG_FORMAT_JSON };

/* What is logged of each connection: the words of log_connections. */
enum conf_log_connections {
	CONF_LOG_CONNECTIONS_OFF, CONF_LOG_CONNECTIONS_END,
	CONF_LOG_CONNECTIONS_BOTH
};
/* What a system call is that a role has no need of. */
enum conf_seccomp { CONF_SECCOMP_ON, CONF_SECCOMP_LOG, CONF_SECCOMP_OFF };
/* Where histories are kept; what becomes of events while that is away. */
enum conf_store { CONF_STORE_AUTO, CONF_STORE_MEMORY, CONF_STORE_REDIS };
/* Who reads slowly what a kept room gets. */
enum conf_slow { CONF_SLOW_CURSOR, CONF_SLOW_CLOSE };
enum conf_outage { CONF_OUTAGE_BUFFER, CONF_OUTAGE_REFUSE };
/* What a process that crashes leaves of its memory. */
enum conf_core_dumps { CONF_CORE_OFF, CONF_CORE_BARE, CONF_CORE_FULL };
/* Where trusted proxies say who asks. */
enum conf_proxy_header { CONF_PROXY_X_FORWARDED, CONF_PROXY_FORWARDED };

enum { CONF_TRANSPORT_POLLING = 1, CONF_TRANSPORT_WEBSOCKET = 2 };

static inline bool
conf_listen_serves(const struct conf_listen *l, uint32_t what)
{
	return ((l->serve == 0 || (l->serve & what) != 0) &&
	    (l->status || what != CONF_SERVE_STATUS));
}

/* What the configuration has read of files that it names. */
struct conf_file {
	char		*path;		/* as it is written there */
	char		*text;
	size_t		 n;
};

/* Each once; they belong to who asks for them. */
struct conf_names {
	const char	**v;
	size_t		 n;
};

struct conf {
	unsigned	 magic;
#define CONF_MAGIC	0xc04fc04f
	/* processes */
	unsigned	 workers;	/* 0 = auto */
	char		*user;		/* "" = stay who we are */
	char		*pidfile;	/* "" = none */
	char		*log_level;	/* error, warn, info, debug */
	char		*log_file;	/* "" = stderr or syslog */
	enum conf_log_format log_format;
	enum conf_log_connections log_connections;
	enum conf_seccomp seccomp;
	enum conf_core_dumps core_dumps;
	uint64_t	 stop_time_ms;	/* TERM: exit within */
	uint64_t	 drain_delay_ms; /* QUIT: still accepting for so long */
	uint64_t	 drain_time_ms;	/* ... then clients go spread over */
	uint64_t	 binary_timeout_ms;	/* USR2: the next is ready within */
	uint64_t	 worker_timeout_ms;	/* a child that hangs is replaced */
	uint64_t	 max_connection_age_ms;	/* 0: for ever */
	/* listeners */
	struct conf_listen *listens;
	size_t		 nlistens;
	struct conf_origin *origins;
	size_t		 norigins;
	char		**hosts;	/* lower case, "host" or "*.host"; none:
					 * any */
	size_t		 nhosts;
	/* of all listeners with TLS */
	enum conf_tls_version tls_min_version;
	char		*tls_ciphers;	/* "": OpenSSL's own choice */
	char		*tls_curves;
	uint64_t	 tls_ticket_ms;
	char		*tls_ticket_file; /* "": none */
	bool		 tls_ktls;
	struct conf_network *proxies;	/* trusted_proxies */
	size_t		 nproxies;
	unsigned	 proxy_header;	/* enum conf_proxy_header */
	/* limits */
	uint64_t	 limit_connections;	/* whole host */
	unsigned	 limit_per_address;	/* connections; 0: any number */
	unsigned	 limit_per_user;	/* the same */
	uint64_t	 message_bytes;
	uint64_t	 document_bytes;	/* of one message, by routes of Yjs */
	unsigned	 limit_documents;	/* open in one worker */
	uint64_t	 send_queue_bytes;
	uint64_t	 bus_queue_bytes;
	uint64_t	 handshake_timeout_ms;
	uint64_t	 keepalive_timeout_ms;	/* idle HTTP connection */
	uint64_t	 slow_consumer_timeout_ms;
	enum conf_slow	 slow_kept;
	uint64_t	 close_timeout_ms;	/* our Close not answered */
	unsigned	 fragments;		/* frames of one message */
	unsigned	 rooms_per_session;
	unsigned	 namespaces_per_connection;
	unsigned	 failed_connects;	/* end a connection */
	unsigned	 hook_connections;	/* to all hooks together */
	unsigned	 limit_handshakes;	/* whole host, a second; 0: no
						 * limit */
	/* heartbeat, Engine.IO and Socket.IO */
	uint64_t	 ping_interval_ms;
	uint64_t	 ping_timeout_ms;
	uint64_t	 connect_timeout_ms;
	/* connection state recovery, Socket.IO; window 0: off */
	uint64_t	 recovery_window_ms;
	unsigned	 recovery_packets;	/* kept for one session */
	uint64_t	 recovery_bytes;
	uint64_t	 recovery_user_bytes, recovery_worker_bytes;
	/* in the store; of a journal: each namespace's */
	unsigned	 recovery_sessions, recovery_journal_events;
	uint64_t	 recovery_sessions_bytes, recovery_journal_bytes;
	uint64_t	 upgrade_timeout_ms;	/* from 101 to the packet "5" */
	struct conf_sockjs sockjs;
	bool		 serves_sockjs;	/* some namespace or route does */
	char		*socketio_path;	/* "/socket.io", no slash at its end */
	uint32_t	 socketio_transports;	/* CONF_TRANSPORT_ bits; 0: all */
	bool		 allow_upgrades;
	bool		 http_compression;	/* of responses, */
	uint64_t	 http_compression_threshold; /* from so many bytes */
	/* of WebSocket messages */
	bool		 deflate;
	uint64_t	 deflate_threshold;	/* sent, from so many bytes */
	unsigned	 deflate_level;
	struct conf_cookie cookie;
	struct conf_cors cors;
	char		*client_bundle;	/* directory; "" = none */
	/* auth */
	struct conf_jwt	 jwt;
	struct conf_api_key *api_keys;
	size_t		 napi_keys;
	uint64_t	 auth_warning_ms;  /* auth:expiring comes so long before */
	uint64_t	 leave_grace_ms; /* presence: a leave is told after */
	uint64_t	 status_interval_ms; /* ... a user's statuses once in */
	uint64_t	 count_interval_ms; /* ... a room's count once in */
	/* rates */
	struct conf_rate *rates;
	size_t		 nrates;	/* <= CONF_RATES_MAX */
	/* of these names, or NULL */
	const struct conf_rate *rate_messages;	/* every event of a client */
	const struct conf_rate *rate_connects;	/* handshakes, by address */
	const struct conf_rate *rate_auth_failures; /* bad tokens, likewise */
	struct conf_hook *hooks;
	size_t		 nhooks;
	struct conf_redis redis;
	/* shared memory and stats */
	enum conf_store	 store_engine;
	enum conf_outage store_on_outage;
	uint64_t	 store_bytes, store_room_bytes, store_inbox_bytes;
	unsigned	 store_outage_events;
	uint64_t	 store_outage_bytes;
	unsigned	 shm_users;	/* presence entries */
	unsigned	 shm_presence_key; /* bytes of their keys, as a word of
					 * its range: see the function below */
	unsigned	 shm_rooms;	/* interest entries */
	unsigned	 shm_rates, shm_publish_ids, shm_revocations;
	char		*stats_file;	/* "" = anonymous */
	char		*demo_page;	/* file served as /demo/; "" = none */
	/* meaning */
	struct conf_namespace *namespaces;
	size_t		 nnamespaces;	/* those that are gone included */
	unsigned	 ns_room;	/* indices are below, as long as the
					 * daemon lives */
	/* that rules ask for */
	struct conf_names claims;	/* of tokens, */
	struct conf_names query;	/* ... and of handshakes */
	struct conf_names headers;
	bool		 keeps_address;
	bool		 keeps_trace;	/* some go to back ends */
	bool		 keeps_handshakes;	/* any of these */
	struct conf_route *routes;
	size_t		 nroutes;
	void		*ns_index;	/* private to index.c */
	int		*lines;		/* private to read/line.c */
	struct conf_file *files;
	size_t		 nfiles;
};

/* Bytes of the longest key whose presence is tracked. */
static inline unsigned
conf_presence_key_max(const struct conf *conf)
{
	return (64U << conf->shm_presence_key);
}

/* Some namespace tells who is there. */
static inline bool
conf_presence_on(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].presence != CONF_PRESENCE_OFF)
			return (true);
	return (false);
}

/* It is kept who is in rooms of the namespace. */
static inline bool
conf_keeps_rooms(const struct conf_namespace *ns)
{
	return (ns->presence >= CONF_PRESENCE_ROOMS ||
	    (ns->tells & CONF_TELL_ROOMS) != 0);
}

/* Back ends are told of some namespace who comes and goes. */
static inline bool
conf_tells(const struct conf *conf)
{
	size_t i;

	for (i = 0; i < conf->nnamespaces; i++)
		if (conf->namespaces[i].tells != 0)
			return (true);
	return (false);
}

/* Index in shared memory of those who are in rooms of a namespace; of those in
 * the namespace it is its own. */
static inline uint16_t
conf_rooms_index(const struct conf *conf, const struct conf_namespace *ns)
{
	return ((uint16_t)(ns->index + conf->ns_room));
}

/* ... and of those of its users that have a mark (shm/presence.h). */
static inline uint16_t
conf_mark_index(const struct conf *conf, const struct conf_namespace *ns,
    unsigned mark)
{
	return ((uint16_t)(ns->index + conf->ns_room * (2 + mark)));
}

/* What one is made from. */
struct conf_source {
	const char	*file;		/* its name, for messages */
	struct slice	 text;
	const char	*const *overrides; /* "limits.connections=10", from -o */
	size_t		 noverrides;
	const char	*(*env)(const char *name); /* getenv, or a test's */
	/* reads a file that it names; false: *why says why not.  NULL: none can
	 * be read */
	bool		(*read)(const void *arg, const char *path, struct buf *,
			    const char **why);
	const void	*read_arg;
	const struct conf *before; /* that it follows, or NULL: namespaces keep
				 * their index */
};

#endif
