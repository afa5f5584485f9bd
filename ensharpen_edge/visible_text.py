r"""Text from elsewhere, made harmless to show: names of files, labels of users, messages of other programs.

A file's name may hold anything but `/` and NUL. What is not to be read but to be obeyed (escape sequences of
terminals, line separators, marks that turn the direction of writing) becomes its escape, `\x1b`; so do bytes of names
that are no UTF-8, which no file or terminal would take.
"""

from __future__ import annotations

import re

_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    """Return the text with everything that is not to be read as an escape; line ends and tabs stay."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """Return the visible text, in which line ends and tabs are escapes, too."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")
