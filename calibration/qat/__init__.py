"""Quantization-aware training: a trained network learns to compute in 8 bits throughout."""
