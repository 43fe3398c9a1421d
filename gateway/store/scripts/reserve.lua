-- Reserve the time of a call, so that no second has more of them than ARGV[1]; KEYS[1] has the times of
-- those of the last second in milliseconds, latest first, some of them still to come. ARGV: their number
-- per second, the longest wait in ms. Returns the wait in ms; past the longest, nothing is reserved.
-- Other values, and times past a minute, as when the clock was set back, count as missing.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local is_json, times = pcall(cjson.decode, redis.pcall('GET', KEYS[1]))
local is_list = is_json and type(times) == 'table'
if not is_list or (tonumber(times[1]) or 1 / 0) > now + 60000 then times = {} end
while (tonumber(times[#times]) or now) <= now - 1000 do table.remove(times) end
local oldest = tonumber(times[tonumber(ARGV[1])])
local at = math.max(now, oldest and oldest + 1000 or 0)
if at - now <= tonumber(ARGV[2]) then
  table.insert(times, 1, at)
  times[ARGV[1] + 1] = nil
  redis.call('SET', KEYS[1], cjson.encode(times), 'PX', at - now + 1000)
end
return at - now
