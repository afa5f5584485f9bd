"""Bundles: artifacts with the code that runs them on a platform, and everything that proves it."""
