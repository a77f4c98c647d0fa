"""What outlives a restart: our record (so that its number goes on) and the nodes that were there, in one small file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from trinode.p2p.discovery.enr import Enr, parse_enr
from trinode.p2p.errors import ProtocolViolation
from trinode.p2p.state_file import write_whole

MOST_NODES = 1000
_LARGEST_FILE = 1 << 20


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    record: str
    nodes: list[str]


@dataclass(frozen=True, slots=True)
class Saved:
    """Our last record, and nodes that answered us last time."""

    record: Enr | None = None
    nodes: tuple[Enr, ...] = ()


class UnreadableFile(Exception):
    """The file is damaged; one line that says how. Nothing in it is needed: one may go on without."""


def load(path: Path) -> Saved:
    """Reads the file; nothing, where there is none. Raises UnreadableFile and OSError."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE)
    except FileNotFoundError:
        return Saved()
    try:
        read = msgspec.json.decode(content, type=_Content)
        return Saved(parse_enr(read.record), tuple(parse_enr(text) for text in read.nodes[:MOST_NODES]))
    except (msgspec.DecodeError, UnicodeDecodeError, ProtocolViolation) as error:
        raise UnreadableFile(f"{path}: not a file of discovery: {error}") from error


def save(path: Path, saved: Saved) -> None:
    """Writes the file whole, or leaves the one before. Raises OSError."""
    content = _Content(str(saved.record), [str(record) for record in saved.nodes[:MOST_NODES]])
    write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=1))
