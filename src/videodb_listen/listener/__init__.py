"""The write side: the daemon that turns the realtime socket into an append-only file."""
