"""The backend on loopback: the only part that needs starlette and uvicorn.

- `operations`: the API as a table; `routes`: that table over HTTP;
- `wire`: one WebSocket down to its TCP connection, where faults happen;
- `server`: all of it, running.
"""
