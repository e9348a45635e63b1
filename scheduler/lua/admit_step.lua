-- Let a step start, or say what it waits for: a slot of its graph and key, and then its turn by the pace of its node.
-- KEYS slots places used line ready pace
-- ARGV member key delivery fence due turn lease_ms most most_of_key interval_ms slack_ms
-- Returns {what, number, those in line that have a slot now}. What: "go"; "slot", and how many wait before it; "turn", and at
-- which moment that is; or "stale" for a message that comes too early, or while another one of the step is let in.
local now = now_ms()
if tonumber(A.due) > now then return {"stale", 0, {}} end
local most, until_ms = at_most(A.most, A.most_of_key), now + A.lease_ms
local limited = A.most ~= "" or A.most_of_key ~= ""
if limited then
  lapse_slots(now)
  local _, what, fence, delivery = place_of(A.member)
  if what == "slot" and delivery ~= "" and delivery ~= A.delivery and fence == A.fence then return {"stale", 0, {}} end
  if what ~= "slot" and not has_room(A.key, most) then
    if what ~= "line" then wait_in_line(A.member, A.key) end
    return {"slot", rank_of(A.member), serve_line(most, until_ms)}
  end
end
local at = A.interval_ms == "" and now or start_at(tonumber(A.turn), tonumber(A.interval_ms), tonumber(A.slack_ms), now)
if limited and at <= now then
  take_slot(A.member, A.key, A.fence .. " " .. A.delivery, until_ms)
elseif limited then
  leave(A.member)
end
return {at <= now and "go" or "turn", at, limited and serve_line(most, until_ms) or {}}
