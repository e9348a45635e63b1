-- Begin the vector set of the memory, in place of one that is not to be trusted, where the server has vector sets.
-- `gathered` is a hash {dims, build, cursor, held}: how long its vectors are, which attempt it is, and up to which entry the
-- items are in, without a cursor all are; `held` once it has held a vector, so that one that is lost is noticed.
-- KEYS vectors gathered
-- ARGV known build dims
-- Returns 1, or 0 where there are no vector sets, or somebody has begun another one than the known one.
if (redis.call("HGET", K.gathered, "build") or "") ~= A.known then return 0 end
drop_vectors()
if type(redis.pcall("VCARD", K.vectors)) == "table" then return 0 end
redis.call("HSET", K.gathered, "dims", A.dims, "build", A.build, "cursor", "")
return 1
