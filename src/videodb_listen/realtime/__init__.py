"""One WebSocket, from the handshake to its last frame."""
