"""Degradations: frozen configurations and pure, seeded functions on (N, 3, H, W) float tensors in [0, 1]."""
