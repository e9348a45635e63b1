-- Give a slot back that is still this delivery's, and let those in line have what is free.
-- KEYS slots places used line ready
-- ARGV member delivery lease_ms most most_of_key
-- Returns those in line that have a slot now.
local now = now_ms()
lapse_slots(now)
local _, what, _, delivery = place_of(A.member)
if what == "slot" and delivery == A.delivery then leave(A.member) end
return serve_line(at_most(A.most, A.most_of_key), now + A.lease_ms)
