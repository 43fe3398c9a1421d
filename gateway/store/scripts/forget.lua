-- Delete an entry (KEYS[1]).
return redis.call('DEL', KEYS[1])
