"""`ensharpen-train data`: public photograph sets, and rendered pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ensharpen_edge.console import command_line, show_progress, stderr, stdout
from ensharpen_edge.data.catalogue import find_set, load_catalogue
from ensharpen_edge.data.fetch_set import fetch_set
from ensharpen_edge.data.rendering.render import SMALLEST, find_fonts, write_scenes

app = command_line(no_args_is_help=True)

CatalogueFile = Annotated[
    Path | None, typer.Option(help="Your own catalogue, a JSON file of the same form as the one that ships.")
]


@app.command("list")
def list_sets(catalogue: CatalogueFile = None) -> None:
    """List the sets that can be fetched, and their terms."""
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
    stderr().print(f"{entry.name}: {entry.licence}; {entry.page}")
    with show_progress() as progress:
        fetched = fetch_set(entry, out, keep_archives, progress)
    for file in fetched.unchecked:
        stderr().print(f"warning: nobody published a checksum of {file}; it was taken as it came")
    stdout().print(str(fetched.folder))


@app.command("render")
def render_scenes(
    out: Annotated[Path, typer.Option(help="Folder that they are written to, e.g. one of your photographs.")],
    count: Annotated[int, typer.Option(min=1, help="Pictures, the kinds in turn.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first picture; the next ones follow.")] = 0,
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
    with show_progress() as progress:
        write_scenes(out, count, seed, (side, side), found, progress)
    stdout().print(str(out))
