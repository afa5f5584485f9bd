"""`ensharpen-train data`: public photograph sets, and rendered pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.console import progress, stderr, stdout
from ensharpen_edge.data.catalogue import find_set, load_catalogue
from ensharpen_edge.data.fetch import download, unpack
from ensharpen_edge.data.rendering.render import SMALLEST, find_fonts, write_scenes
from ensharpen_edge.errors import UsageError

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)

CatalogueFile = Annotated[
    Path | None, typer.Option(help="Your own catalogue, a JSON file of the same form as the one that ships.")
]


@app.command("list")
def list_sets(catalogue: CatalogueFile = None) -> None:
    """What can be fetched, and under which terms."""
    table = Table(title="public photograph sets")
    for heading in ("name", "what", "files", "size", "check", "terms"):
        table.add_column(heading)
    for entry in load_catalogue(catalogue).values():
        size = sum(file.size for file in entry.files)
        kinds = sorted({file.checksum.kind for file in entry.files if file.checksum})
        unchecked = sum(file.checksum is None for file in entry.files)
        checked = ", ".join(kinds) + (f" ({unchecked} unchecked)" if unchecked else "")
        checked = checked if entry.files else f"by hand: {entry.page}"
        table.add_row(
            entry.name, entry.what, str(len(entry.files)), f"{size / 1e6:,.0f} MB" if size else "?", checked,
            entry.licence,
        )  # fmt: skip
    stdout().print(table)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="Name from `data list`.")],
    out: Annotated[Path, typer.Option(help="Folder that the set's own folder is made in.")] = Path("photographs"),
    catalogue: CatalogueFile = None,
    keep_archives: Annotated[bool, typer.Option("--keep-archives", help="Keep what was unpacked.")] = False,
) -> None:
    """Download a set: resumable, checked, unpacked.

    [bold]Example[/]

      ensharpen-train data fetch div2k-valid --out photographs
    """
    entry = find_set(name, load_catalogue(catalogue))
    if not entry.files:
        raise UsageError(f"{name}: its publisher offers no file that a program can fetch", hint=f"see {entry.page}")
    folder = out / entry.name
    stderr().print(f"{entry.name}: {entry.licence}; {entry.page}")
    for file in entry.files:
        target = folder / file.name
        unpacked = folder / file.name.split(".", 1)[0]
        if file.unpack and unpacked.is_dir():
            continue
        if file.checksum is None:
            stderr().print(f"warning: nobody published a checksum of {file.name}; it is taken as it comes")
        with progress() as bar:
            task = bar.add_task(file.name, total=file.size or None)
            download(
                file.url,
                target,
                file.checksum,
                lambda done, total, bar=bar, task=task: bar.update(task, completed=done, total=total or None),  # type: ignore[misc]
            )
        if file.unpack:
            unpack(target, unpacked)
            if not keep_archives:
                target.unlink()
    stdout().print(str(folder))


@app.command("render")
def render_scenes(
    out: Annotated[Path, typer.Option(help="Folder that they are written to, e.g. one of your photographs.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures, the kinds in turn.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Of the first; the next ones follow.")] = 0,
    side: Annotated[int, typer.Option(min=SMALLEST, max=4096, help="Height and width, pixels.")] = 1024,
    fonts: Annotated[
        Path | None, typer.Option(help="Folder of fonts, e.g. /usr/share/fonts; by default the one Pillow brings.")
    ] = None,
) -> None:
    """Draw sharp text, interfaces, charts and line art, which photographs seldom show.

    [bold]Example[/]

      ensharpen-train data render --out photographs/rendered --fonts /usr/share/fonts
    """
    found = find_fonts(fonts) if fonts else ()
    with progress() as bar:
        task = bar.add_task("pictures", total=count)
        write_scenes(out, count, seed, (side, side), found, lambda: bar.advance(task))
    stdout().print(str(out))
