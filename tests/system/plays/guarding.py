"""Plays on what guards a node: error handlers, time limits, drains and caches."""
