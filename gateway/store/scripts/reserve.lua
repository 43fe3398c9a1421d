-- Reserve the time of a call, so that no second has more of them than ARGV[1]; KEYS[1] has the times of
-- the last ones in milliseconds, some of them still to come. ARGV: their number per second, the longest
-- wait in ms. Returns the wait in ms; past the longest, or a minute, nothing is reserved. What is no list
-- of times within a minute, as when the clock was set back, counts as missing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local first = redis.pcall('LINDEX', KEYS[1], 0)
if first and (tonumber(first) or 1 / 0) > now + 60000 then redis.call('DEL', KEYS[1]) end
local oldest = redis.call('LINDEX', KEYS[1], ARGV[1] - 1)
local at = math.max(now, oldest and oldest + 1000 or 0)
if at - now <= math.min(tonumber(ARGV[2]), 60000) then
  redis.call('LPUSH', KEYS[1], string.format('%.0f', at))
  redis.call('LTRIM', KEYS[1], 0, ARGV[1] - 1)
  redis.call('PEXPIRE', KEYS[1], at - now + 1000)
end
return at - now
