"""A VideoDB realtime backend on loopback: a second, independent implementation of the far side.

It imports nothing from the rest of this package, so a mistake in the listener cannot be cancelled by the same
mistake here. The rooms, from pure to thin:

- `dialect`, `ids`: the shapes of events, and of what they name;
- `templates`, `scenario`, `recording`: a session as a list of frames, written or recorded, and what fills its blanks;
- `world`: connections, and the scripted session that is played to them;
- `account`: everything that REST knows: sessions (`capture`), streams, transcriptions, indexes, alerts;
- `agenda`, `script`, `player`, `records`: what works on a stream, said and seen when, kept and told;
- `operations`, `fields`: the API as a table, and requests read with their types;
- `chaos`: a plan of faults, and which connection gets which;
- `wire`: one WebSocket down to its TCP connection, where those faults happen;
- `recorder`, `recorder_plan`: a program for an SDK to start in place of the real recorder, and what it lacks;
- `routes`, `server`: HTTP and WebSockets over all that (needs the extra `videodb-listen[emulator]`).
"""
