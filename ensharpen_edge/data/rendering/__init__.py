"""Rendered pictures: text, interfaces, charts and line art, which photographs seldom show and nobody has rights in."""
