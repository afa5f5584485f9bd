"""Networks: blocks, encoder, EnSharpen decoder, the student family, and their exact folding."""
