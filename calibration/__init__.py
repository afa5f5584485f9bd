"""Calibration: choosing photographs, collecting ranges, quantization tables and plans."""
