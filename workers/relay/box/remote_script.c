/*
 * Scripts; see remote_script.h.  A record is
 *
 *	COUNTED AT EXPIRES CATEGORY_BYTES COLLAPSE_BYTES \n category collapse json
 *
 * Where Redis has lost a part (it may evict keys), the rest is counted anew.
 */
#include "relay/box/remote_script.h"

#define HEAD								\
"local M, I, O, R = KEYS[1], KEYS[2], KEYS[3], KEYS[4]\n"		\
"local call = redis.call\n"						\
"local function num(v) return string.format('%.0f', v) end\n"		\
"local t = call('TIME')\n"						\
"local us = t[1] * 1000000 + t[2]\n"					\
"local now, keep = math.floor(us / 1000), tonumber(ARGV[6])\n"		\
"local h = call('HMGET', M, 'v', 'c', 'b', 's', 'x', 'n', 'r')\n"	\
"local v, c, b = tonumber(h[1] or 0), tonumber(h[2] or 0), tonumber(h[3] or 0)\n" \
"local s, x, n = tonumber(h[4] or 0), tonumber(h[5] or 0), tonumber(h[6] or 0)\n" \
"local was, dirty, nxt, did, old, out, same = c, false, 0, 0, 0, 0, 0\n" \
"local function parse(r)\n"						\
"  local cn, at, ex, cl, kl, e = string.match(r, '^(%d) (%d+) (%d+) (%d+) (%d+)\\n()')\n" \
"  cl, kl = tonumber(cl), tonumber(kl)\n"				\
"  return tonumber(cn) == 1, tonumber(at), tonumber(ex), string.sub(r, e, e + cl - 1),\n" \
"    string.sub(r, e + cl, e + cl + kl - 1), string.sub(r, e + cl + kl)\n" \
"end\n"									\
"local function drop(id)\n"						\
"  local r = call('HGET', I, 'i' .. id)\n"				\
"  local cn, at, ex, cat, col = parse(r)\n"				\
"  if cn and not call('ZSCORE', R, id) then c = c - 1 end\n"		\
"  b, n, dirty = b - #id - #r - 128, n - 1, true\n"			\
"  call('HDEL', I, 'i' .. id)\n"					\
"  if col ~= '' and call('HGET', I, 'k' .. col) == id then call('HDEL', I, 'k' .. col) end\n" \
"  call('ZREM', O, id)\n"						\
"  call('ZREM', R, id)\n"						\
"  if n == 0 then x = 0 end\n"						\
"end\n"									\
"local function all() return call('ZRANGE', O, 0, -1) end\n"		\
"local function record(id) return call('HGET', I, 'i' .. id) end\n"	\
"if call('ZCARD', O) ~= n or call('ZCARD', R) ~= tonumber(h[7] or 0) or\n" \
"  (call('EXISTS', I) == 1) ~= (n > 0) then\n"				\
"  c, b, n, x, dirty = 0, 0, 0, 0, true\n"				\
"  for _, id in ipairs(all()) do\n"					\
"    local r = record(id)\n"						\
"    if not r then\n"							\
"      call('ZREM', O, id)\n"						\
"      call('ZREM', R, id)\n"						\
"    else\n"								\
"      local cn, at, ex = parse(r)\n"					\
"      n, b, s = n + 1, b + #id + #r + 128, math.max(s, tonumber(call('ZSCORE', O, id)))\n" \
"      if cn and not call('ZSCORE', R, id) then c = c + 1 end\n"	\
"      if ex > 0 and (x == 0 or ex < x) then x = ex end\n"		\
"    end\n"								\
"  end\n"								\
"  if n == 0 then call('DEL', I, O, R) end\n"				\
"end\n"									\
"local function first()\n"						\
"  local id = call('ZRANGE', O, 0, 0)[1]\n"				\
"  if not id then return 0 end\n"					\
"  local cn, at = parse(record(id))\n"					\
"  return at, id\n"							\
"end\n"									\
"while keep > 0 and n > 0 do\n"						\
"  local at, id = first()\n"						\
"  if at + keep > now then break end\n"					\
"  drop(id)\n"								\
"  old = old + 1\n"							\
"end\n"									\
"if x > 0 and x <= now then\n"						\
"  x, dirty = 0, true\n"						\
"  for _, id in ipairs(all()) do\n"					\
"    local cn, at, ex = parse(record(id))\n"				\
"    if ex > 0 and ex <= now then\n"					\
"      drop(id)\n"							\
"      old = old + 1\n"							\
"    elseif ex > 0 and (x == 0 or ex < x) then x = ex end\n"		\
"  end\n"								\
"end\n"									\
"local function lasts(k, ever)\n"					\
"  if keep == 0 or ever then call('PERSIST', k)\n"			\
"  else call('PEXPIRE', k, num(keep + 3600000)) end\n"			\
"end\n"									\
"local function done(kind, text)\n"					\
"  if dirty or kind then\n"						\
"    v = math.max(v + 1, us)\n"						\
"    call('HSET', M, 'v', num(v), 'c', c, 'b', b, 's', num(s), 'x', num(x), 'n', n, 'r', call('ZCARD', R))\n" \
"    lasts(M, call('HEXISTS', M, 'p') == 1)\n"				\
"    lasts(I) lasts(O) lasts(R)\n"					\
"  end\n"								\
"  local due = x\n"							\
"  if keep > 0 and n > 0 then\n"					\
"    local at = first()\n"						\
"    if due == 0 or at + keep < due then due = at + keep end\n"		\
"  end\n"								\
"  if kind or c ~= was then\n"						\
"    call(ARGV[1], ARGV[2], ARGV[3] .. (kind or 'c') .. ' ' .. num(v) .. ' ' .. c .. ' ' .. num(due) .. '\\n' .. (text or ''))\n" \
"  end\n"								\
"  return table.concat({c, num(math.max(v, us - 1)), num(due), num(nxt), did, old, out, same, ''}, ' ')\n" \
"end\n"

const char box_script_count[] =
HEAD
"return {done()}\n";

const char box_script_create[] =
HEAD
"local id, cat, col, ex, json = ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[11]), ARGV[12]\n"
"if record(id) then return {done()} end\n"
"local p = call('HMGET', M, 'm', 'l', 'q')\n"
"local cn, silent, held = true, false, false\n"
"if tonumber(ARGV[10]) < tonumber(p[2] or 0) or p[1] and\n"
"  string.find(p[1], '\\n' .. cat .. '\\n', 1, true) then cn = false end\n"
"local f, to, off, only = string.match(p[3] or '', '^(%d+) (%d+) (-?%d+) (%d)$')\n"
"if cn and f then\n"
"  local m = (math.floor(now / 60000) + off) % 1440\n"
"  f, to = tonumber(f), tonumber(to)\n"
"  if f < to then silent = m >= f and m < to else silent = m >= f or m < to end\n"
"  held = silent and tonumber(only) == 1\n"
"end\n"
"if col ~= '' then\n"
"  local o = call('HGET', I, 'k' .. col)\n"
"  if o and record(o) then\n"
"    drop(o)\n"
"    same = 1\n"
"  end\n"
"end\n"
"local r = table.concat({cn and 1 or 0, num(now), num(ex), #cat, #col}, ' ') .. '\\n' .. cat .. col .. json\n"
"s, n, b, dirty = s + 1, n + 1, b + #id + #r + 128, true\n"
"if cn then c = c + 1 end\n"
"if ex > 0 and (x == 0 or ex < x) then x = ex end\n"
"call('HSET', I, 'i' .. id, r)\n"
"if col ~= '' then call('HSET', I, 'k' .. col, id) end\n"
"call('ZADD', O, num(s), id)\n"
"while n > tonumber(ARGV[4]) or b > tonumber(ARGV[5]) do\n"
"  local o = call('ZRANGE', R, 0, 0)[1] or call('ZRANGE', O, 0, 0)[1]\n"
"  if o == id then break end\n"
"  drop(o)\n"
"  out = out + 1\n"
"end\n"
"did = 1 + (cn and 2 or 0) + (silent and 4 or 0) + (held and 8 or 0)\n"
"local text = '{' .. json .. ',\"read\":false' .. (silent and ',\"silent\":true}' or '}')\n"
"if cn and not held then return {done('n', text), text} end\n"
"return {done('c'), text}\n";

const char box_script_list[] =
HEAD
"local max = tonumber(ARGV[7]) == 0 and '+inf' or '(' .. ARGV[7]\n"
"local limit, cat, got, size, last = tonumber(ARGV[8]), ARGV[10], {''}, 0, 0\n"
"repeat\n"
"  local l = call('ZREVRANGEBYSCORE', O, max, '-inf', 'WITHSCORES', 'LIMIT', 0, 100)\n"
"  for i = 1, #l, 2 do\n"
"    local read, r = call('ZSCORE', R, l[i]), record(l[i])\n"
"    local cn, at, ex, k, col, json = parse(r)\n"
"    if not (ARGV[9] == 'y' and read) and (cat == '' or cat == k) then\n"
"      size = size + #json\n"
"      if #got > limit or #got > 1 and size > 262144 then\n"
"        nxt = last\n"
"        break\n"
"      end\n"
"      got[#got + 1] = '{' .. json .. (read and ',\"read\":true}' or ',\"read\":false}')\n"
"      last = tonumber(l[i + 1])\n"
"    end\n"
"    max = '(' .. l[i + 1]\n"
"  end\n"
"until #l < 200 or nxt > 0\n"
"got[1] = done()\n"
"return got\n";

const char box_script_pick[] =
HEAD
"local goes, cat, ids, got = ARGV[7] == 'y', ARGV[9], {}, {}\n"
"if ARGV[8] == 'y' then ids = all()\n"
"else for i = 10, #ARGV do ids[#ids + 1] = ARGV[i] end end\n"
"for _, id in ipairs(ids) do\n"
"  local r = record(id)\n"
"  local read = r and call('ZSCORE', R, id)\n"
"  if r and (goes or not read) then\n"
"    local cn, at, ex, k = parse(r)\n"
"    if cat == '' or cat == k then\n"
"      if goes then drop(id)\n"
"      else\n"
"        call('ZADD', R, call('ZSCORE', O, id), id)\n"
"        if cn then c = c - 1 end\n"
"        dirty = true\n"
"      end\n"
"      got[#got + 1] = cjson.encode(id)\n"
"    end\n"
"  end\n"
"end\n"
"did = #got\n"
"local text = table.concat(got, ',')\n"
"return {done(#got > 0 and (goes and 'd' or 'r') or nil, text), text}\n";

const char box_script_prefs[] =
HEAD
"if ARGV[7] then\n"
"  call('HSET', M, 'p', ARGV[7], 'm', ARGV[8], 'l', ARGV[9], 'q', ARGV[10])\n"
"  return {done('p', ARGV[7]), ARGV[7]}\n"
"end\n"
"return {done(), call('HGET', M, 'p') or ''}\n";
