"""Events written down for people and other programs. Pure."""
