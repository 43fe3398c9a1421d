-- Renew a lease (KEYS[2]) that has the token. ARGV: the token, its length in ms.
if redis.pcall('GET', KEYS[2]) ~= ARGV[1] then return 0 end
return redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
