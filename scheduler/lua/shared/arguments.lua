-- The blobs that follow a request in ARGV, in the order in which they are taken.

local taken = 1
local function blob()
  taken = taken + 1
  return ARGV[taken]
end
