/*
 * Set-Cookie from the configuration; see cookie.h.
 */
#include "worker/http/cookie.h"

/* RFC 6265bis, 5.6.7: None counts only beside Secure. */
static bool
cookie_secure(const struct conf_cookie *k, bool tls)
{
	if (k->secure == CONF_SECURE_AUTO)
		return (tls || k->same_site == CONF_SAME_SITE_NONE);
	return (k->secure == CONF_SECURE_TRUE);
}

void
cookie_line(struct buf *b, const struct conf_cookie *k, const char *sid,
    bool tls)
{
	static const char *const same_site[] = {
		[CONF_SAME_SITE_LAX] = "Lax",
		[CONF_SAME_SITE_STRICT] = "Strict",
		[CONF_SAME_SITE_NONE] = "None",
	};

	if (k->name[0] == '\0')
		return;
	buf_printf(b, "Set-Cookie: %s=%s", k->name, sid);
	if (k->max_age_ms > 0)
		buf_printf(b, "; Max-Age=%llu",
		    (unsigned long long)(k->max_age_ms + 999) / 1000);
	buf_printf(b, "; Path=%s; HttpOnly%s; SameSite=%s\r\n", k->path,
	    cookie_secure(k, tls) ? "; Secure" : "", same_site[k->same_site]);
}
