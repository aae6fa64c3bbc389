"""The operating system: files, locks, processes, signals, clocks, being told of changes."""
