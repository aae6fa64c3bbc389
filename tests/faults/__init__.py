"""Faults that are made for real: full disks, killed processes, stepped clocks. Each test proves that its fault came."""
