/*
 * Scripts; see remote_script.h.  Of a room there are
 *
 *	state	a hash: e epoch, n place of the newest, f of the oldest, b bytes
 *		of them, o and l when the oldest and the newest came (unix ms),
 *		x when all of it expires, 0: never, r the server's replication
 *		id, g the epoch began behind this place, z 1: nothing comes
 *		behind the newest
 *	stream	an entry each: PLACE-0, t when it came, d the entry
 *	sent	of one host: its last batch and what became of it, an hour long
 *	ids	a sorted set: ids that back ends gave, by their places
 *	near	of what every host brings, once from each: how often each has
 *
 * State and stream say the same or, if Redis has lost one of them, the room begins
 * anew; as one does that is finished, when all of it is too old.  (Nothing is deleted but then: behind a first write Redis does not ask
 * whether there is memory.)  A server with another replication id may have lost the end of what was
 * kept: then there is another epoch, in which all that is there goes on.
 */
#include "relay/store/remote_script.h"

#include "base/digest.h"

/* What both begin with: e, n ...; how the room stands with this server. */
#define SCRIPT_HEAD							\
"local s, x = KEYS[1], KEYS[2]\n"					\
"local t = redis.call('TIME')\n"					\
"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"			\
"local h = redis.call('HMGET', s, 'e', 'n', 'f', 'b', 'o', 'l', 'x', 'r', 'g', 'z')\n" \
"local e, r = h[1], h[8]\n"						\
"local n, f, b = tonumber(h[2] or 0), tonumber(h[3] or 1), tonumber(h[4] or 0)\n" \
"local o, l = tonumber(h[5] or 0), tonumber(h[6] or 0)\n"		\
"local xp, g, z = tonumber(h[7] or 0), tonumber(h[9] or 0), tonumber(h[10] or 0) == 1\n" \
"local function server()\n"						\
"  local i = redis.pcall('INFO', 'replication')\n"			\
"  return type(i) == 'string' and string.match(i, 'master_replid:(%x+)') or ''\n" \
"end\n"

/*
 * KEYS state stream sent ids [near]; ARGV 1 an epoch to begin, 2 the verb and 3
 * the channel to publish, 4 token, 5 y: it may have been done, 6 y: the server may be
 * another one, 7 and 8 epoch and place that were heard, 9 events, 10 bytes, 11
 * ms that are kept, 12 the host, 13 y: nothing comes behind the last of them; then
 * for each its id, or nothing, and the entry.  Answers "TOKEN EPOCH PLACE ...";
 * -PLACE: it was there; 0: the room is finished.
 */
static const char script_append[] =
"local was = ARGV[5] == 'y' and redis.call('GET', KEYS[3])\n"
"if was and string.sub(was, 1, #ARGV[4] + 1) == ARGV[4] .. ' ' then return was end\n"
SCRIPT_HEAD
"local len = redis.call('XLEN', x)\n"
"local keep = tonumber(ARGV[11])\n"
"if not e or len ~= n - f + 1 or z and keep > 0 and l < now - keep then\n"
"  if e or len > 0 then redis.call('DEL', s, x, KEYS[4]) end\n"
"  e, n, f, b, o, l, xp, g, r, z = ARGV[1], 0, 1, 0, 0, 0, 0, 0, false, false\n"
"elseif ARGV[7] == e and tonumber(ARGV[8]) > n then\n"
"  e, g = ARGV[1], n\n"
"end\n"
"if ARGV[6] == 'y' or not r then\n"
"  local i = server()\n"
"  if r and r ~= i then e, g = ARGV[1], n end\n"
"  r = i\n"
"end\n"
"local first, out, ans = n + 1, {}, {ARGV[4], e}\n"
"for i = 14, #ARGV, 2 do\n"
"  local id, d, dup = ARGV[i], ARGV[i + 1], false\n"
"  if id ~= '' then dup = redis.call('ZSCORE', KEYS[4], id) end\n"
"  local c\n"
"  if KEYS[5] then\n"
"    c = redis.call('HINCRBY', KEYS[5], ARGV[12], 1)\n"
"    dup = redis.call('HGET', KEYS[5], 'at' .. c)\n"
"    redis.call('PEXPIRE', KEYS[5], 60000)\n"
"  end\n"
"  if dup then\n"
"    ans[#ans + 1] = '-' .. dup\n"
"  elseif z then\n"
"    ans[#ans + 1] = 0\n"
"  else\n"
"    n = n + 1\n"
"    redis.call('XADD', x, n .. '-0', 't', now, 'd', d)\n"
"    b, l = b + #d + 64, now\n"
"    if n == f then o = now end\n"
"    z = ARGV[13] == 'y' and i + 1 == #ARGV\n"
"    out[#out + 1] = d\n"
"    ans[#ans + 1] = n\n"
"    if c then redis.call('HSET', KEYS[5], 'at' .. c, n) end\n"
"    if id ~= '' then\n"
"      redis.call('ZADD', KEYS[4], n, id)\n"
"      redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -4097)\n"
"      redis.call('PEXPIRE', KEYS[4], 300000)\n"
"    end\n"
"  end\n"
"end\n"
"local ev, by = tonumber(ARGV[9]), tonumber(ARGV[10])\n"
"local function over() return f <= n and (n - f + 1 > ev or b > by or (keep > 0 and o < now - keep)) end\n"
"if over() and (n - f + 1 >= ev + math.min(16, ev) or b > by or (keep > 0 and o < now - keep)) then\n"
"  for _ = 1, 8 do\n"
"    local v = redis.call('XRANGE', x, '-', '+', 'COUNT', 17)\n"
"    local i = 1\n"
"    while v[i + 1] and over() do\n"
"      b, f, o, i = b - #v[i][2][4] - 64, f + 1, tonumber(v[i + 1][2][2]), i + 1\n"
"    end\n"
"    if i > 1 then redis.call('XTRIM', x, 'MAXLEN', n - f + 1) end\n"
"    if i < 17 then break end\n"
"  end\n"
"end\n"
"if keep == 0 then\n"
"  if xp ~= 0 then redis.call('PERSIST', s) redis.call('PERSIST', x) end\n"
"  xp = 0\n"
"elseif xp < now + keep + 1800000 then\n"
"  xp = now + keep + 3600000\n"
"end\n"
"redis.call('HSET', s, 'e', e, 'n', n, 'f', f, 'b', b, 'o', o, 'l', l, 'x', xp, 'r', r, 'g', g)\n"
"if z then redis.call('HSET', s, 'z', 1) end\n"
"if xp ~= tonumber(h[7] or 0) and xp ~= 0 then\n"
"  redis.call('PEXPIREAT', s, xp)\n"
"  redis.call('PEXPIREAT', x, xp)\n"
"end\n"
"local res = table.concat(ans, ' ')\n"
"redis.call('SET', KEYS[3], res, 'PX', 3600000)\n"
"if #out > 0 then\n"
"  redis.call(ARGV[2], ARGV[3], 'ROOSTK1 ' .. ARGV[4] .. ' ' .. e .. ' ' .. first .. '\\n' .. table.concat(out))\n"
"end\n"
"return res\n";

/*
 * KEYS state stream; ARGV 1 an epoch to begin, 2 from which part (enum
 * bus_history_from), 3 epoch and 4 place behind which, 5 events and 6 bytes that
 * fit, 7 events and 8 ms that are kept, 9 y: it is what was heard, 10 y: the server may
 * be another one.  Answers {epoch, newest place, oldest place or 0, behind which
 * the epoch began, result (enum bus_store), 1: there is more, place of the
 * first, 1: it is finished, then for each its age in ms and the entry}.
 */
static const char script_read[] =
SCRIPT_HEAD
"local ev, keep = tonumber(ARGV[7]), tonumber(ARGV[8])\n"
"local since, from = tonumber(ARGV[4]), tonumber(ARGV[2])\n"
"local len = redis.call('XLEN', x)\n"
"if not e or len ~= n - f + 1 or z and keep > 0 and l < now - keep then\n"
"  if e or len > 0 then redis.pcall('DEL', s, x) end\n"
"  e, n, f, b, o, l, g, z = ARGV[1], 0, 1, 0, 0, 0, 0, false\n"
"  local i = redis.pcall('HSET', s, 'e', e, 'n', 0, 'f', 1, 'b', 0, 'x', now + 3600000, 'r', server())\n"
"  if type(i) == 'table' then return i end\n"
"  redis.pcall('PEXPIREAT', s, now + 3600000)\n"
"else\n"
"  local i = ARGV[10] == 'y' and server() or r\n"
"  if (r and r ~= i) or (ARGV[9] == 'y' and ARGV[3] == e and since > n) then\n"
"    e, g = ARGV[1], n\n"
"    local k = redis.pcall('HSET', s, 'e', e, 'g', g, 'r', i or '')\n"
"    if type(k) == 'table' then return k end\n"
"  end\n"
"end\n"
"local lo = math.max(f, n - ev + 1)\n"
"if keep > 0 and l < now - keep then lo = n + 1 end\n"
"if keep > 0 and o < now - keep then\n"
"  for _ = 1, 32 do\n"
"    local v = lo <= n and redis.call('XRANGE', x, lo .. '-0', '+', 'COUNT', 32) or {}\n"
"    local i = 1\n"
"    while v[i] and tonumber(v[i][2][2]) < now - keep do i, lo = i + 1, lo + 1 end\n"
"    if i <= 32 then break end\n"
"  end\n"
"end\n"
"local ans = {e, n, lo <= n and lo or 0, g, 1, 0, 0, z and 1 or 0}\n"
"local limit, bytes = tonumber(ARGV[5]), tonumber(ARGV[6])\n"
"if from == 1 or lo > n then\n"
"  if from == 2 and (ARGV[3] ~= e or since > n) then ans[5] = 3\n"
"  elseif from == 2 and (since < n or g > 0 and since == 0) then ans[5] = 2 end\n"
"  return ans\n"
"end\n"
"local at, sum, k = lo, 0, 0\n"
"if from == 2 then\n"
"  if ARGV[3] ~= e or since > n then ans[5] = 3 return ans end\n"
"  if since == 0 and g > 0 then since = g ans[5] = 2 end\n"
"  if since + 1 < lo then ans[5] = 2 else at = since + 1 end\n"
"elseif from == 3 then\n"
"  local v, i, top = {}, 0, n\n"
"  at = n + 1\n"
"  while at > lo and k < limit do\n"
"    v = redis.call('XREVRANGE', x, (at - 1) .. '-0', lo .. '-0', 'COUNT', math.min(32, limit - k))\n"
"    if #v == 0 then break end\n"
"    for j = 1, #v do\n"
"      sum = sum + #v[j][2][4]\n"
"      if sum > bytes and k > 0 then limit = k break end\n"
"      k, at = k + 1, at - 1\n"
"    end\n"
"  end\n"
"  sum, limit, k = 0, math.max(k, 1), 0\n"
"end\n"
"ans[7] = at\n"
"while at <= n and k < limit do\n"
"  local v = redis.call('XRANGE', x, at .. '-0', '+', 'COUNT', math.min(32, limit - k))\n"
"  if #v == 0 then break end\n"
"  for j = 1, #v do\n"
"    local d = v[j][2][4]\n"
"    sum = sum + #d\n"
"    if sum > bytes and k > 0 then limit = k break end\n"
"    ans[#ans + 1] = math.max(0, now - tonumber(v[j][2][2]))\n"
"    ans[#ans + 1] = d\n"
"    k, at = k + 1, at + 1\n"
"  end\n"
"end\n"
"if at <= n then ans[6] = 1 end\n"
"return ans\n";

struct slice
remote_script_text(enum remote_script which)
{
	return (which == REMOTE_APPEND ? slice_str(script_append) :
	    slice_str(script_read));
}

void
remote_scripts_init(struct remote_scripts *s)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t sum[20];
	unsigned i, k;

	for (i = 0; i < REMOTE_SCRIPTS; i++) {
		digest_sha1(remote_script_text((enum remote_script)i), sum);
		for (k = 0; k < sizeof sum; k++) {
			s->sha[i][2 * k] = hex[sum[k] >> 4];
			s->sha[i][2 * k + 1] = hex[sum[k] & 15];
		}
	}
}
