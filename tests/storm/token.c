/* Tokens as an identity provider would mint them. */
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "storm.h"

static size_t
base64url(const void *from, size_t n, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *p = from;
	size_t i, at = 0;
	uint32_t v;

	for (i = 0; i < n; i += 3) {
		v = (uint32_t)p[i] << 16;
		v |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? p[i + 2] : 0;
		out[at++] = digits[v >> 18 & 63];
		out[at++] = digits[v >> 12 & 63];
		if (i + 1 < n)
			out[at++] = digits[v >> 6 & 63];
		if (i + 2 < n)
			out[at++] = digits[v & 63];
	}
	out[at] = '\0';
	return (at);
}

void
token_mint(const char *user, char out[TOKEN_MAX])
{
	static const char head[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned len;
	char body[128];
	size_t n;

	(void)snprintf(body, sizeof body, "{\"sub\":\"%s\",\"exp\":%lld}",
	    user, (long long)time(NULL) + 3600);
	n = base64url(head, sizeof head - 1, out);
	out[n++] = '.';
	n += base64url(body, strlen(body), out + n);
	if (HMAC(EVP_sha256(), SECRET, sizeof SECRET - 1,
	    (unsigned char *)out, n, mac, &len) == NULL)
		die("HMAC");
	out[n++] = '.';
	(void)base64url(mac, len, out + n);
}
