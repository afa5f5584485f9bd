"""Text on the terminal is read and never obeyed, whatever a file's name holds."""

from __future__ import annotations

import json

import pytest

from ensharpen_edge.console import (
    print_error,
    print_json,
    print_warnings,
    print_workflow_commands,
    status,
    stderr,
    stdout,
    table,
)
from ensharpen_edge.errors import BadInputError
from ensharpen_edge.visible_text import one_line, visible

HOSTILE = "a\x1b[31m\x9b2J\x07\u202e\ud800[/bold]:smile:\n::error title=x::fake ##[error]fake"


def check(text):
    assert not any(letter in text for letter in "\x1b\x9b\x07\u202e\ud800")
    assert not any(line.lstrip().startswith("::") for line in text.splitlines())
    assert "##[" not in text
    assert "[/bold]:smile:" in text, "what is no order stays as it is"


def test_every_way_to_the_terminal(capsys):
    rows = table(HOSTILE, ["name", "ms"], left=["name"])
    rows.add_row(HOSTILE, "1.0")
    stdout().print(rows)
    stdout().print(HOSTILE)
    shown = capsys.readouterr().out
    check(shown)
    assert "\\x1b[31m" in shown
    stderr().print(f"note: {HOSTILE}")
    print_warnings([HOSTILE])
    print_error(BadInputError(HOSTILE, hint=HOSTILE))
    with status(HOSTILE) as show:
        show(HOSTILE)
    captured = capsys.readouterr()
    check(captured.err)
    assert captured.out == ""


def test_a_line_that_starts_with_the_name(capsys):
    stdout().print("::error::a folder's name")
    stdout().print("  ::warning::one that is indented")
    assert capsys.readouterr().out == "\\::error::a folder's name\n  \\::warning::one that is indented\n"


def test_real_commands_and_json_are_left_alone(capsys):
    print_workflow_commands(["::error title=slow::really"])
    print_json({"name": HOSTILE})
    captured = capsys.readouterr()
    assert captured.err == "::error title=slow::really\n"
    assert json.loads(captured.out) == {"name": HOSTILE}
    assert captured.out.isascii()


@pytest.mark.parametrize("text", ["Straße, 写真.jpg", "a & b <c>", "100 % [x] $y$ |"])
def test_plain_names_stay(text, capsys):
    assert visible(text) == one_line(text) == text
    stdout().print(text)
    assert capsys.readouterr().out == f"{text}\n"
    assert one_line("a\n\tb") == "a\\n\\tb"
