#!/bin/sh
# Cuts a torn end off Redis' append-only file, whole scripts and not parts of them. For each start of Redis, before it.
#   mend-aof.sh FOLDER [MOST_BYTES]
# Redis' own aof-load-truncated takes away only the last command, and leaves those of the same script before it. They do
# not run at that start, but at the next one, with what was written in between: a thread is torn then. An end longer than
# MOST_BYTES (64 MB) is not what a power cut leaves: it is let be, Redis refuses to start, and a person has to look.
set -eu

folder=$1
most=${2:-67108864}
check=$(command -v redis-check-aof || command -v valkey-check-aof) || { echo "redis-check-aof is not on PATH" >&2; exit 1; }
for file in "$folder"/appendonlydir/*.manifest "$folder"/appendonly.aof; do
  [ -s "$file" ] || continue
  if told=$("$check" "$file" 2>&1); then continue; fi
  torn=$(printf '%s\n' "$told" | sed -n 's/.*diff=\([0-9]*\).*/\1/p' | tail -n 1)
  if [ "${torn:-0}" -gt 0 ] && [ "$torn" -le "$most" ]; then
    echo "$file: the last $torn bytes are torn, and are cut off."
    echo y | "$check" --fix "$file" >/dev/null
  else
    echo "$file: it is damaged, and not by a power cut alone; nothing is cut off." >&2
  fi
done
