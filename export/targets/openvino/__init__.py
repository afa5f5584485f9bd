"""OpenVINO's own format, for Intel's CPUs, GPUs and NPUs."""
