"""Every command of the documentation is run here, or says what it needs or how long it takes.

Unmarked commands run in this process, in the order of their page, in a reader's working folder (the fixture
`workshop`). Marked ones (`# needs: macOS`, `# takes: minutes`, or the same behind the block's language) are parsed by
the real command line, so an option that does not exist fails all the same.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from ensharpen_edge.errors import EnsharpenError
from ensharpen_edge.runtime.jetson_kit import device_command

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
COMMANDS = dict(re.findall(r'^(ensharpen-\w+) = "([\w.]+):main"$', PROJECT, re.M))
"""Modules of the console scripts by name; each holds its typer application as `app`."""
SHELLS = ("sh", "console")
MARKS = {
    "needs": {"Jetson", "NVIDIA GPU", "macOS", "network", "public photographs", "your files"},
    "takes": {"a minute", "minutes", "hours"},
}
"""The reasons for which a command is only parsed."""


@dataclass(frozen=True)
class Line:
    """One command of a page.

    Attributes:
        place: Page and line, for messages.
        words: The command as a shell would split it, without comment and redirection.
        into: File that its standard output goes to, or None.
        remark: Its comment and that of its block.
    """

    place: str
    words: tuple[str, ...]
    into: str | None
    remark: str

    @property
    def marks(self) -> list[tuple[str, str]]:
        return re.findall(r"\b(needs|takes): ([^;#]+?)\s*(?=[;#]|$)", self.remark)

    @property
    def exit_code(self) -> int:
        """The one that the comment promises."""
        promised = re.search(r"exit code (\d+)", self.remark)
        return int(promised[1]) if promised else 0


def read_lines(page: Path, fences) -> list[Line]:
    """The commands of a page. In `console` blocks they begin with `$ `; the rest of those is output."""
    lines = []
    for fence in fences:
        if fence.language not in SHELLS:
            continue
        text = fence.text.replace("\\\n", " ")
        for number, row in enumerate(text.splitlines(), fence.line):
            command = row.removeprefix("$ ") if fence.language == "sh" or row.startswith("$ ") else ""
            words = shlex.split(command, comments=True)
            if not words:
                continue
            into = None
            if ">" in words:
                *words, _, into = words
            comment = re.search(r"(?:^|\s)#\s(.*)$", command)
            remark = "; ".join(filter(None, (fence.remark, comment and comment[1])))
            lines.append(Line(f"{page.name}, line {number}", tuple(words), into, remark))
    return lines


@pytest.fixture
def lines(page: Path, fences) -> list[Line]:
    return read_lines(page, fences)


def find_app(name: str) -> typer.Typer:
    return importlib.import_module(COMMANDS[name]).app


def parse(line: Line) -> None:
    """Let the real command line, the kit's or the Makefile say that the command can be meant."""
    name, *arguments = line.words
    if name in COMMANDS:
        _parse_by_typer(find_app(name), name, arguments)
    elif name == "make":
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        for goal in (word for word in arguments if "=" not in word):
            assert re.search(rf"^{re.escape(goal)}:", makefile, re.M), f"{line.place}: no such goal: make {goal}"
    for position, word in enumerate(line.words):
        if word.endswith("build_engine.py"):
            device_command._parser().parse_args(line.words[position + 1 :])


def _parse_by_typer(app: typer.Typer, name: str, arguments: list[str]) -> None:
    command = typer.main.get_command(app)
    with command.make_context(name, list(arguments)) as context:
        while rest := [*context._protected_args, *context.args]:
            chosen, command, rest = context.command.resolve_command(context, rest)  # type: ignore[attr-defined]
            context = command.make_context(chosen, rest, parent=context)


def run(line: Line) -> None:
    """Run the command here, as a shell in the working folder would."""
    name, *arguments = line.words
    if name == "cd":
        os.chdir(arguments[0])
        return
    expanded: list[str] = []
    for word in arguments:
        found = sorted(map(str, Path().glob(word))) if "*" in word else [word]
        assert found, f"{line.place}: {word} matches nothing"
        expanded += found
    result = CliRunner().invoke(find_app(name), expanded)
    code = result.exception.exit_code if isinstance(result.exception, EnsharpenError) else result.exit_code
    if result.exception and not isinstance(result.exception, (EnsharpenError, SystemExit)):
        raise result.exception
    what = f"{line.place}: {shlex.join(line.words)}: exit code {code}"
    assert code == line.exit_code, f"{what}\n{result.output}\n{result.exception or ''}"
    if line.into:
        Path(line.into).write_text(result.stdout, encoding="utf-8")


def test_marks_are_known(lines):
    for line in lines:
        for kind, reason in line.marks:
            assert reason in MARKS[kind], f"{line.place}: {kind}: {reason}"


def test_commands_can_be_meant(lines):
    for line in lines:
        try:
            parse(line)
        except Exception as error:
            raise AssertionError(f"{line.place}: {shlex.join(line.words)}: {error}") from error


def test_commands_run(lines, workshop):
    parsed_is_enough = {"pip", "make"}
    for line in lines:
        if line.marks or line.words[0] in parsed_is_enough:
            continue
        assert line.words[0] in {*COMMANDS, "cd"}, (
            f"{line.place}: neither run here nor marked: {shlex.join(line.words)}"
        )
        run(line)
