"""Abilities of an installation on this machine, and the line that brings each missing part."""
