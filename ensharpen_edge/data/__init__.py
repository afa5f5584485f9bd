"""Photographs for training: folders, held-out splits, random crops."""
