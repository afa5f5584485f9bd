"""Delegates, and the operators of TFLite files that each takes, from documented lists."""
