"""Keeps the VideoDB event WebSocket open and appends every event to a JSONL file."""

__version__ = "0.1.0"

__all__ = ["__version__"]
