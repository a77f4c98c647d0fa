"""What is wrong with a file of blocks to execute, said in one line."""

from __future__ import annotations

from pathlib import Path


class ExecutionFileError(ValueError):
    """A file that cannot be executed: not readable, malformed, or at odds with itself. `field` is a path such as
    `attributes.timestamp`, or `line 3: hash` ("" where none is to blame).
    """

    def __init__(self, path: Path, field: str, message: str) -> None:
        super().__init__(f"{path}: {field}: {message}" if field else f"{path}: {message}")
        self.path = path
        self.field = field
        self.message = message
