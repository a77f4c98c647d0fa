"""`trinode-harness explain`: what became of every batcher transaction, blob, frame, channel and batch of a recording, and why."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import click

from harness.endings import EXIT_DIFFERENT, fail
from harness.fake_execution import FakeExecution
from harness.l1_view import UnsupportedRecording
from harness.recording import RecordingError, open_recording
from harness.replay import replay_recorded
from harness.replay_command import DEFAULT_RECORDING, describe_difference
from trinode.derive.drops import DropReason
from trinode.derive.errors import CriticalError, UnsupportedChain
from trinode.derive.events import ConfigProblem, DerivedAttributes, Dropped, HeadsFound, Notice, Progressed
from trinode.rollup.l2_block import L2Block


class Explainer:
    """Prints notices under the L1 block at which they happened, as text or as JSON lines."""

    def __init__(self, *, as_json: bool, drops_only: bool, names: dict[str, str]) -> None:
        self._as_json = as_json
        self._drops_only = drops_only
        self._names = names
        self._l1_number: int | None = None
        self.drops: Counter[DropReason] = Counter()

    def notice(self, notice: Notice) -> None:
        """Explain one notice of the pipeline."""
        if isinstance(notice, Dropped):
            self.drops[notice.reason] += 1
            self._line(notice.origin.number, notice.subject.value, notice.name, "dropped", notice.reason, notice.detail)
        elif isinstance(notice, Progressed) and not self._drops_only:
            self._line(notice.origin.number, notice.subject.value, notice.name, notice.what, None, notice.detail)
        elif isinstance(notice, ConfigProblem):
            self._line(notice.origin.number, "config update", "", "ignored", None, notice.detail)
        elif isinstance(notice, HeadsFound):
            detail = f"safe head {notice.safe.number}, unsafe head {notice.unsafe.number}"
            self._line(notice.l1_base.number, "pipeline", "", "starts", None, detail)

    def derived(self, derived: DerivedAttributes, block: L2Block | None) -> None:
        """Explain one set of derived attributes."""
        if self._drops_only:
            return
        what = "derived" if block is not None else "refused by the engine"
        detail = f"origin {derived.l1_origin.number}, sequence number {derived.sequence_number}, {len(derived.attributes.transactions)} transactions"
        self._line(derived.derived_from.number, "L2 block", str(derived.number), what, None, detail)

    def _line(self, l1_number: int, subject: str, name: str, what: str, reason: DropReason | None, detail: str) -> None:
        if self._as_json:
            fields = {"l1": l1_number, "subject": subject, "name": name, "what": what}
            if reason is not None:
                fields |= {"reason": reason.name.lower(), "because": reason.value}
            click.echo(json.dumps(fields | ({"detail": detail} if detail else {})))
            return
        if l1_number != self._l1_number:
            self._l1_number = l1_number
            click.echo(f"L1 block {l1_number}")
        text = " ".join(part for part in (subject, name, what) if part)
        because = f": {reason.value} [{reason.name.lower()}]" if reason is not None else ""
        note = self._names.get(name, "")
        click.echo(f"  {text}{because}{f' ({detail})' if detail else ''}{f' <- {note}' if note else ''}")


@click.command()
@click.argument("recording", type=click.Path(path_type=Path), default=DEFAULT_RECORDING)
@click.option("--drops", "drops_only", is_flag=True, help="Only what was dropped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--fake-execution", is_flag=True, help="Go on with made-up blocks where the recording has none that agree.")
def explain(recording: Path, drops_only: bool, as_json: bool, fake_execution: bool) -> None:
    """Print for every batcher transaction, frame, channel and batch of RECORDING what became of it, and the rule that decided."""
    try:
        with open_recording(recording) as reader:
            head, items = reader.head, list(reader)
        names = {note.transaction.hex(): note.what for note in head.notes}
        explainer = Explainer(as_json=as_json, drops_only=drops_only, names=names)
        report = replay_recorded(
            head,
            items,
            FakeExecution(head.rollup_config),
            lenient=fake_execution,
            on_derived=explainer.derived,
            on_notice=explainer.notice,
        )
    except RecordingError as error:
        fail(str(error))
    except (UnsupportedRecording, UnsupportedChain) as error:
        fail(f"{recording}: {error}")
    except CriticalError as error:
        fail(f"derivation of {recording} stops: {error}", EXIT_DIFFERENT)
    if not as_json:
        click.echo(f"\n{report.derived} blocks derived; dropped, by rule:")
        for reason, count in explainer.drops.most_common():
            click.echo(f"{count:8} {reason.name.lower()}: {reason.value}")
    if report.difference is not None:
        click.echo(describe_difference(report.difference), err=True)
        sys.exit(EXIT_DIFFERENT)
