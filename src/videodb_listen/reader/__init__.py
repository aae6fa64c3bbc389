"""The read side: find, follow and wait for events. It meets the listener only in the format of its files."""

from videodb_listen.reader import query
from videodb_listen.reader.query import Where
from videodb_listen.reader.recording import Recording, follow, read_events, wait_for

__all__ = ["Recording", "Where", "follow", "query", "read_events", "wait_for"]
