"""The operating system: files, locks, processes, signals, clocks, being told of changes. Nobody else knows it.

Elsewhere there is no fcntl, signal or inotify_simple, no /proc and no pidfd. What another platform does in another way
is a handful of functions: `files.sync_content`, `locks.holds`, `locks.holder`, `processes.pid_namespace`,
`processes._pidfd` and `Watch._watch`.
"""
