from __future__ import annotations

from pathlib import Path

from ensharpen_edge.files import distinct_names


def test_names_are_short_where_they_can_be():
    assert distinct_names([Path("a/x"), Path("b/x"), Path("b/y")]) == ["a/x", "b/x", "y"]
