"""The tree as static files, in the layout of C2SP tlog-tiles: `tile/<level>/<index>`, 256 hashes of 32 bytes in each.

Level 0 holds the leaves, each level above the roots of full tiles below. The last tile of a level is partial:
`<index>.p/<hashes>`. An index is written in groups of three digits, all but the last with an x: `x001/x234/067`.
The entries themselves are the lines of events.ndjson, not tiles a second time.
"""

import shutil
from pathlib import Path
from typing import Final

from infra.merkle import HASH_BYTES, root_of

WIDTH: Final = 256
_TILE_BYTES: Final = WIDTH * HASH_BYTES


def tile_path(level: int, index: int, hashes: int = WIDTH) -> str:
    digits = f"{index % 1000:03}"
    while index := index // 1000:
        digits = f"x{index % 1000:03}/{digits}"
    return f"tile/{level}/{digits}" + (f".p/{hashes}" if hashes < WIDTH else "")


class Tiles:
    """Written as the tree grows; `edges` are the hashes of each level that do not fill a tile yet."""

    def __init__(self, folder: Path, size: int = 0, edges: list[bytes] | None = None) -> None:
        self._folder = folder
        self._edges = [bytearray(edge) for edge in edges] if edges else [bytearray()]
        self._full = [size // WIDTH ** (level + 1) for level in range(len(self._edges))]
        if not size:
            shutil.rmtree(folder / "tile", ignore_errors=True)

    @property
    def edges(self) -> list[bytes]:
        return [bytes(edge) for edge in self._edges]

    def extend(self, leaves: bytes) -> None:
        """Leaf hashes, one after another."""
        self._edges[0] += leaves
        self._write_full(0)

    def finish(self) -> None:
        for level, edge in enumerate(self._edges):
            if edge:
                self._write(level, self._full[level], bytes(edge))

    def _write_full(self, level: int) -> None:
        edge = self._edges[level]
        while len(edge) >= _TILE_BYTES:
            tile = bytes(edge[:_TILE_BYTES])
            del edge[:_TILE_BYTES]
            self._write(level, self._full[level], tile)
            self._full[level] += 1
            if level + 1 == len(self._edges):
                self._edges.append(bytearray())
                self._full.append(0)
            root = root_of([tile[at : at + HASH_BYTES] for at in range(0, _TILE_BYTES, HASH_BYTES)])
            self._edges[level + 1] += root
            self._write_full(level + 1)

    def _write(self, level: int, index: int, tile: bytes) -> None:
        path = self._folder / tile_path(level, index, len(tile) // HASH_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tile)
