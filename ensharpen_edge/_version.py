"""The version, in one place: the package, its distributions and its commands read it here."""

__version__ = "0.1.0"
