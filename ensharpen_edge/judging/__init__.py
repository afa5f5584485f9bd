"""Does it still sharpen? Asked once, for every part that needs the answer."""
