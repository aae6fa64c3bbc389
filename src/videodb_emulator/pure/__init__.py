"""What the backend knows and says, and when: no clock, no file, no socket, no asyncio.

- `agenda`: what happens when; `world`: connections, and the scripted session that is played to them;
- `account`: everything that REST knows: `sessions`, `streams`, `transcription`, `indexes`, alerts, `library`;
- `script`, `pipeline`, `records`: what is said and seen on a stream, kept and sent;
- `templates`, `scenario`, `recording`: a session as a list of frames, written or recorded, and what fills its blanks;
- `dialect`, `ids`: the shapes of events, and of what they name;
- `fields`: requests read with their types;
- `chaos`: a plan of faults, and which connection gets which.
"""
