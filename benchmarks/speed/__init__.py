"""Speed of artifacts, and the places where their time goes."""
