/*
 * The negotiation of permessage-deflate (RFC 7692, section 7); see ws.h.  Every
 * message stands for itself, both ways: that needs no client's leave, for a
 * server may ask for it unasked (7.1.1).
 */
#include "proto/ws.h"

#include "base/ascii.h"

#define EXTENSION	"permessage-deflate"

/* A value of the field, as far as it is read. */
struct ws_scan {
	const uint8_t	*p, *end;
};

/* --- RFC 6455, 9.1 -------------------------------------------------------- */

/* RFC 9110, 5.6.2 */
static bool
ws_tchar(uint8_t c)
{
	return ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    ascii_digit(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL));
}

static void
ws_scan_blank(struct ws_scan *s)
{
	while (s->p < s->end && ascii_blank(*s->p))
		s->p++;
}

/* This byte, between white space. */
static bool
ws_scan_byte(struct ws_scan *s, uint8_t c)
{
	ws_scan_blank(s);
	if (s->p == s->end || *s->p != c)
		return (false);
	s->p++;
	ws_scan_blank(s);
	return (true);
}

static bool
ws_scan_token(struct ws_scan *s, struct slice *token)
{
	const uint8_t *begin = s->p;

	while (s->p < s->end && ws_tchar(*s->p))
		s->p++;
	*token = slice_of(begin, (size_t)(s->p - begin));
	return (token->n > 0);
}

/* A token, which may stand between quotes.  One in which something is escaped,
 * as nothing has to be, is none that we know. */
static bool
ws_scan_value(struct ws_scan *s, struct slice *value)
{
	if (s->p == s->end || *s->p != '"')
		return (ws_scan_token(s, value));
	s->p++;
	if (!ws_scan_token(s, value) || s->p == s->end || *s->p != '"')
		return (false);
	s->p++;
	return (true);
}

/* --- RFC 7692, 7.1 -------------------------------------------------------- */

/* One offer, parameter by parameter. */
struct ws_params {
	bool		 bad;		/* it is to be declined */
	bool		 seen[4];
	unsigned	 server_bits;	/* 0: not said */
};

/* 8 to 15, without a leading zero; 0: no. */
static unsigned
ws_window_bits(struct slice value)
{
	uint64_t n;

	if (value.n == 0 || value.p[0] == '0' ||
	    !ascii_number(value, 15, &n) || n < 8)
		return (0);
	return ((unsigned)n);
}

static void
ws_deflate_param(struct ws_params *ps, struct slice name, struct slice value,
    bool has_value)
{
	static const struct slice names[] = {
		SLICE("server_no_context_takeover"),
		SLICE("client_no_context_takeover"),
		SLICE("server_max_window_bits"),
		SLICE("client_max_window_bits")
	};
	unsigned i, bits = ws_window_bits(value);

	for (i = 0; i < nitems(names) && !slice_eq(name, names[i]); i++)
		;
	if (i == nitems(names) || ps->seen[i]) {
		ps->bad = true;
		return;
	}
	ps->seen[i] = true;
	if (i < 2)
		ps->bad |= has_value;
	else if (i == 2)
		ps->bad |= bits == 0;
	else			/* a hint; our window is the largest */
		ps->bad |= has_value && bits == 0;
	if (i == 2)
		ps->server_bits = bits;
}

/* NONE: it asks for less than we can do. */
static struct ws_deflate
ws_deflate_choose(const struct ws_params *ps)
{
	struct ws_deflate d = { DEFLATE_NONE, ps->server_bits != 0 };
	unsigned bits = ps->server_bits == 0 ? 15 : ps->server_bits;

	if (bits >= deflate_bits(DEFLATE_4K))
		d.window = DEFLATE_4K;
	else if (bits >= deflate_bits(DEFLATE_512))
		d.window = DEFLATE_512;
	return (d);
}

/* One extension of the list. */
static bool
ws_deflate_extension(struct ws_scan *s, struct ws_deflate *d)
{
	struct ws_params ps = { .bad = false };
	struct slice extension, name, value;
	bool has_value;

	if (!ws_scan_token(s, &extension))
		return (false);
	while (ws_scan_byte(s, ';')) {
		value = slice_of(NULL, 0);
		if (!ws_scan_token(s, &name))
			return (false);
		has_value = ws_scan_byte(s, '=');
		if (has_value && !ws_scan_value(s, &value))
			return (false);
		ws_deflate_param(&ps, name, value, has_value);
	}
	if (d->window == DEFLATE_NONE && !ps.bad &&
	    slice_eq(extension, SLICE(EXTENSION)))
		*d = ws_deflate_choose(&ps);
	return (true);
}

static bool
ws_deflate_field(struct slice field, struct ws_deflate *d)
{
	struct ws_scan s = { field.p, field.p + field.n };

	for (;;) {
		while (ws_scan_byte(&s, ','))
			;		/* empty elements are nothing */
		if (s.p == s.end)
			return (true);
		if (!ws_deflate_extension(&s, d))
			return (false);
		if (s.p < s.end && *s.p != ',')
			return (false);
	}
}

bool
ws_deflate_offered(const struct http_request *r, struct ws_deflate *d)
{
	size_t i;

	*d = (struct ws_deflate){ DEFLATE_NONE, false };
	for (i = 0; i < r->nfields; i++)
		if (slice_caseeq(r->fields[i].name,
		    SLICE("sec-websocket-extensions")) &&
		    !ws_deflate_field(r->fields[i].value, d))
			return (false);
	return (true);
}

void
ws_deflate_encode(struct buf *b, const struct ws_deflate *d)
{
	buf_str(b, "Sec-WebSocket-Extensions: " EXTENSION
	    "; server_no_context_takeover; client_no_context_takeover");
	if (d->tell)
		buf_printf(b, "; server_max_window_bits=%u",
		    deflate_bits(d->window));
	buf_str(b, "\r\n");
}
