-- List namespaces of the memory in order, with one lookup for each, however many items it has.
-- `first` and `last` bound the entries to look at, as ZRANGEBYLEX takes them; an entry is a token and a key, and a
-- token is labels between NULs that ends with two.
-- KEYS index
-- ARGV first last limit
-- Returns the tokens of the namespaces.
local tokens = {}
local first = A.first
for _ = 1, tonumber(A.limit) do
  local entry = redis.call("ZRANGEBYLEX", K.index, first, A.last, "LIMIT", 0, 1)[1]
  if not entry then break end
  local _, stop = string.find(entry, "\0\0", 1, true)
  local token = string.sub(entry, 1, stop)
  table.insert(tokens, token)
  first = "(" .. token .. "\255" -- past every key of the namespace: no UTF-8 text has this byte
end
return tokens
