/*
 * Addresses to listen on, from text to what bind(2) takes.
 */
#include "conf/value/addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "conf/value/unit.h"

static const char *
addr_unix(const char *path, struct conf_addr *addr)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (*path != '/')
		return ("unix: needs an absolute path");
	if (n >= sizeof sun.sun_path)
		return ("the path is too long for a unix socket (107 bytes)");
	memcpy(sun.sun_path, path, n + 1);
	memcpy(&addr->sa, &sun, sizeof sun);
	addr->len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return (NULL);
}

static const char *
addr_v4(const char *host, in_port_t port, struct conf_addr *addr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return ("not an IPv4 address, [IPv6 address], *, localhost or "
		    "unix:PATH");
	memcpy(&addr->sa, &sin, sizeof sin);
	addr->len = sizeof sin;
	return (NULL);
}

static const char *
addr_v6(const char *host, in_port_t port, struct conf_addr *addr)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = port };

	if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1)
		return ("not an IPv6 address in the brackets");
	/* IPv6 sockets of ours take nothing else */
	if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
		return ("an IPv4 address: write it as one");
	memcpy(&addr->sa, &sin6, sizeof sin6);
	addr->len = sizeof sin6;
	return (NULL);
}

static const char *
addr_both(const char *v4, const char *v6, in_port_t port,
    struct conf_addr addrs[CONF_ADDRS_MAX], unsigned *n)
{
	const char *wrong = addr_v4(v4, port, &addrs[0]);

	if (wrong == NULL)
		wrong = addr_v6(v6, port, &addrs[1]);
	*n = 2;
	return (wrong);
}

static const char *
addr_host(char *host, size_t len, in_port_t port,
    struct conf_addr addrs[CONF_ADDRS_MAX], unsigned *n)
{
	if (len == 0 || strcmp(host, "*") == 0)
		return (addr_both("0.0.0.0", "::", port, addrs, n));
	if (strcasecmp(host, "localhost") == 0)
		return (addr_both("127.0.0.1", "::1", port, addrs, n));
	*n = 1;
	if (host[0] != '[')
		return (addr_v4(host, port, &addrs[0]));
	if (host[len - 1] != ']')
		return ("\"[\" without \"]\"");
	host[len - 1] = '\0';
	return (addr_v6(host + 1, port, &addrs[0]));
}

const char *
conf_addr_parse(const char *text, struct conf_addr addrs[CONF_ADDRS_MAX],
    unsigned *naddrs)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t number;
	size_t n;

	memset(addrs, 0, CONF_ADDRS_MAX * sizeof *addrs);
	*naddrs = 1;
	if (strncmp(text, "unix:", 5) == 0)
		return (addr_unix(text + 5, &addrs[0]));
	if (colon == NULL || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    !conf_unit_parse(CONF_UNIT_COUNT, slice_str(colon + 1), &number) ||
	    number > 65535)
		return ("needs a port, 0 to 65535: ADDRESS:PORT");
	n = (size_t)(colon - text);
	if (n >= sizeof host)
		return ("too long for an address");
	memcpy(host, text, n);
	host[n] = '\0';
	return (addr_host(host, n, htons((uint16_t)number), addrs, naddrs));
}
