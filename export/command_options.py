"""Options of `ensharpen-export` that targets declare, each under its targets' own heading."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from ensharpen_edge.export.targets.options import CommandOption, command_options
from ensharpen_edge.export.targets.registry import TARGETS, find_options

Command = Callable[..., None]


def with_target_options(command: Command) -> Command:
    """Return a command that takes every target's options in place of its `**own`, by the names of their fields."""
    own: dict[str, tuple[CommandOption, list[str]]] = {}
    for target in TARGETS:
        for option in command_options(find_options(target)):
            own.setdefault(option.field, (option, []))[1].append(target)
    signature = inspect.signature(command, eval_str=True)
    common = [entry for entry in signature.parameters.values() if entry.kind is not entry.VAR_KEYWORD]
    added = [_parameter(option, targets) for option, targets in own.values()]

    @wraps(command)
    def wrapper(*arguments: Any, **options: Any) -> None:  # noqa: ANN401 (what typer hands over)
        command(*arguments, **options)

    named = [entry.replace(kind=entry.KEYWORD_ONLY) for entry in (*common, *added)]
    wrapper.__annotations__ = {entry.name: entry.annotation for entry in named}
    wrapper.__signature__ = signature.replace(parameters=named)  # type: ignore[attr-defined]
    return wrapper


def _parameter(option: CommandOption, targets: list[str]) -> inspect.Parameter:
    kind: Any = bool if option.switch else (str | None)
    declared = typer.Option(option.flag, help=option.help, rich_help_panel=f"Options of {', '.join(targets)}")
    return inspect.Parameter(
        option.field,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if option.switch else None,
        annotation=Annotated[kind, declared],
    )
