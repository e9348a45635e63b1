-- Put a stream whose entries were sealed anew in the place of the one that it was made from; what has been added to that
-- since is added as it is.
-- KEYS thread stream staged
-- ARGV created last
-- Returns 1, or 0 where it is another thread's stream by now, or none.
if redis.call("HGET", K.thread, "created") ~= A.created or redis.call("EXISTS", K.stream) == 0 then
  redis.call("DEL", K.staged)
  return 0
end
for _, entry in ipairs(redis.call("XRANGE", K.stream, "(" .. A.last, "+")) do
  redis.call("XADD", K.staged, entry[1], unpack(entry[2]))
end
redis.call("PERSIST", K.staged)
redis.call("RENAME", K.staged, K.stream)
return 1
