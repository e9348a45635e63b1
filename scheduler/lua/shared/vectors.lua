-- The vector set of the memory. From the moment it is begun every write keeps it, and a writer that cannot gives it up, so
-- that it holds what the items hold or is not there. `gathered` says how far it has come; where the server has no vector
-- sets there is none.

-- Give the vector set up.
local function drop_vectors()
  redis.call("UNLINK", K.vectors, K.gathered)
end

-- Take an item out of the vector set; its elements are numbered.
local function forget_vectors(entry)
  if redis.call("EXISTS", K.gathered) == 0 then return end
  local at, gone = 0, nil
  repeat
    gone = redis.pcall("VREM", K.vectors, at .. ":" .. entry)
    at = at + 1
  until gone ~= 1
  if gone ~= 0 then drop_vectors() end
end

-- Put the vectors of an item, in a row, into the vector set: it holds none of them.
local function gather_vectors(entry, vectors, dims, attributes)
  local wanted, held = unpack(redis.call("HMGET", K.gathered, "dims", "held"))
  if not wanted then return end
  if wanted ~= dims then return drop_vectors() end -- other dimensions, or sealed vectors
  if held and redis.call("EXISTS", K.vectors) == 0 then return drop_vectors() end -- somebody has deleted it
  for at = 0, #vectors / (4 * dims) - 1 do
    local vector = string.sub(vectors, at * 4 * dims + 1, (at + 1) * 4 * dims)
    local added = redis.pcall("VADD", K.vectors, "FP32", vector, at .. ":" .. entry, "SETATTR", attributes)
    if type(added) == "table" then return drop_vectors() end
  end
  redis.call("HSET", K.gathered, "held", 1)
end
