"""Core ML packages off macOS: loaded from disk and computed in numpy, to be judged, not to be fast."""
