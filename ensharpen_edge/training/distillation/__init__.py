"""Distillation: teachers, their cached labels, and what a student learns from them."""
