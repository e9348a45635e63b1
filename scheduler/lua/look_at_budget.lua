-- Look which limits of a run, or of its thread, are reached with what an attempt has spent since it started.
-- KEYS thread run spent
-- ARGV spending started_ms
-- Returns them as JSON, or "" for none.
return breached(cjson.decode(A.spending), now_ms() - A.started_ms) or ""
