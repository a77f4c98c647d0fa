"""The key that other nodes know this one by: given, or kept in a file as op-node keeps it (64 hex digits), made where there is none."""

from __future__ import annotations

import secrets
from pathlib import Path

from trinode.node.config import NodeConfig
from trinode.node.key_file import read_key
from trinode.node.start import StartError
from trinode.p2p.identity import Identity
from trinode.p2p.state_file import write_whole

KEY_FILE = "p2p_priv.txt"
"""In the datadir, where no other is named."""


def read_identity(config: NodeConfig) -> Identity:
    """Who we are. Raises StartError: the file cannot be read, or written, or holds no key."""
    settings = config.p2p
    if settings.key is not None:
        return Identity(settings.key)
    path = settings.key_file or config.general.datadir / KEY_FILE
    if settings.key_file is None and not path.exists():
        return Identity(_make(path))
    return Identity(read_key("p2p.priv.path", path, ". `trinode p2p genkey` makes one"))


def _make(path: Path) -> bytes:
    """A new key, on disk before it is used, and readable by its owner alone."""
    key = secrets.token_bytes(32)
    try:
        write_whole(path, f"{key.hex()}\n".encode())
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}: the key of this node cannot be kept there") from error
    return key
