"""Shipped checkpoints: data only."""
