"""Measurements kept over time."""
