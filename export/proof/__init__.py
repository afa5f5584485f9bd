"""Proof that an exported file still computes, and still sharpens, what the network did."""
