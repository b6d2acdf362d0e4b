/*
 * Responses: status lines, dates and heads; see http.h.
 */
#include "proto/http.h"

/* clang-format off */
static const struct {
	int		 status;
	const char	*words;
} statuses[] = {
	{ 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" },
	{ 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
	{ 301, "Moved Permanently" }, { 302, "Found" },
	{ 304, "Not Modified" }, { 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
	{ 404, "Not Found" }, { 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" }, { 408, "Request Timeout" },
	{ 409, "Conflict" }, { 410, "Gone" }, { 411, "Length Required" },
	{ 412, "Precondition Failed" }, { 413, "Content Too Large" },
	{ 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
	{ 417, "Expectation Failed" }, { 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
	{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" }
};
/* clang-format on */

const char *
http_status_words(int status)
{
	size_t i;

	for (i = 0; i < nitems(statuses); i++)
		if (statuses[i].status == status)
			return (statuses[i].words);
	return ("Unknown");
}

static bool
reply_leap(unsigned year)
{
	return (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* Days since 1970-01-01 as year, month 0-11 and day 1-31. */
static void
reply_civil_date(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30,
		31, 30, 31 };
	unsigned y = 1970, m = 0, n;

	for (; days >= (n = reply_leap(y) ? 366 : 365) && y < 9999; y++)
		days -= n;
	for (; m < 11 && days >= (n = lengths[m] + (m == 1 && reply_leap(y) ?
	    1u :
	    0u)); m++)
		days -= n;
	*year = y;
	*month = m;
	*day = (unsigned)(days % 31) + 1;
}

/* IMF-fixdate, RFC 9110 section 5.6.7; no locale, no time zone. */
void
http_encode_date(struct buf *b, const char *name, uint64_t unix_s)
{
	static const char wdays[] = "ThuFriSatSunMonTueWed";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	uint64_t days = unix_s / 86400;
	unsigned s = (unsigned)(unix_s % 86400), year, month, day;

	reply_civil_date(days, &year, &month, &day);
	buf_printf(b, "%s: %.3s, %02u %.3s %04u %02u:%02u:%02u GMT\r\n",
	    name, wdays + days % 7 * 3, day, months + month * 3, year,
	    s / 3600, s / 60 % 60, s % 60);
}

void
http_encode_head(struct buf *b, int status, uint64_t unix_s, bool keep_alive,
    const char *type, int64_t n, const char *extra)
{
	buf_str(b, "HTTP/1.1 ");
	buf_u64(b, (uint64_t)status);
	buf_byte(b, ' ');
	buf_str(b, http_status_words(status));
	buf_str(b, "\r\n");
	http_encode_date(b, "Date", unix_s);
	buf_str(b, keep_alive ? "Connection: keep-alive\r\n" :
	    "Connection: close\r\n");
	if (n >= 0) {
		buf_str(b, "Content-Length: ");
		buf_u64(b, (uint64_t)n);
		buf_str(b, "\r\n");
	}
	if (type != NULL) {
		buf_str(b, "Content-Type: ");
		buf_str(b, type);
		buf_str(b, "\r\n");
	}
	buf_str(b, "X-Content-Type-Options: nosniff\r\n");
	if (extra != NULL)
		buf_str(b, extra);
	buf_str(b, "\r\n");
}

void
http_encode_response(struct buf *b, int status, uint64_t unix_s,
    bool keep_alive, const char *type, struct slice body, const char *extra)
{
	http_encode_head(b, status, unix_s, keep_alive, type, (int64_t)body.n,
	    extra);
	buf_slice(b, body);
}
