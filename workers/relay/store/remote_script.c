/*
 * Scripts; see remote_script.h.  Of a room there are
 *
 *	state	a hash: e epoch, n place of the newest, f of the oldest, b bytes
 *		of them, o and l when the oldest and the newest came (unix ms),
 *		x when all of it expires, 0: never, r the server's replication
 *		id, g the epoch began behind this place, z 1: nothing comes
 *		behind the newest, d how many there are in edits
 *	stream	an entry each: PLACE-0, t when it came, d the entry
 *	edits	a hash: of those that were changed, and are not in the stream any
 *		more, by place, "T ENTRY"
 *	sent	of one host: its last batch and what became of it, an hour long
 *	ids	a sorted set: ids that back ends gave, by their places
 *	near	of what every host brings, once from each: how often each has
 *
 * State and stream say the same or, if Redis has lost one of them, the room begins
 * anew; as one does that is finished, or has keys (kn, see remote_keyed_script.c),
 * when all of it is too old.  (Nothing is deleted but then: behind a first write Redis does not ask
 * whether there is memory.)  A server with another replication id may have lost the end of what was
 * kept: then there is another epoch, in which all that is there goes on.
 */
#include "relay/store/remote_script.h"

#include "base/bug.h"
#include "base/digest.h"

#define SCRIPT_MAX	10000u		/* bytes of one */

/* What both begin with. */
#define SCRIPT_HEAD							\
"local t = redis.call('TIME')\n"					\
"local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"			\
"local function server()\n"						\
"  local i = redis.pcall('INFO', 'replication')\n"			\
"  return type(i) == 'string' and string.match(i, 'master_replid:(%x+)') or ''\n" \
"end\n"								\
"local function odd(x, k, n, f, d)\n"					\
"  return redis.call('XLEN', x) ~= n - f + 1 - d or d > 0 and redis.call('HLEN', k) ~= d\n" \
"end\n"									\
"local function span(x, k, d, from, to, count)\n"			\
"  local v = redis.call('XRANGE', x, from .. '-0', to .. '-0', 'COUNT', count)\n" \
"  if d == 0 then return v end\n"					\
"  local r, i = {}, 1\n"						\
"  for at = from, math.min(to, from + count - 1) do\n"			\
"    local e = v[i]\n"							\
"    if e and e[1] == at .. '-0' then i = i + 1\n"			\
"    else\n"								\
"      local h = redis.call('HGET', k, at)\n"				\
"      local s = h and string.find(h, ' ', 1, true)\n"			\
"      if not s then break end\n"					\
"      e = {at, {'t', string.sub(h, 1, s - 1), 'd', string.sub(h, s + 1)}, true}\n" \
"    end\n"								\
"    r[#r + 1] = e\n"							\
"  end\n"								\
"  return r\n"								\
"end\n"

/*
 * KEYS state stream sent ids edits, state, stream and edits of other rooms ... [near]; ARGV 1
 * an epoch to begin, 2 the verb and 3 the channel to publish, 4 token, 5 y: it may
 * have been done, 6 y: the server may be another one, 7 and 8 epoch and place that
 * were heard, 9 events, 10 bytes, 11 ms that are kept, 12 the host, 13 y: nothing
 * comes behind the last of them, 14 how many other rooms, 15 the place of what is to be
 * changed where the only one is kept, or 0, 16 the epoch of that, 17 what is kept there
 * instead; then what 7 to 11 are for each of the other rooms; then for each that is kept its id, or nothing, the entry, and which
 * of the other rooms keeps it as well, or 0.  Answers "TOKEN EPOCH PLACE ...", of
 * one that another room keeps PLACE,EPOCH,PLACE, there behind; -PLACE: it was there;
 * 0: the room is finished; ~2, ~3: what is to be changed is not kept any more, or was
 * in another epoch.  What is published, and kept in the first, says of such
 * an entry where it is in the other.
 */
static const char script_rooms[] =
"local was = ARGV[5] == 'y' and redis.call('GET', KEYS[3])\n"
"if was and string.sub(was, 1, #ARGV[4] + 1) == ARGV[4] .. ' ' then return was end\n"
SCRIPT_HEAD
"local function open(k, a)\n"
"  local h = redis.call('HMGET', KEYS[k], 'e', 'n', 'f', 'b', 'o', 'l', 'x', 'r', 'g', 'z', 'd', 'kn')\n"
"  local w = {s = KEYS[k], x = KEYS[k + 1], k = KEYS[k == 1 and 5 or k + 2], e = h[1], r = h[8],\n"
"    d = tonumber(h[11] or 0), kn = h[12],\n"
"    n = tonumber(h[2] or 0), f = tonumber(h[3] or 1), b = tonumber(h[4] or 0),\n"
"    o = tonumber(h[5] or 0), l = tonumber(h[6] or 0), xp = tonumber(h[7] or 0),\n"
"    g = tonumber(h[9] or 0), z = tonumber(h[10] or 0) == 1, was = tonumber(h[7] or 0),\n"
"    ev = tonumber(ARGV[a + 2]), by = tonumber(ARGV[a + 3]), keep = tonumber(ARGV[a + 4])}\n"
"  if not w.e or odd(w.x, w.k, w.n, w.f, w.d) or (w.z or w.kn) and w.n > 0 and w.keep > 0 and w.l < now - w.keep then\n"
"    if w.e or redis.call('XLEN', w.x) > 0 then redis.call('DEL', w.s, w.x, w.k, k == 1 and KEYS[4] or w.s) end\n"
"    w.e, w.n, w.f, w.b, w.o, w.l, w.d = ARGV[1], 0, 1, 0, 0, 0, 0\n"
"    w.xp, w.g, w.r, w.z = 0, 0, false, false\n"
"  elseif ARGV[a] == w.e and tonumber(ARGV[a + 1]) > w.n then\n"
"    w.e, w.g = ARGV[1], w.n\n"
"  end\n"
"  return w\n"
"end\n"
"local function seat(w, i)\n"
"  if w.r and w.r ~= i then w.e, w.g = ARGV[1], w.n end\n"
"  w.r = i\n"
"end\n"
"local function push(w, d)\n"
"  w.n = w.n + 1\n"
"  redis.call('XADD', w.x, w.n .. '-0', 't', now, 'd', d)\n"
"  w.b, w.l = w.b + #d + 64, now\n"
"  if w.n == w.f then w.o = now end\n"
"end\n"
"local function alter(w, at, d)\n"
"  local v = span(w.x, w.k, w.d, at, at, 1)[1]\n"
"  if not v then return '~2' end\n"
"  redis.call('HSET', w.k, at, v[2][2] .. ' ' .. d)\n"
"  if w.xp ~= 0 then redis.call('PEXPIREAT', w.k, w.xp) end\n"
"  if not v[3] then w.d = w.d + redis.call('XDEL', w.x, at .. '-0') end\n"
"  w.b = w.b + #d - #v[2][4]\n"
"end\n"
"local function close(w)\n"
"  local function old() return w.b > w.by or (not w.kn and w.keep > 0 and w.o < now - w.keep) end\n"
"  local function over() return w.f <= w.n and (w.n - w.f + 1 > w.ev or old()) end\n"
"  if over() and (w.n - w.f + 1 >= w.ev + math.min(16, w.ev) or old()) then\n"
"    for _ = 1, 8 do\n"
"      local v = span(w.x, w.k, w.d, w.f, w.n, 17)\n"
"      local i = 1\n"
"      while v[i + 1] and over() do\n"
"        if v[i][3] then w.d = w.d - redis.call('HDEL', w.k, w.f) end\n"
"        w.b, w.f, w.o, i = w.b - #v[i][2][4] - 64, w.f + 1, tonumber(v[i + 1][2][2]), i + 1\n"
"      end\n"
"      if i > 1 then redis.call('XTRIM', w.x, 'MAXLEN', w.n - w.f + 1 - w.d) end\n"
"      if i < 17 then break end\n"
"    end\n"
"  end\n"
"  if w.keep == 0 then\n"
"    if w.xp ~= 0 then redis.call('PERSIST', w.s) redis.call('PERSIST', w.x) redis.call('PERSIST', w.k) end\n"
"    w.xp = 0\n"
"  elseif w.xp < now + w.keep + 1800000 then\n"
"    w.xp = now + w.keep + 3600000\n"
"  end\n"
"  redis.call('HSET', w.s, 'e', w.e, 'n', w.n, 'f', w.f, 'b', w.b, 'o', w.o, 'l', w.l, 'x', w.xp, 'r', w.r, 'g', w.g, 'd', w.d)\n"
"  if w.z then redis.call('HSET', w.s, 'z', 1) end\n"
"  if w.xp ~= w.was and w.xp ~= 0 then\n"
"    redis.call('PEXPIREAT', w.s, w.xp)\n"
"    redis.call('PEXPIREAT', w.x, w.xp)\n"
"    if w.d > 0 then redis.call('PEXPIREAT', w.k, w.xp) end\n"
"  end\n"
"end\n";

static const char script_append[] =
"local m, rooms, near = open(1, 7), {}, KEYS[6 + 3 * ARGV[14]]\n"
"local edit = tonumber(ARGV[15])\n"
"local id = m.r\n"
"if ARGV[6] == 'y' or not m.r then id = server() end\n"
"for i = 1, tonumber(ARGV[14]) do\n"
"  rooms[i] = open(3 + 3 * i, 13 + 5 * i)\n"
"  if rooms[i].r and rooms[i].r ~= id then id = server() end\n"
"end\n"
"seat(m, id)\n"
"for i = 1, #rooms do seat(rooms[i], id) end\n"
"local first, out, ans = m.n + 1, {}, {ARGV[4], m.e}\n"
"for i = 18 + 5 * ARGV[14], #ARGV, 3 do\n"
"  local id, d, w, dup = ARGV[i], ARGV[i + 1], rooms[tonumber(ARGV[i + 2])], false\n"
"  if id ~= '' then dup = redis.call('ZSCORE', KEYS[4], id) end\n"
"  local c\n"
"  if near then\n"
"    c = redis.call('HINCRBY', near, ARGV[12], 1)\n"
"    dup = redis.call('HGET', near, 'at' .. c)\n"
"    redis.call('PEXPIRE', near, 60000)\n"
"  end\n"
"  if dup then\n"
"    local v = w and redis.call('XRANGE', m.x, dup .. '-0', dup .. '-0', 'COUNT', 1) or {}\n"
"    local e, n = string.match(v[1] and v[1][2][4] or '', '^...[\\128-\\255](%w+) (%d+)\\n')\n"
"    ans[#ans + 1] = '-' .. dup .. (e and ',' .. e .. ',' .. n or '')\n"
"  end\n"
"  local y, no = w or m, nil\n"
"  if dup then\n"
"  elseif y.z and not (edit > 0 and ARGV[13] == 'y') then\n"
"    no = 0\n"
"  elseif edit > 0 and (ARGV[16] ~= y.e or edit > y.n) then\n"
"    no = '~3'\n"
"  elseif edit > 0 then\n"
"    no = edit < y.f and '~2' or alter(y, edit, ARGV[17])\n"
"  end\n"
"  if no then\n"
"    ans[#ans + 1] = no\n"
"  elseif not dup then\n"
"    if w then\n"
"      push(w, d)\n"
"      d = string.sub(d, 1, 3) .. string.char(string.byte(d, 4) + 128) .. w.e .. ' ' .. w.n .. '\\n' .. string.sub(d, 5)\n"
"    end\n"
"    push(m, d)\n"
"    if ARGV[13] == 'y' and i + 2 == #ARGV then (w or m).z = true end\n"
"    out[#out + 1] = d\n"
"    ans[#ans + 1] = m.n .. (w and ',' .. w.e .. ',' .. w.n or '')\n"
"    if c then redis.call('HSET', near, 'at' .. c, m.n) end\n"
"    if id ~= '' then\n"
"      redis.call('ZADD', KEYS[4], m.n, id)\n"
"      redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -4097)\n"
"      redis.call('PEXPIRE', KEYS[4], 300000)\n"
"    end\n"
"  end\n"
"end\n"
"close(m)\n"
"for i = 1, #rooms do close(rooms[i]) end\n"
"local res = table.concat(ans, ' ')\n"
"redis.call('SET', KEYS[3], res, 'PX', 3600000)\n"
"if #out > 0 then\n"
"  redis.call(ARGV[2], ARGV[3], 'ROOSTK1 ' .. ARGV[4] .. ' ' .. m.e .. ' ' .. first .. '\\n' .. table.concat(out))\n"
"end\n"
"return res\n";

/*
 * KEYS state stream edits [state of the journal]; ARGV 1 an epoch to begin, 2 from which part (enum
 * bus_history_from), 3 epoch and 4 place behind which, 5 events and 6 bytes that
 * fit, 7 events and 8 ms that are kept, 9 y: it is what was heard, 10 y: the server may
 * be another one.  Answers {epoch, newest place, oldest place or 0, behind which
 * the epoch began, result (enum bus_store), 1: there is more, place of the
 * first, 1: it is finished [, where the journal stands, "EPOCH:PLACE"], then for
 * each its age in ms and the entry}.
 */
static const char script_found[] =
SCRIPT_HEAD
"local s, x, q = KEYS[1], KEYS[2], KEYS[3]\n"
"local h = redis.call('HMGET', s, 'e', 'n', 'f', 'b', 'o', 'l', 'x', 'r', 'g', 'z', 'd', 'kn')\n"
"local e, r = h[1], h[8]\n"
"local n, f, b = tonumber(h[2] or 0), tonumber(h[3] or 1), tonumber(h[4] or 0)\n"
"local o, l = tonumber(h[5] or 0), tonumber(h[6] or 0)\n"
"local g, z, d = tonumber(h[9] or 0), tonumber(h[10] or 0) == 1, tonumber(h[11] or 0)\n"
"local ev, keep = tonumber(ARGV[7]), tonumber(ARGV[8])\n"
"local since, from = tonumber(ARGV[4]), tonumber(ARGV[2])\n"
"if not e or odd(x, q, n, f, d) or (z or h[12]) and n > 0 and keep > 0 and l < now - keep then\n"
"  if e or redis.call('XLEN', x) > 0 then redis.pcall('DEL', s, x, q) end\n"
"  e, n, f, b, o, l, g, z, d = ARGV[1], 0, 1, 0, 0, 0, 0, false, 0\n"
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
"if not h[12] and keep > 0 and o < now - keep then\n"
"  for _ = 1, 32 do\n"
"    local v = lo <= n and span(x, q, d, lo, n, 32) or {}\n"
"    local i = 1\n"
"    while v[i] and tonumber(v[i][2][2]) < now - keep do i, lo = i + 1, lo + 1 end\n"
"    if i <= 32 then break end\n"
"  end\n"
"end\n";

static const char script_read[] =
"local ans = {e, n, lo <= n and lo or 0, g, 1, 0, 0, z and 1 or 0}\n"
"if KEYS[4] then\n"
"  local j = redis.call('HMGET', KEYS[4], 'e', 'n')\n"
"  ans[9] = (j[1] or '') .. ':' .. (j[2] or 0)\n"
"end\n"
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
"  at = n + 1\n"
"  while at > lo and k < limit do\n"
"    local v = span(x, q, d, math.max(lo, at - math.min(32, limit - k)), at - 1, 32)\n"
"    if #v == 0 then break end\n"
"    for j = #v, 1, -1 do\n"
"      sum = sum + #v[j][2][4]\n"
"      if sum > bytes and k > 0 then limit = k break end\n"
"      k, at = k + 1, at - 1\n"
"    end\n"
"  end\n"
"  sum, limit, k = 0, math.max(k, 1), 0\n"
"end\n"
"ans[7] = at\n"
"while at <= n and k < limit do\n"
"  local v = span(x, q, d, at, n, math.min(32, limit - k))\n"
"  if #v == 0 then break end\n"
"  for j = 1, #v do\n"
"    local entry = v[j][2][4]\n"
"    sum = sum + #entry\n"
"    if sum > bytes and k > 0 then limit = k break end\n"
"    ans[#ans + 1] = math.max(0, now - tonumber(v[j][2][2]))\n"
"    ans[#ans + 1] = entry\n"
"    k, at = k + 1, at + 1\n"
"  end\n"
"end\n"
"if at <= n then ans[6] = 1 end\n"
"return ans\n";

/*
 * KEYS state stream edits; ARGV 1 epoch, 2 place: all up to there goes, but not the
 * newest, and not more than 1024 of them.  Answers how many are left to go.
 */
static const char script_trim[] =
SCRIPT_HEAD
"local s, x, q = KEYS[1], KEYS[2], KEYS[3]\n"
"local h = redis.call('HMGET', s, 'e', 'n', 'f', 'b', 'd')\n"
"local n, f, b = tonumber(h[2] or 0), tonumber(h[3] or 1), tonumber(h[4] or 0)\n"
"local d, to = tonumber(h[5] or 0), tonumber(ARGV[2])\n"
"if h[1] ~= ARGV[1] or to >= n or to < f or odd(x, q, n, f, d) then return 0 end\n"
"for _ = 1, 32 do\n"
"  local v = span(x, q, d, f, to, 32)\n"
"  for i = 1, #v do\n"
"    if v[i][3] then d = d - redis.call('HDEL', q, f) end\n"
"    b, f = b - #v[i][2][4] - 64, f + 1\n"
"  end\n"
"  if #v < 32 then break end\n"
"end\n"
"redis.call('HSET', s, 'f', f, 'b', b, 'd', d)\n"
"redis.call('XTRIM', x, 'MAXLEN', n - f + 1 - d)\n"
"return to - f + 1\n";

/* One that begins like another one, as it is sent: made once. */
static struct slice
script_made(enum remote_script which, struct slice begin, struct slice rest)
{
	static char text[REMOTE_SCRIPTS][SCRIPT_MAX];
	size_t n = begin.n + rest.n;

	MUST(n <= SCRIPT_MAX);
	memcpy(text[which], begin.p, begin.n);
	memcpy(text[which] + begin.n, rest.p, rest.n);
	return (slice_of(text[which], n));
}

struct slice
remote_script_text(enum remote_script which)
{
	switch (which) {
	case REMOTE_APPEND:
		return (script_made(which, slice_str(script_rooms),
		    slice_str(script_append)));
	case REMOTE_READ:
		return (script_made(which, slice_str(script_found),
		    slice_str(script_read)));
	case REMOTE_KEYED_APPEND:
		return (script_made(which, slice_str(script_rooms),
		    remote_script_keyed(true)));
	case REMOTE_KEYED_READ:
		return (script_made(which, slice_str(script_found),
		    remote_script_keyed(false)));
	case REMOTE_TRIM:
		return (slice_str(script_trim));
	case REMOTE_SCRIPTS:
		break;
	}
	MUST(false);
	return (slice_of(NULL, 0));
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
