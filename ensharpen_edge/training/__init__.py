"""Training: losses, averaged weights, the trainer and its command."""
