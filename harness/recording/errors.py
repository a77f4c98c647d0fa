"""What is wrong with a recording, said in one line."""

from __future__ import annotations

from pathlib import Path


class RecordingError(ValueError):
    """A recording that cannot be read or written.

    `line` counts from 1 (0: the file as a whole); `field` is a path such as `transactions[3]` ("" where none is to blame).
    """

    def __init__(self, path: Path, line: int, field: str, message: str) -> None:
        place = f"{path}: line {line}" if line else str(path)
        super().__init__(f"{place}: {field}: {message}" if field else f"{place}: {message}")
        self.path = path
        self.line = line
        self.field = field
        self.message = message


class FieldError(ValueError):
    """A field of one line is wrong; the reader adds path and line to make a `RecordingError`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
