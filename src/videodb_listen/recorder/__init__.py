"""The recorder on this machine: a process that is given commands."""
