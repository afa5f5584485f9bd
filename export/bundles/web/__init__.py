"""Bundles for browsers: an ES module with exact tiling, and a page that works without a network."""
