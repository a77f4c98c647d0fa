"""What the stages have to tell: kept until the pipeline hands it to the driver, in order."""

from __future__ import annotations

from trinode.derive.drops import DropReason
from trinode.derive.events import Dropped, Notice, Progressed, Subject
from trinode.protocol.types import BlockId


class Journal:
    """Notices of the stages. Drops are always noted; progress only where somebody observes (it costs time)."""

    def __init__(self, observing: bool) -> None:
        self.observing = observing
        self.notices: list[Notice] = []
        self.origin = BlockId(0, b"")

    def dropped(self, reason: DropReason, subject: Subject, name: str, detail: str = "") -> None:
        """Note that a piece of data came to nothing."""
        self.notices.append(Dropped(reason, subject, name, self.origin, detail))

    def progressed(self, what: str, subject: Subject, name: str, detail: str = "") -> None:
        """Note that a piece of data went on; call it only `if journal.observing`, so that nobody formats for nothing."""
        self.notices.append(Progressed(what, subject, name, self.origin, detail))
