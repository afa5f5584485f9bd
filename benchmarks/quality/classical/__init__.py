"""Classical sharpeners: unsharp masks, and deconvolution that is told the kernel."""
