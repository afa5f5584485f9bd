"""Degradations: blur, noise, resizing, compression, and the mixes that a network is trained on."""
