"""The cache of what nodes returned, shared by threads and runs."""
