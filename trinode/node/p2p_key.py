"""The key that other nodes know this one by: given, or kept in a file as op-node keeps it (64 hex digits), made where there is none."""

from __future__ import annotations

import secrets
from pathlib import Path

from trinode.node.config import NodeConfig
from trinode.node.config.values import KEY, BadValue
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
    if settings.key_file is not None:
        return Identity(_read(settings.key_file))
    path = config.general.datadir / KEY_FILE
    return Identity(_read(path) if path.exists() else _make(path))


def _read(path: Path) -> bytes:
    try:
        key: bytes = KEY.parse(path.read_text(encoding="ascii").strip())
        Identity(key)
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"p2p.priv.path: {path}: {getattr(error, 'strerror', None) or 'not text'}") from error
    except (BadValue, ValueError) as error:
        raise StartError(f"p2p.priv.path: {path}: {error}. `trinode p2p genkey` makes one") from error
    return key


def _make(path: Path) -> bytes:
    """A new key, on disk before it is used, and readable by its owner alone."""
    key = secrets.token_bytes(32)
    try:
        write_whole(path, f"{key.hex()}\n".encode())
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}: the key of this node cannot be kept there") from error
    return key
