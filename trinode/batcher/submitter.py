"""Sends batcher transactions and follows them into L1's blocks: nonces, replacements, transactions that L1 dropped or reorged out.

Nothing of it is on disk. What an earlier run left in L1's pool is waited for (`settle`), and then replaced.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from trinode.batcher.channels import Submission
from trinode.batcher.fees import Fees, Quote, first_fees, quote_of, raised_fees
from trinode.batcher.l1_sender import L1Head, L1Sender, Refusal, TransactionRefused
from trinode.batcher.news import News
from trinode.batcher.settings import BatcherSettings
from trinode.batcher.sidecar import BLOB_PROOFS, CELL_PROOFS
from trinode.batcher.signing import Signer
from trinode.rollup.l1_chain import L1ChainConfig

_BACK_OFF = 10.0
"""Seconds until a transaction that L1 refuses for no fault of its fees is tried again, and until a gap before the nonces is believed."""


class Rebuild(Exception):
    """What was packed and sent is worth nothing any more: begin again at the safe head. The message says why."""


class Submitter:
    """The batcher's account on one L1. `clock` gives seconds."""

    def __init__(
        self, signer: Signer, l1: L1Sender, l1_config: L1ChainConfig, settings: BatcherSettings, clock: Callable[[], float], news: News
    ) -> None:
        self.address = signer.address
        self._signer = signer
        self._l1 = l1
        self._l1_config = l1_config
        self._settings = settings
        self._clock = clock
        self._news = news
        self._next_nonce = 0
        self._version: int | None = None  # of sidecars, where L1 has said which it takes
        self._blocking_fees: Fees | None = None
        self._gap_since: float | None = None
        self.in_flight: list[Submission] = []

    @property
    def waiting(self) -> list[Submission]:
        """What was sent and is in no block, by nonce."""
        return [submission for submission in self.in_flight if submission.inclusion is None]

    async def quote(self, head: L1Head) -> Quote:
        """L1's fees now. Raises L1Unavailable."""
        return quote_of(head, await self._l1.tip(), self._l1_config, self._settings)

    # ---- sending ----

    async def send(self, submission: Submission, head: L1Head) -> None:
        """Give it the next nonce and send it. Raises L1Unavailable; if it has its nonce then, it counts as sent."""
        submission.fees = first_fees(await self.quote(head), self._settings)
        # Nothing was sent up to here; whatever goes wrong from here on, L1 may have it.
        submission.nonce = self._next_nonce
        self._next_nonce += 1
        self.in_flight.append(submission)
        await self._transmit(submission, head)

    async def _transmit(self, submission: Submission, head: L1Head, *, other_version: bool = False) -> None:
        """Send the transaction with its fees as they are, and note what L1 says. Raises L1Unavailable."""
        submission.sent_at = self._clock()
        submission.act_at, submission.raise_fees = submission.sent_at + self._settings.poll_interval, False
        version = self._sidecar_version(head)
        signed = await self._signer.sign(submission, version)
        if signed.hash not in submission.sent:
            submission.sent.append(signed.hash)
        try:
            await self._l1.send(signed.network)
        except TransactionRefused as error:
            if error.refusal is Refusal.SIDECAR_VERSION and submission.in_blobs and not other_version:
                self._version = CELL_PROOFS if version == BLOB_PROOFS else BLOB_PROOFS
                self._news.say("sidecar", f"L1 does not take blob proofs of version {version}, trying {self._version}: {error}")
                await self._transmit(submission, head, other_version=True)
                return
            await self._refused(submission, error, head)
        else:
            self._accepted(submission)

    def _sidecar_version(self, head: L1Head) -> int:
        osaka = self._l1_config.osaka_time
        wants_cells = osaka is not None and head.timestamp >= osaka and not self._settings.blob_proofs_only
        by_time = CELL_PROOFS if wants_cells else BLOB_PROOFS
        return by_time if self._version is None else self._version

    def _accepted(self, submission: Submission) -> None:
        submission.accepted = True
        submission.act_at, submission.raise_fees = self._clock() + self._settings.resubmission_timeout, True
        self._news.over("refused")

    async def _refused(self, submission: Submission, error: TransactionRefused, head: L1Head) -> None:
        refusal = error.refusal
        if refusal in {Refusal.ALREADY_KNOWN, Refusal.NONCE_TOO_LOW}:
            self._accepted(submission)  # Whose transaction has a nonce that is used is for `track` to find out.
            return
        self._news.say("refused", f"L1 refuses transaction {submission.nonce}: {error}")
        if refusal in {Refusal.REPLACEMENT_UNDERPRICED, Refusal.UNDERPRICED}:
            submission.raise_fees = True
        elif refusal is Refusal.ALREADY_RESERVED:
            await self._unblock(head, in_blobs=not submission.in_blobs)
        elif refusal is not Refusal.NONCE_TOO_HIGH:
            submission.act_at = self._clock() + _BACK_OFF

    async def _unblock(self, head: L1Head, *, in_blobs: bool) -> None:
        """Replace the transaction of the other kind that waits at the lowest nonce by an empty one, which pays until it is taken."""
        nonce = await self._l1.nonce(self.address, pending=False)
        quote = await self.quote(head)
        before = self._blocking_fees or first_fees(quote, self._settings)
        fees = raised_fees(before, quote, self._settings, in_blobs=in_blobs)
        if fees is None:
            self._news.say("fees", f"the transaction that blocks nonce {nonce} cannot be replaced within the fee limits")
            return
        self._blocking_fees = fees
        cancellation = Submission((), in_blobs, nonce=nonce, fees=fees)
        signed = await self._signer.sign(cancellation, self._sidecar_version(head))
        try:
            await self._l1.send(signed.network)
        except TransactionRefused as error:
            self._news.say("unblock", f"L1 does not take an empty transaction in place of the one that blocks nonce {nonce}: {error}")
        else:
            self._news.say("unblock", f"replaced the transaction that blocks nonce {nonce} by an empty one")

    # ---- following ----

    async def track(self, head: L1Head) -> None:
        """Look for what was sent, and send again what L1 lost or left waiting. Raises Rebuild, L1Unavailable."""
        if not self.in_flight:
            return
        latest = await self._l1.nonce(self.address, pending=False)
        pending = await self._l1.nonce(self.address, pending=True)
        self._check_gap(pending)
        for submission in list(self.in_flight):
            assert submission.nonce is not None
            if submission.nonce < latest:
                await self._look_for(submission, head)
                continue
            if submission.inclusion is not None:
                self._news.log(f"transaction {submission.nonce} was reorged out of L1 block {submission.inclusion.number}")
                submission.inclusion, submission.looked_at = None, None
            await self._push(submission, head, pooled=submission.nonce < pending)
        self.in_flight = [submission for submission in self.in_flight if not self._is_final(submission, head)]

    def _check_gap(self, pending: int) -> None:
        """A reorg may take out what an earlier run sent, which nobody sends again: then nothing of this run gets in. Raises Rebuild."""
        first = min(submission.nonce for submission in self.in_flight if submission.nonce is not None)
        if pending >= first:
            self._gap_since = None
            return
        now = self._clock()  # An endpoint that lags says the same for a while.
        self._gap_since = now if self._gap_since is None else self._gap_since
        if now - self._gap_since >= _BACK_OFF:
            raise Rebuild(f"L1's next nonce is {pending}, and what was sent begins at {first}")

    def _is_final(self, submission: Submission, head: L1Head) -> bool:
        inclusion = submission.inclusion
        return inclusion is not None and head.number >= inclusion.number + self._settings.num_confirmations

    async def _look_for(self, submission: Submission, head: L1Head) -> None:
        """The nonce is used: by which version, in which block?"""
        if submission.inclusion is not None and submission.looked_at == head.id.hash:
            return
        for name in reversed(submission.sent):
            inclusion = await self._l1.inclusion(name)
            if inclusion is not None:
                submission.inclusion, submission.looked_at, submission.missing_since = inclusion, head.id.hash, None
                return
        # Nodes know a new block's nonces before they know its receipts.
        now = self._clock()
        submission.inclusion = None
        submission.missing_since = now if submission.missing_since is None else submission.missing_since
        if now - submission.missing_since >= self._settings.resubmission_timeout:
            raise Rebuild(f"nonce {submission.nonce} was used by another transaction")

    async def _push(self, submission: Submission, head: L1Head, *, pooled: bool) -> None:
        """Send again what waits for too long, or is not in L1's pool."""
        now = self._clock()
        if submission.accepted and not pooled and now >= submission.sent_at + 2 * self._settings.poll_interval:
            self._news.say("lost", f"transaction {submission.nonce} is not in L1's pool any more")
            submission.raise_fees = False
        elif now < submission.act_at:
            return
        if submission.raise_fees:
            assert submission.fees is not None
            raised = raised_fees(submission.fees, await self.quote(head), self._settings, in_blobs=submission.in_blobs)
            if raised is None:
                self._news.say("fees", f"transaction {submission.nonce} waits: to replace it would cost more than the fee limits allow")
            else:
                self._news.log(f"replacing transaction {submission.nonce}: {_in_words(submission, raised)}")
                submission.fees = raised
        await self._transmit(submission, head)

    # ---- beginning ----

    async def settle(self) -> None:
        """Wait until nothing of the account is in L1's pool, or it has been waited for long enough; then nonces begin anew.

        What this run has sent is still replaced where it pays too little. Raises L1Unavailable.
        """
        deadline = self._clock() + self._settings.settle_timeout
        while True:
            latest = await self._l1.nonce(self.address, pending=False)
            pending = await self._l1.nonce(self.address, pending=True)
            if pending <= latest:
                break
            if self._clock() >= deadline:
                self._news.log(f"{pending - latest} transactions from nonce {latest} on are stuck in L1's pool and will be replaced")
                break
            self._news.say("settle", "waiting for transactions that are still in L1's pool")
            head = await self._l1.head()
            self.in_flight = [submission for submission in self.waiting if submission.nonce is not None and submission.nonce >= latest]
            for submission in self.in_flight:
                await self._push(submission, head, pooled=True)
            await trio.sleep(self._settings.poll_interval)
        self._news.over("settle")
        self._blocking_fees, self._gap_since = None, None
        self._next_nonce = latest
        self.in_flight = []


def _in_words(submission: Submission, fees: Fees) -> str:
    blob_fee = f", {fees.max_blob_fee} wei per blob gas" if submission.in_blobs else ""
    return f"{fees.tip} wei of priority fee, {fees.max_fee} wei in all{blob_fee}"
