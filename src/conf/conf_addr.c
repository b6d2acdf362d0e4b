/*
 * Addresses to listen on, from text to what bind(2) takes.
 */
#include "conf/conf_addr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>

#include "conf/conf_unit.h"

static const char *
parse_unix(const char *path, struct sockaddr_storage *addr, socklen_t *len)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (*path != '/')
		return ("unix: needs an absolute path");
	if (n >= sizeof(sun.sun_path))
		return ("the path is too long for a unix socket (107 bytes)");
	memcpy(sun.sun_path, path, n + 1);
	memcpy(addr, &sun, sizeof(sun));
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return (NULL);
}

static const char *
parse_v4(const char *host, in_port_t port, struct sockaddr_storage *addr,
    socklen_t *len)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = port };

	if (inet_pton(AF_INET, host, &sin.sin_addr) != 1)
		return ("not an IPv4 address, [IPv6 address], * or unix:PATH");
	memcpy(addr, &sin, sizeof(sin));
	*len = sizeof(sin);
	return (NULL);
}

static const char *
parse_v6(const char *host, in_port_t port, struct sockaddr_storage *addr,
    socklen_t *len)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
		.sin6_port = port };

	if (inet_pton(AF_INET6, host, &sin6.sin6_addr) != 1)
		return ("not an IPv6 address in the brackets");
	memcpy(addr, &sin6, sizeof(sin6));
	*len = sizeof(sin6);
	return (NULL);
}

const char *
conf_addr_parse(const char *text, struct sockaddr_storage *addr,
    socklen_t *len)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	uint64_t number;
	in_port_t port;
	size_t n;

	memset(addr, 0, sizeof(*addr));
	*len = 0;
	if (strncmp(text, "unix:", 5) == 0)
		return (parse_unix(text + 5, addr, len));
	if (colon == NULL || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    !conf_unit_parse(CONF_UNIT_COUNT, slice_str(colon + 1), &number) ||
	    number > 65535)
		return ("needs a port, 0 to 65535: ADDRESS:PORT");
	port = htons((uint16_t)number);
	n = (size_t)(colon - text);
	if (n >= sizeof(host))
		return ("too long for an address");
	memcpy(host, text, n);
	host[n] = '\0';
	if (strcmp(host, "*") == 0)
		return (parse_v6("::", port, addr, len));
	if (host[0] != '[')
		return (parse_v4(host, port, addr, len));
	if (host[n - 1] != ']')
		return ("\"[\" without \"]\"");
	host[n - 1] = '\0';
	return (parse_v6(host + 1, port, addr, len));
}
