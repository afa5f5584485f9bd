"""WebDataset shards: tar files of photographs, for sets that outgrow one machine's memory.

A window slides over the stream of photographs: at step s it holds the photographs number s*r to s*r + W of the
stream, with r photographs entering per step. What is at hand is a function of the step alone, so a run can go on at
any step; it skips forward without decoding.
"""

from __future__ import annotations

import itertools
import tarfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ensharpen_edge.arrays import U8
from ensharpen_edge.data.crops import CropSampler
from ensharpen_edge.data.photos import PhotoSet
from ensharpen_edge.errors import BadInputError, UsageError, require
from ensharpen_edge.imaging.decode import SUFFIXES, decode_photo


def is_shards(data: str) -> bool:
    """Return whether `--data` names tar files: `train-{0000..0063}.tar`."""
    return data.endswith(".tar")


def shard_files(pattern: str) -> list[Path]:
    """Return the tar files that a shard pattern names; all of them are local files, whatever they look like.

    A file of exactly this name is that file. Otherwise the braces are expanded, once.

    Raises:
        BadInputError: A shard is missing.
        UsageError: Braces without a partner.
    """
    if Path(pattern).is_file():
        return [Path(pattern)]
    braceexpand = require("braceexpand", "train")
    try:
        files = [Path(name) for name in braceexpand.braceexpand(pattern)]
    except braceexpand.UnbalancedBracesError as error:
        raise UsageError(f"--data {pattern}: {error}", hint="--data 'set-{000..063}.tar'") from error
    missing = [path for path in files if not path.is_file()]
    if missing:
        raise BadInputError(f"{missing[0]}: no such shard ({len(missing)} of {len(files)} are missing)")
    return files


@dataclass(frozen=True)
class ShardConfig:
    """How shards are read.

    Attributes:
        files: The tar files.
        window: Photographs at hand at a time.
        per_step: Photographs that enter the window at each step.
        seed: Seed of the order of shards, which is another one in every epoch.
        rank, world: This process reads shards rank, rank + world, ...
    """

    files: tuple[Path, ...]
    window: int = 64
    per_step: int = 1
    seed: int = 0
    rank: int = 0
    world: int = 1


@dataclass
class ShardSource:
    """See the module. Not for random access: steps should be asked in rising order, or the stream starts again.

    Attributes:
        config: The shards to read.
        skipped: `shard/name: reason` of the photographs that could not be used, once each.
    """

    config: ShardConfig
    skipped: list[str] = field(default_factory=list)
    _window: deque[tuple[str, U8]] = field(default_factory=deque)
    _told: set[str] = field(default_factory=set)
    _next: int = 0
    _stream: Iterator[tuple[str, bytes]] | None = None

    def sampler(self, step: int, size: int) -> CropSampler:
        """See `PhotoSource.sampler`."""
        first = step * self.config.per_step
        last = first + self.config.window
        if self._stream is None or first < self._next - len(self._window):
            self._stream, self._next = self._samples(), 0
            self._window.clear()
        while self._next < last:
            name, content = next(self._stream)
            if self._next >= first:
                self._window.append((name, self._decode(name, content)))
            self._next += 1
        while len(self._window) > self.config.window:
            self._window.popleft()
        usable = [(name, image) for name, image in self._window if min(image.shape[:2]) >= size]
        for name, image in self._window:
            if 1 < min(image.shape[:2]) < size:
                self._skip(f"{name}: {image.shape[1]}x{image.shape[0]} is smaller than {size} pixels")
        if not usable:
            raise BadInputError(
                f"none of the {len(self._window)} photographs at hand is readable and at least {size} pixels a side",
                hint="; ".join(self.skipped[:3]) or "use larger photographs or smaller crops",
            )
        return CropSampler(PhotoSet(tuple(n for n, _ in usable), tuple(i for _, i in usable)), size)

    def _decode(self, name: str, content: bytes) -> U8:
        try:
            return decode_photo(content, Path(name)).rgb
        except BadInputError as error:
            self._skip(str(error))
            return np.zeros((1, 1, 3), dtype=np.uint8)

    def _skip(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self.skipped.append(line)

    def _samples(self) -> Iterator[tuple[str, bytes]]:
        """Yield the names and bytes of photographs, epoch after epoch, without end."""
        suffixes = {suffix.lstrip(".") for suffix in SUFFIXES}
        for epoch in itertools.count():
            order = np.random.default_rng((self.config.seed, epoch)).permutation(len(self.config.files))
            mine = [self.config.files[i] for i in order][self.config.rank :: self.config.world]
            if not mine:
                raise BadInputError(
                    f"{len(self.config.files)} shards cannot be shared by {self.config.world} processes",
                    hint="write more and smaller shards",
                )
            found = 0
            try:
                for sample in _read_samples(mine):
                    for key, content in sample.items():
                        if key.lower().rsplit(".", 1)[-1] in suffixes and isinstance(content, bytes):
                            found += 1
                            yield f"{Path(sample['__url__']).name}/{sample['__key__']}.{key}", content
            except (tarfile.TarError, OSError, EOFError, ValueError) as error:  # ValueError: one name twice
                raise BadInputError(f"a shard among {', '.join(map(str, mine[:3]))} is damaged ({error})") from error
            if not found:
                raise BadInputError(f"{mine[0]}: holds no photographs", hint=f"looked for {', '.join(SUFFIXES)}")


def _read_samples(files: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """WebDataset's samples of tar files, in order, with `__key__` and with the file's path as `__url__`.

    WebDataset is given open files and never a name: it takes names for URLs, expands braces in them, and runs what
    follows `pipe:` as a command.
    """
    reader: Any = require("webdataset.tariterators", "train")
    for path in files:
        with path.open("rb") as stream:
            contents = reader.tar_file_expander([{"url": str(path), "stream": stream}])
            yield from reader.group_by_keys(contents)
