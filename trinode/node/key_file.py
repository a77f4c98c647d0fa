"""Private keys in files, 64 hex digits each, as op-node and op-batcher keep them."""

from __future__ import annotations

from pathlib import Path

from trinode.node.config.values import KEY, BadValue
from trinode.node.start import StartError


def read_key(option: str, path: Path, remedy: str = "") -> bytes:
    """The 32 bytes. `option`: the one that names the file; `remedy`: for a file without a key. Raises StartError."""
    try:
        key: bytes = KEY.parse(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise StartError(f"{option}: {path}: {getattr(error, 'strerror', None) or 'not text'}") from error
    except BadValue as error:
        raise StartError(f"{option}: {path}: {error}{remedy}") from error
    return key
