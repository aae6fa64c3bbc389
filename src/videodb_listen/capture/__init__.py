"""The client side: sessions, their streams, and the recorder on this machine."""
