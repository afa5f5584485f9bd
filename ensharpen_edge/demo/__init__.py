"""The demonstration: photographs are blurred, sharpened by an artifact, and shown on one page."""
