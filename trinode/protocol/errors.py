"""The one error family of the codecs: bytes that somebody else wrote do not say what they should."""

from __future__ import annotations


class DecodingError(ValueError):
    """Input bytes are not a valid encoding; each module defines its own subclass, and a decoder raises nothing else."""
