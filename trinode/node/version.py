"""Which trinode this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def trinode_version() -> str:
    """The version of this package."""
    try:
        return version("trinode")
    except PackageNotFoundError:
        return "unknown"
