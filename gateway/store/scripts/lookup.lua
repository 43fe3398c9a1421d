-- Read an entry that is young enough (KEYS[1]), or take its lease (KEYS[2]).
-- ARGV: the token of the lease, or nothing to take none; its length in ms; the greatest age in
-- seconds; the greatest length of an entry. Returns Redis' time, the entry, whether the lease is taken.
-- A key of another type counts as missing; a lease that ends later than ours do is not ours.
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local entry = redis.pcall('GET', KEYS[1])
if type(entry) == 'string' and #entry > 16 and #entry <= tonumber(ARGV[4]) then
  local age = now - struct.unpack('>d', entry)
  if age > -1 and age <= tonumber(ARGV[3]) then return {string.format('%.6f', now), entry, 0} end
end
local is_mine = 0
if ARGV[1] ~= '' then
  local left = redis.call('PTTL', KEYS[2])
  if left < 0 or left > tonumber(ARGV[2]) then
    redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
    is_mine = 1
  end
end
return {string.format('%.6f', now), false, is_mine}
