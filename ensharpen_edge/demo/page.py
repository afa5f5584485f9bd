"""The demonstration's HTML page."""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from urllib.parse import quote

from ensharpen_edge.visible_text import one_line


@dataclass(frozen=True)
class DemoRow:
    """One photograph of the page.

    Attributes:
        name: Name on the page, and stem of its three files (`NAME-before.png`, `-after.png`, `-truth.png`).
        width, height: Size in pixels.
        before, after: PSNR of the blurred and the sharpened photograph against the ground truth, dB.
        milliseconds: Time from pixels to pixels.
    """

    name: str
    width: int
    height: int
    before: float
    after: float
    milliseconds: float

    @property
    def gain(self) -> float:
        """Gain in PSNR, dB."""
        return self.after - self.before


_FIGURE = Template("""
<figure>
  <div class="stage" style="--cut:50%; aspect-ratio:$width/$height">
    <img class="bottom" src="$file-after.png" alt="$name, sharpened">
    <img class="top" src="$file-before.png" alt="$name, blurred"><i></i>
    <span class="l">blurred</span><span class="r">sharpened</span>
  </div>
  <input type="range" min="0" max="100" value="50" aria-label="divider for $name">
  <figcaption><span>$name: $before dB, sharpened $after dB</span>
    <fieldset>
      <label><input type="radio" name="$name" checked data-left="$file-before.png" data-right="$file-after.png"
        data-left-label="blurred" data-right-label="sharpened"> before / after</label>
      <label><input type="radio" name="$name" data-left="$file-after.png" data-right="$file-truth.png"
        data-left-label="sharpened" data-right-label="ground truth"> after / truth</label>
    </fieldset>
  </figcaption>
</figure>""")


def render(lead: str, rows: Sequence[DemoRow]) -> str:
    """Return the whole page; `lead` is one sentence of plain text above the table."""
    template = Template(resources.files("ensharpen_edge.demo").joinpath("page.html").read_text("utf-8"))
    table = "".join(
        f"<tr><td>{_text(r.name)}</td><td>{r.width}x{r.height}</td><td>{r.before:.2f}</td>"
        f"<td>{r.after:.2f}</td><td>{r.gain:+.2f}</td><td>{r.milliseconds:.0f}</td></tr>"
        for r in rows
    )
    figures = "".join(
        _FIGURE.substitute(
            name=_text(r.name),
            file=quote(os.fsencode(r.name)), width=r.width, height=r.height,
            before=f"{r.before:.2f}", after=f"{r.after:.2f}",
        )
        for r in rows
    )  # fmt: skip
    return template.substitute(lead=_text(lead), rows=table, figures=figures)


def _text(text: str) -> str:
    return html.escape(one_line(text), quote=True)
