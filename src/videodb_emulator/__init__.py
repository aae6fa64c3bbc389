"""A VideoDB realtime backend on loopback: a second, independent implementation of the far side.

It imports nothing from `videodb_listen`, so a mistake in the listener cannot be cancelled by the same mistake here.

- `pure`: what the backend knows and says, and when, on one agenda;
- `scenarios`: the sessions that come with it, as files;
- `http`: HTTP and WebSockets over that (needs the extra `videodb-listen[emulator]`);
- `recorder`: a program for an SDK to start in place of the real recorder.
"""
