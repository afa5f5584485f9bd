"""Photographs in and out of files: decoding, orientation, colour modes, alpha, encoding. numpy and Pillow only."""
