/*
 * A namespace of the configuration: its rooms, the rules of its events, and the
 * routes that lead to it.  See model.h, which has it.
 */
#ifndef CONF_MODEL_NS_H
#define CONF_MODEL_NS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_hook;
struct conf_key;
struct conf_rate;
struct conf_schema;

enum conf_auth { CONF_AUTH_REQUIRED, CONF_AUTH_OPTIONAL, CONF_AUTH_NONE };

/* "dm:{a}:{b}": literal and parameter pieces in turn.  A parameter matches
 * one or more bytes, none of them ':', '/' nor the byte that follows it; the last
 * one of a pattern may be "{a*}", which takes all that is left. */
struct conf_piece {
	bool		 param;
	bool		 rest;		/* {name*} */
	char		*text;		/* literal text, or the name */
	size_t		 len;
};
#define CONF_PARAMS_MAX	8
#define CONF_JOINS_MAX	8	/* rooms of every session */
#define CONF_JOIN_MAX	128	/* bytes of one, as it is written */
struct conf_pattern {
	char		*text;
	struct conf_piece *pieces;
	size_t		 npieces;
	size_t		 nparams;
};

enum conf_join {
	CONF_JOIN_OPEN,		/* anybody admitted to the namespace */
	CONF_JOIN_CLAIM,	/* claim:NAME holds the room's parameter values:
				 * with one parameter, the claim is a string or
				 * an array with its value; with several, an
				 * array with the room's whole name */
	CONF_JOIN_SELF,		/* self:a,b: one of these parameters equals
				 * the user's id */
	CONF_JOIN_ASK,		/* whom the hook of the namespace lets */
	CONF_JOIN_SERVER	/* only by the server or a back end */
};

struct conf_room {
	struct conf_pattern pattern;
	enum conf_join	 join;
	char		*claim;		/* CLAIM: name of the claim */
	unsigned	 self;		/* SELF: bit i = parameter i */
	unsigned	 history;	/* events kept; 0: none */
	uint64_t	 keep_ms;	/* so long; 0: for ever */
	bool		 document;	/* nothing of it is dropped */
	bool		 documents;	/* clients open, and write, keys of it */
	bool		 latest;	/* who joins gets the newest of each key */
	unsigned	 keys;		/* ... at most, */
	uint64_t	 keys_bytes;	/* of all of them; */
	uint64_t	 value_bytes;	/* what clients write into one */
	struct conf_key	*key_rules;	/* the first that fits a key is its; none
					 * fits: nobody may; none at all: all may */
	size_t		 nkey_rules;
	int		 line;
};

enum conf_to {
	CONF_TO_NOWHERE, CONF_TO_ROOM, CONF_TO_USER, CONF_TO_NAMESPACE,
	CONF_TO_SENDER, CONF_TO_BACKEND,
	CONF_TO_JOINED		/* the rooms that the sender is in */
};

enum conf_ack { CONF_ACK_NONE, CONF_ACK_ACCEPTED, CONF_ACK_DELIVERED,
	CONF_ACK_ECHO, CONF_ACK_BACKEND };

/* What becomes of an event to a user who is nowhere: the words of event {
 * offline }. */
enum { CONF_OFFLINE_DROP = 1, CONF_OFFLINE_QUEUE = 2, CONF_OFFLINE_PUSH = 4 };

/* Where what the server writes into an event comes from. */
enum conf_from { CONF_FROM_JSON, CONF_FROM_CLAIM, CONF_FROM_USER,
	CONF_FROM_SID, CONF_FROM_QUERY, CONF_FROM_HEADER, CONF_FROM_ADDRESS };
/* "author: claim:name" */
struct conf_member {
	char		*name;		/* of the member */
	char		*key;		/* the same as a raw JSON string */
	enum conf_from	 from;
	char		*text;		/* JSON: the value; CLAIM, QUERY, HEADER:
					 * a name */
};

struct conf_event {
	char		*name;		/* "*": whatever has no rule of its own */
	size_t		 name_len;
	char		*name_json;	/* the name as a raw JSON string */
	char		**roles;	/* any of; none: everybody */
	size_t		 nroles;
	enum conf_to	 to;
	char		*field;		/* ROOM, USER: member of the first arg */
	bool		 self;		/* the sender gets it too */
	bool		 asks;		/* the hook, which may refuse it */
	bool		 forward;	/* back ends get it too */
	uint32_t	 offline;	/* CONF_OFFLINE_ bits */
	bool		 history;	/* kept where its room keeps any */
	bool		 keeps;		/* ... and there are such rooms: to is
					 * ROOM or JOINED, it is not volatile */
	bool		 is_volatile;
	char		*conflate;	/* volatile: member of the first argument
					 * whose value is the key; "" */
	bool		 member;	/* sender must be in the room (default) */
	bool		 meta;		/* append meta (default) */
	bool		 meta_sid;	/* ... with the sender's session */
	unsigned	 args;		/* at most; 0: see takes */
	unsigned	 takes;		/* the same, or what goes without saying;
					 * 0: any number */
	char		*as_json;	/* outgoing name as raw JSON; = name_json
					 * when the rule has no `as`; NULL for
					 * "*": the sender's own name */
	char		*confirm_json;	/* event for the sender, or NULL */
	enum conf_ack	 ack;
	uint64_t	 max_bytes;	/* of all arguments and attachments;
					 * 0: no own limit */
	char		**checks;	/* as they are written */
	size_t		 nchecks;
	struct conf_schema *checked;	/* what they mean; NULL: nothing */
	char		*schema_file;	/* "": none */
	struct conf_schema *schema;	/* what it says, or NULL */
	char		**data;		/* JSON: the arguments, whatever the
					 * sender's are; none: those */
	size_t		 ndata;
	char		*data_args;	/* the same in one, without brackets */
	struct conf_member *members;	/* of the first argument, written by the
					 * server */
	size_t		 nmembers;
	bool		 writes;	/* there are data or members */
	bool		 writes_field;	/* field is one of the members */
	const struct conf_rate *rate;	/* of its own, or NULL */
	char		*error;		/* nowhere: what the sender is told, or "" */
	struct conf_event *then;	/* what it causes besides, in order */
	size_t		 nthen;
	int		 line;
};

enum conf_write { CONF_WRITE_MEMBERS, CONF_WRITE_OWNER, CONF_WRITE_SERVER };

/* Keys of a document. */
struct conf_key {
	struct conf_event rule;		/* roles, max_bytes, checks of it */
	struct conf_pattern pattern;
	enum conf_write	 write;		/* OWNER: who made it, of those */
	int		 line;
};

enum conf_presence {		/* who is told who is there */
	CONF_PRESENCE_OFF,	/* nobody; the events of presence are unknown */
	CONF_PRESENCE_QUERY,	/* who asks or watches */
	CONF_PRESENCE_ROOMS,	/* besides: the room one joins or leaves */
	CONF_PRESENCE_NAMESPACE	/* besides: everybody in the namespace */
};

enum conf_sees {		/* whose presence a client may ask, and watch */
	CONF_SEES_EVERYBODY,
	CONF_SEES_ROOMS,	/* who is in a room that it is in */
	CONF_SEES_CLAIM		/* who is named by a claim of its token */
};

/* Of what back ends are told: the words of namespace { events }. */
enum {
	CONF_TELL_CONNECTED = 1, CONF_TELL_DISCONNECTED = 2,
	CONF_TELL_JOINED = 4, CONF_TELL_LEFT = 8,
	CONF_TELL_OCCUPIED = 16, CONF_TELL_VACATED = 32,
	CONF_TELL_ROOMS = 60		/* one of these is about rooms */
};
/* Where sessions are that may be recovered. */
enum conf_recovery { CONF_RECOVERY_MEMORY, CONF_RECOVERY_STORE };

struct conf_namespace {
	uint16_t	 index;		/* position in conf.namespaces */
	bool		 gone;		/* it was there before: nobody finds
					 * it, and nobody else gets its index */
	bool		 keeps;		/* some room has a history */
	bool		 documents;	/* some room is a document */
	bool		 keyed;		/* ... and the newest of each key */
	bool		 journals;	/* its sessions are recovered from the
					 * store: all that they may get has a
					 * place in a journal there */
	enum conf_recovery recovery;
	char		*name;		/* with its slash: "/", "/chat" */
	size_t		 name_len;
	enum conf_auth	 auth;
	bool		 deflate;	/* WebSocket messages may be compressed */
	bool		 sse;		/* event streams are served */
	bool		 sockjs;	/* ... SockJS, at /ws */
	bool		 poll;		/* ... and long polls, of this room where
					 * none is named; "": none */
	char		*poll_room;
	struct conf_pattern *joins;	/* rooms that its sessions are put in;
					 * {user} is all that stands in them */
	size_t		 njoins;
	bool		 check_publishes; /* of back ends, as rules check */
	unsigned	 limit_sessions; /* on the host; 0: no limit */
	unsigned	 rollout;	/* percent of users who need not poll */
	enum conf_presence presence;
	unsigned	 presence_list;	/* users of a room who are named to it; 0:
					 * all are */
	enum conf_sees	 sees;
	char		*sees_claim;	/* its name, or "" */
	unsigned	 watches;	/* users that one session may watch */
	uint64_t	 idle_after_ms;	/* silent for so long: away; 0: never */
	uint32_t	 tells;		/* CONF_TELL_ bits */
	char		**keep_query;	/* parameters of the handshake that rules
					 * and back ends may see */
	size_t		 nkeep_query;
	char		**keep_headers;	/* the same, in lower case */
	size_t		 nkeep_headers;
	char		**keep_claims;	/* of tokens, for the hook */
	size_t		 nkeep_claims;
	const struct conf_hook *hook;	/* NULL: back ends read in Redis */
	bool		 asks;		/* ... and some event, or room, asks it, */
	bool		 asks_connect;	/* ... and each client that comes */
	bool		 queues;	/* some event waits for users who are away, */
	unsigned	 offline_events; /* as many of one user, */
	uint64_t	 offline_bytes;
	uint64_t	 offline_keep_ms; /* and for so long */
	bool		 inbox;		/* users have notifications here, */
	unsigned	 inbox_items;	/* as many of one, */
	uint64_t	 inbox_bytes;
	uint64_t	 inbox_keep_ms;	/* and for so long; 0: for ever */
	bool		 inbox_push;	/* back ends hear of those for users who
					 * are away */
	char		**roles;
	size_t		 nroles;
	struct conf_room *rooms;
	size_t		 nrooms;
	struct conf_event *events;
	size_t		 nevents;
	struct conf_event *fallback;	/* event "*", or NULL */
	struct conf_event *on_connect;	/* event "connect", or NULL: not a
					 * client's, for the session's begin */
	void		*event_index;	/* private to index.c */
	int		 line;
};

/*
 * Back ends get it, from the stream of its namespace.
 */
static inline bool
conf_event_forwards(const struct conf_event *r)
{
	return (r->forward || r->to == CONF_TO_BACKEND);
}

/*
 * Arguments that an event of this rule may have; 0: any number.  What the
 * server writes stands behind so many, where no client can write: without a
 * number of its own a rule that sends meta takes one; one that sends arguments
 * of the server's own takes any, and sends none of them on.
 */
static inline unsigned
conf_event_args(const struct conf_event *r)
{
	return (r->takes);
}

enum conf_format { CONF_FORMAT_ENVELOPE, CONF_FORMAT_BARE,
	CONF_FORMAT_ENGINE, CONF_FORMAT_RAW, CONF_FORMAT_YJS };

struct conf_route {
	struct conf_pattern path;	/* "/ws/comments/{track_id}" */
	const struct conf_namespace *ns;
	struct conf_piece *join;	/* room to join, parameters filled in
					 * from the path; none when njoin is 0 */
	size_t		 njoin;
	char		**roles;	/* on top of the namespace's */
	size_t		 nroles;
	char		**writers;	/* YJS: roles that may edit; none: all */
	size_t		 nwriters;
	unsigned	 compact;	/* YJS: updates after which a snapshot takes
					 * their place */
	enum conf_format format;
	bool		 sockjs;	/* ... is served, too */
	int		 line;
};

#endif
