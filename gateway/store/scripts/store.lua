-- Store an entry (KEYS[1]), unless it is empty, and delete its lease (KEYS[2]) if it has the token.
-- ARGV: the token, the entry, the time until it expires in ms. A full Redis refuses the entry alone.
local stored = 1
if ARGV[2] ~= '' then stored = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
if ARGV[1] ~= '' and redis.pcall('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return stored
