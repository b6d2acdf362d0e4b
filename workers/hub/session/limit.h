/*
 * Rates and the number of a user's connections: who is charged, and what
 * those are told who are over.  Buckets and counts are shared by all workers
 * of the host (shm/bucket.h, shm/count.h); this is the hub's use of them.
 *
 *	rate			charged			by
 *	messages		each event, first	the rate's `per`
 *				thing; CONNECT, DISCONNECT
 *	a rule's own		events it lets pass	the rate's `per`
 *	connects		handshakes		address
 *	auth_failures		tokens found invalid	address
 *
 * per = user: the user; who has none, the connection.  per = address: the
 * address; who has none (a Unix socket), the connection.
 */
#ifndef HUB_SESSION_LIMIT_H
#define HUB_SESSION_LIMIT_H

#include "hub/session/refuse.h"
#include "shm/bucket.h"

struct client;
struct count;
struct principal;

struct limits;
struct limits *limits_new(const struct conf *) MUST_USE; /* NULL: no memory */
void	limits_free(struct hub *);

/*
 * What an address is counted as: IPv6 by its first 64 bits; IPv4 whole, as
 * mapped IPv6 or behind NAT64 (RFC 6052), and so is what has no network, ::1
 * above all; 0: no address, the peer is on a Unix socket.
 */
uint64_t limit_address(const uint8_t address[16]);

/* --- at the handshake ---------------------------------------------------- */

/* May there be one more handshake?  false: too fast, see limit_retry_ms().
 * Charges nothing. */
bool	limit_connect_asks(struct hub *, uint64_t address) MUST_USE;
/* There is one more; false as above. */
bool	limit_connect(struct hub *, uint64_t address) MUST_USE;
/* May one more token be looked at?  Charges nothing. */
bool	limit_token(struct hub *, uint64_t address) MUST_USE;
/* A token was looked at and found invalid. */
void	limit_token_failed(struct hub *, uint64_t address);
/* When what was refused last would be allowed, from now; never 0. */
uint64_t limit_retry_ms(const struct hub *);

/* --- connections of a user, sessions of a namespace ----------------------- */

/*
 * May there be one more session of this user in this namespace?  *nodes is
 * what was counted; limit_session_left() gives it back, or limit_give_back()
 * when no session came of it.  A client counts once for its user, whatever
 * the number of its sessions: c is NULL, or a client whose sessions are looked
 * at.  false: *why says so.
 */
bool	limit_session(struct hub *, const struct client *,
	    const struct conf_namespace *, const struct principal *,
	    struct limit_nodes *nodes, const char **why) MUST_USE;
void	limit_give_back(struct count *, struct limit_nodes *);
/* One that was let in at another worker, and comes to this client, whose other
 * sessions are on its list: counted, whatever the limits are. */
void	limit_take(struct session *, const struct client *);
/* A session that is off its client's list: another one of the same user keeps
 * what it was counted as, or it is given back. */
void	limit_session_left(struct session *);

/* --- events --------------------------------------------------------------- */

/* One more message, or event of this rule; false: refused, the sender has
 * been told, and perhaps is being disconnected. */
bool	limit_message(struct session *, const struct inbound *) MUST_USE;
bool	limit_event(struct session *, const struct inbound *,
	    const struct conf_rate *) MUST_USE;
/* One more message that is no event: CONNECT, or DISCONNECT of who.  They have
 * no session, or soon none: the handshake's user pays, or the connection. */
bool	limit_packet(struct client *, const struct principal *who);

#endif
