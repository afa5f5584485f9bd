"""Every Python block of the documentation is run: a page's blocks in order, in one namespace.

Of blocks that are marked behind their language (`takes: minutes`) the calls of the API are bound to its signatures
instead, so an argument that does not exist fails all the same.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import ensharpen_edge

pytestmark = pytest.mark.slow


def check_calls(text: str, place: str) -> None:
    """Bind every call of `ee.NAME` to the signature of the API's function of that name."""
    for call in ast.walk(ast.parse(text)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "ee":
            assert hasattr(ensharpen_edge, call.func.attr), f"{place}: ee.{call.func.attr} does not exist"
            signature = inspect.signature(getattr(ensharpen_edge, call.func.attr))
            named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
            signature.bind(*call.args, **named)


def test_python_blocks_run(page: Path, fences, workshop):
    namespace: dict[str, Any] = {"__name__": "documentation"}
    for fence in (fence for fence in fences if fence.language == "python"):
        place = f"{page.name}, line {fence.line}"
        if re.match(r"(needs|takes): \w", fence.remark):
            check_calls(fence.text, place)
            continue
        padding = "\n" * (fence.line - 1)  # so that a traceback names the page's own lines
        exec(compile(padding + fence.text, str(page), "exec"), namespace)
