"""Benchmarks: quality and latency of artifacts, against each other and against classical sharpening."""
