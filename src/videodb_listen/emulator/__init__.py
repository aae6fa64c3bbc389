"""A VideoDB realtime backend on loopback: a second, independent implementation of the far side.

It imports nothing from the rest of this package, so a mistake in the listener cannot be cancelled by the same
mistake here. The rooms, from pure to thin:

- `templates`: placeholders, made-up ids, the table of events that can be triggered;
- `scenario`: a session as a list of steps, read from JSON;
- `recording`: an events file turned back into the frames that the server sent;
- `world`: what the backend knows and says, and when; no socket, no clock, no asyncio;
- `chaos`: a plan of faults, and which connection gets which;
- `wire`: one WebSocket down to its TCP connection, where those faults happen;
- `server`: the REST and WebSocket surface over one world (needs the extra `videodb-listen[emulator]`).
"""
