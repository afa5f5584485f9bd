"""Other sharpeners: classical methods on the same photographs, and public networks for their speed."""
