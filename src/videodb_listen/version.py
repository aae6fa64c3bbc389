"""The version of the package, for those below its public names."""

__version__ = "0.1.0"
