"""Engines: one file per backend that runs a model file."""
