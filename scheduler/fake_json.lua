-- Redis' cjson.encode, in Lua. Takes what cjson.null is; returns the function.
local null = ...
local concat, find, format, gsub = table.concat, string.find, string.format, string.gsub
local next, pairs, type = next, pairs, type

local escapes = {["\b"] = "\\b", ["\t"] = "\\t", ["\n"] = "\\n", ["\f"] = "\\f", ["\r"] = "\\r"}
setmetatable(escapes, {__index = function(_, char)
  return find(char, "%c") and format("\\u%04x", char:byte()) or "\\" .. char
end})

local function quoted(text)
  if find(text, '["\\/%c]') then text = gsub(text, '["\\/%c]', function(char) return escapes[char] end) end
  return '"' .. text .. '"'
end

local function name_of(key)
  local kind = type(key)
  if kind == "string" or kind == "number" then return quoted(tostring(key)) .. ":" end
  error("Cannot serialise " .. kind .. ": table key must be a number or string", 0)
end

-- Remember what a function makes of short texts: names and ids come again and again. But not all there ever were.
local function remembered(make)
  local count = 0
  return setmetatable({}, {__index = function(known, text)
    local made = make(text)
    if #made > 100 then return made end
    if count == 1000 then
      for each in pairs(known) do known[each] = nil end
      count = 0
    end
    count, known[text] = count + 1, made
    return made
  end})
end

local texts, names = remembered(quoted), remembered(name_of)

-- Return how long an array is; 0 for a table that is none, or is empty.
local function length(table)
  local count, last = 0, 0
  for key in next, table do
    if type(key) ~= "number" or key < 1 or key % 1 ~= 0 then return 0 end
    count = count + 1
    if key > last then last = key end
  end
  if last > 10 and last > count * 2 then error("Cannot serialise table: excessively sparse array", 0) end
  return last
end

-- What is being written, in pieces; the table stays, because growing a new one takes longer than filling it.
local out = {}
local append

local function append_array(at, array, last, depth)
  out[at + 1] = "["
  at = append(at + 1, array[1], depth)
  for index = 2, last do
    out[at + 1] = ","
    at = append(at + 1, array[index], depth)
  end
  out[at + 1] = "]"
  return at + 1
end

local function append_object(at, object, depth)
  local before = "{"
  for key, value in next, object do
    out[at + 1], out[at + 2] = before, names[key]
    at = append(at + 2, value, depth)
    before = ","
  end
  out[at + 1] = before == "," and "}" or "{}"
  return at + 1
end

function append(at, value, depth)
  local kind = type(value)
  if kind == "string" then
    out[at + 1] = texts[value]
  elseif kind == "number" then
    if value - value ~= 0 then error("Cannot serialise number: must not be NaN or Inf", 0) end
    out[at + 1] = value -- written by concat, with the 14 digits of cjson
  elseif kind == "boolean" then
    out[at + 1] = value and "true" or "false"
  elseif kind == "table" then
    if depth == 1000 then error("Cannot serialise, excessive depth (1001)", 0) end
    local last = length(value)
    if last > 0 then return append_array(at, value, last, depth + 1) end
    return append_object(at, value, depth + 1)
  elseif value == nil or value == null then
    out[at + 1] = "null"
  else
    error("Cannot serialise " .. kind .. ": type not supported", 0)
  end
  return at + 1
end

return function(value)
  if #out > 1000 then out = {} end
  return concat(out, "", 1, append(0, value, 0))
end
