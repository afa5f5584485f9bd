"""Losses: one family a file, all means over the batch, all registered by name."""
