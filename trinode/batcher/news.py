"""What the batcher says to its operator: each state of affairs once, not at every poll."""

from __future__ import annotations

from collections.abc import Callable


class News:
    """Passes lines on to `log`."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self.log = log
        self._said: dict[str, str] = {}

    def say(self, subject: str, message: str) -> None:
        """Log the message, unless it was the last one on its subject."""
        if self._said.get(subject) != message:
            self._said[subject] = message
            self.log(message)

    def over(self, subject: str) -> None:
        """The subject is done with; the same message would be news."""
        self._said.pop(subject, None)
