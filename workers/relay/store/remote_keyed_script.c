/*
 * What Redis does for a room that keeps the newest of each key, behind what it does
 * for any room; see remote_script.c.  Beside the room's keys there are
 *
 *	keys	a hash: by key "PLACE VERSION GONE MS\n" and the entry
 *	order	a sorted set: keys by their places
 *	gone	likewise those that are deleted
 *
 * and in its state kn how many, kb their bytes, kh: what was changed up to there
 * cannot be told by what is here.  They say the same or, if Redis has lost one of
 * them, the room begins anew.  All of them expire with the room.
 */
#include "relay/store/remote_script.h"

#include <stdbool.h>

/*
 * KEYS state stream sent ids edits keys order gone [near]; nothing is edited here;
 * ARGV as for append up to 13, then
 * 14 keys and 15 bytes of them that may be; then for each that is appended its id, or
 * nothing, the entry, its key, or nothing, what is asked of it (b: its revision is,
 * v: its version is less than; or nothing), that number, y: it is deleted, and the
 * epoch in which the revision was seen, or nothing.  Answers as append does; !PLACE,VERSION of
 * one that is not appended: so the key is; ?: there is no room for it.
 */
static const char script_keyed_append[] =
"local K, O, G, near = KEYS[6], KEYS[7], KEYS[8], KEYS[9]\n"
"local m = open(1, 7)\n"
"local h = redis.call('HMGET', KEYS[1], 'kn', 'kb', 'kh')\n"
"local kn, kb, kh = tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[3] or m.n)\n"
"if m.n == 0 or redis.call('HLEN', K) ~= kn or redis.call('ZCARD', O) ~= kn then\n"
"  redis.call('DEL', K, O, G)\n"
"  if m.n > 0 then\n"
"    redis.call('DEL', m.s, m.x, m.k, KEYS[4])\n"
"    m.e, m.n, m.f, m.b, m.o, m.l, m.d = ARGV[1], 0, 1, 0, 0, 0, 0\n"
"    m.xp, m.g, m.r, m.z = 0, 0, false, false\n"
"  end\n"
"  kn, kb, kh = 0, 0, 0\n"
"end\n"
"local id = m.r\n"
"if ARGV[6] == 'y' or not m.r then id = server() end\n"
"seat(m, id)\n"
"local function split(v)\n"
"  if not v then return 0, 0, 0 end\n"
"  local p, r = string.match(v, '^(%d+) (%d+) ')\n"
"  return tonumber(p), r, #v\n"
"end\n"
"local function forget(at)\n"
"  local k = redis.call('ZRANGE', G, at, at, 'WITHSCORES')\n"
"  kb = kb - redis.call('HSTRLEN', K, k[1]) - #k[1] - 64\n"
"  kn, kh = kn - 1, math.max(kh, tonumber(k[2]))\n"
"  redis.call('HDEL', K, k[1])\n"
"  redis.call('ZREM', O, k[1])\n"
"  redis.call('ZREM', G, k[1])\n"
"end\n"
"local function fits(k, was, size)\n"
"  while kn + (was > 0 and 0 or 1) > tonumber(ARGV[14]) or\n"
"    kb + size - (was > 0 and was + #k + 64 or 0) > tonumber(ARGV[15]) do\n"
"    local g = redis.call('ZRANGE', G, 0, 1)\n"
"    local at = g[1] == k and 1 or 0\n"
"    if #g == at then return false end\n"
"    forget(at)\n"
"  end\n"
"  return true\n"
"end\n"
"local function put(k, d, ver, gone, was)\n"
"  local v = m.n .. ' ' .. ver .. ' ' .. gone .. ' ' .. now .. '\\n' .. d\n"
"  if was > 0 then kb = kb - was - #k - 64 else kn = kn + 1 end\n"
"  kb = kb + #v + #k + 64\n"
"  redis.call('HSET', K, k, v)\n"
"  redis.call('ZADD', O, m.n, k)\n"
"  if gone == 1 then redis.call('ZADD', G, m.n, k) else redis.call('ZREM', G, k) end\n"
"end\n"
"local first, out, ans = m.n + 1, {}, {ARGV[4], m.e}\n"
"for i = 16, #ARGV, 7 do\n"
"  local id, d, k, ask = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]\n"
"  local num, gone, dup, c = tonumber(ARGV[i + 4]), ARGV[i + 5] == 'y' and 1 or 0, false\n"
"  if id ~= '' then dup = redis.call('ZSCORE', KEYS[4], id) end\n"
"  if near then\n"
"    c = redis.call('HINCRBY', near, ARGV[12], 1)\n"
"    dup = redis.call('HGET', near, 'at' .. c)\n"
"    redis.call('PEXPIRE', near, 60000)\n"
"  end\n"
"  local p, ver, was = split(k ~= '' and redis.call('HGET', K, k))\n"
"  local no\n"
"  if dup then\n"
"    no = '-' .. dup\n"
"  elseif m.z then\n"
"    no = 0\n"
"  elseif ask == 'b' and (p ~= num or ARGV[i + 6] ~= '' and ARGV[i + 6] ~= m.e) or\n"
"    ask == 'v' and was > 0 and num <= tonumber(ver) then\n"
"    no = '!' .. p .. ',' .. ver\n"
"  elseif k ~= '' and not fits(k, was, #d + #k + 128) then\n"
"    no = '?'\n"
"  else\n"
"    push(m, d)\n"
"    if k ~= '' then put(k, d, ask == 'v' and ARGV[i + 4] or 0, gone, was) else kh = m.n end\n"
"    if ARGV[13] == 'y' and i + 6 == #ARGV then m.z = true end\n"
"    out[#out + 1] = d\n"
"    no = m.n\n"
"    if c then redis.call('HSET', near, 'at' .. c, m.n) end\n"
"    if id ~= '' then\n"
"      redis.call('ZADD', KEYS[4], m.n, id)\n"
"      redis.call('ZREMRANGEBYRANK', KEYS[4], 0, -4097)\n"
"      redis.call('PEXPIRE', KEYS[4], 300000)\n"
"    end\n"
"  end\n"
"  ans[#ans + 1] = no\n"
"end\n"
"for _ = 1, 64 do\n"
"  local g = redis.call('ZRANGE', G, 0, 0)\n"
"  if #g == 0 then break end\n"
"  local at = tonumber(string.match(redis.call('HGET', K, g[1]), '^%d+ %d+ %d (%d+)\\n'))\n"
"  if redis.call('ZCARD', G) <= 1000 and at > now - 86400000 then break end\n"
"  forget(0)\n"
"end\n"
"if m.n > 0 then\n"
"  close(m)\n"
"  redis.call('HSET', KEYS[1], 'kn', kn, 'kb', kb, 'kh', kh)\n"
"  for i = 6, 8 do\n"
"    if m.xp ~= 0 then redis.call('PEXPIREAT', KEYS[i], m.xp) else redis.call('PERSIST', KEYS[i]) end\n"
"  end\n"
"end\n"
"local res = table.concat(ans, ' ')\n"
"redis.call('SET', KEYS[3], res, 'PX', 3600000)\n"
"if #out > 0 then\n"
"  redis.call(ARGV[2], ARGV[3], 'ROOSTK1 ' .. ARGV[4] .. ' ' .. m.e .. ' ' .. first .. '\\n' .. table.concat(out))\n"
"end\n"
"return res\n";

/*
 * KEYS state stream edits keys order gone; ARGV as for read, and 11 the key.  Answers {epoch,
 * newest place, oldest place of the history or 0, behind which the epoch began,
 * result, 1: there is more, 0, 1: it is finished, then for each its place and the
 * entry}.
 */
static const char script_keyed_read[] =
"local K, O = KEYS[4], KEYS[5]\n"
"local k = redis.call('HMGET', s, 'kn', 'kh')\n"
"local kn, kh = tonumber(k[1] or 0), tonumber(k[2] or n)\n"
"if redis.call('HLEN', K) ~= kn or redis.call('ZCARD', O) ~= kn then\n"
"  redis.pcall('DEL', s, x, q, K, O, KEYS[6])\n"
"  e, n, f, g, z, lo, kh = ARGV[1], 0, 1, 0, false, 1, 0\n"
"  local i = redis.pcall('HSET', s, 'e', e, 'n', 0, 'f', 1, 'b', 0, 'x', now + 3600000, 'r', server())\n"
"  if type(i) == 'table' then return i end\n"
"  redis.pcall('PEXPIREAT', s, now + 3600000)\n"
"end\n"
"local ans = {e, n, lo <= n and lo or 0, g, 1, 0, 0, z and 1 or 0}\n"
"local function say(v)\n"
"  local p, at = string.match(v, '^(%d+) [^\\n]*\\n()')\n"
"  ans[#ans + 1] = tonumber(p)\n"
"  ans[#ans + 1] = string.sub(v, at)\n"
"end\n"
"if from == 6 then\n"
"  local v = redis.call('HGET', K, ARGV[11])\n"
"  if v then say(v) end\n"
"  return ans\n"
"end\n"
"local limit, bytes, sum, c = tonumber(ARGV[5]), tonumber(ARGV[6]), 0, 0\n"
"if from == 2 and ARGV[3] == e and since <= n and since + 1 >= lo then\n"
"  local at = since + 1\n"
"  while at <= n do\n"
"    local v = span(x, q, d, at, n, 32)\n"
"    if #v == 0 then break end\n"
"    for j = 1, #v do\n"
"      local entry = v[j][2][4]\n"
"      if c == limit or c > 0 and sum + #entry > bytes then ans[6] = 1 return ans end\n"
"      ans[#ans + 1] = at\n"
"      ans[#ans + 1] = entry\n"
"      sum, c, at = sum + #entry, c + 1, at + 1\n"
"    end\n"
"  end\n"
"  return ans\n"
"end\n"
"if from ~= 2 then since = 0\n"
"elseif ARGV[3] ~= e or since > n then ans[5], since = 3, 0\n"
"elseif since > 0 and since < kh then ans[5], since = 2, 0 end\n"
"while true do\n"
"  local v = redis.call('ZRANGEBYSCORE', O, '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, 32)\n"
"  if #v == 0 then break end\n"
"  for j = 1, #v, 2 do\n"
"    local d = redis.call('HGET', K, v[j])\n"
"    if c == limit or c > 0 and sum + #d > bytes then ans[6] = 1 return ans end\n"
"    say(d)\n"
"    sum, c, since = sum + #d, c + 1, v[j + 1]\n"
"  end\n"
"end\n"
"return ans\n";

struct slice
remote_script_keyed(bool append)
{
	return (slice_str(append ? script_keyed_append : script_keyed_read));
}
