"""Users of a devnet: accounts that send each other ether, at a rate, for as long as they are let."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import httpx

from trinode.devnet.accounts import ACCOUNTS, ETHER, L2_CHAIN_ID, DevnetAccount, account_of
from trinode.protocol.keccak import keccak256
from trinode.protocol.transaction import DynamicFeeTransaction, encode_transaction, sign_transaction, transaction_hash
from trinode.protocol.types import Address, Hash32

_GAS = 21_000
_MAX_FEE, _TIP = 10**11, 10**6
_GRANT = 10 * ETHER
_UNREACHABLE_PAUSE = 0.05
_MOST_REMEMBERED = 4096


def transfer(sender: DevnetAccount, nonce: int, to: Address, value: int) -> bytes:
    """A signed transfer on the devnet's L2, raw."""
    unsigned = DynamicFeeTransaction(L2_CHAIN_ID, nonce, _TIP, _MAX_FEE, _GAS, to, value, b"")
    return encode_transaction(sign_transaction(unsigned, sender.key))


class TransferLoad:
    """Sends `rate` transfers a second, from each of `accounts` in turn, to the node at `url` (settable; None: nowhere now).

    A node that is gone, or refuses, is no error: `refused` counts what it said. `accepted` are the hashes that it took last.
    """

    def __init__(self, rate: float, accounts: Sequence[DevnetAccount] = ACCOUNTS) -> None:
        self.url: str | None = None
        self.sent = 0
        self.late = 0
        """Transfers that were left out because the node, or this machine, was too slow."""
        self.refused: Counter[str] = Counter()
        self.accepted: deque[Hash32] = deque(maxlen=_MOST_REMEMBERED)
        self._interval = 1 / rate
        self._accounts = accounts
        self._nonces: dict[Address, int] = {}
        self._stopped = threading.Event()
        self._http = httpx.Client(timeout=10.0, trust_env=False)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> TransferLoad:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._http.close()

    def _run(self) -> None:
        due, turn = time.monotonic(), 0
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due += self._interval
            behind = int((time.monotonic() - due) / self._interval)
            if behind * self._interval > 1:
                self.late += behind
                due += behind * self._interval
            url, sender = self.url, self._accounts[turn % len(self._accounts)]
            turn += 1
            try:
                if url is not None:
                    self._send(url, sender, self._accounts[turn % len(self._accounts)].address)
            except httpx.HTTPError as error:
                self.refused[type(error).__name__] += 1
                self._nonces.clear()
                self._stopped.wait(_UNREACHABLE_PAUSE)

    def _send(self, url: str, sender: DevnetAccount, to: Address) -> None:
        nonce = self._nonces.get(sender.address)
        if nonce is None:
            reply = self._ask(url, "eth_getTransactionCount", "0x" + sender.address.hex(), "pending")
            if "result" not in reply:
                self.refused[reply["error"]["message"]] += 1
                return
            nonce = int(reply["result"], 16)
        raw = transfer(sender, nonce, to, 1)
        reply = self._ask(url, "eth_sendRawTransaction", "0x" + raw.hex())
        if "result" in reply:
            self._nonces[sender.address] = nonce + 1
            self.sent += 1
            self.accepted.append(transaction_hash(raw))
        else:
            self._nonces.pop(sender.address, None)
            self.refused[reply["error"]["message"].partition(":")[0]] += 1

    def _ask(self, url: str, method: str, *params: str) -> dict[str, Any]:
        reply: dict[str, Any] = self._http.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}).json()
        return reply


def more_accounts(count: int) -> list[DevnetAccount]:
    """Accounts without ether, always the same ones."""
    return [account_of(keccak256(f"devnet load {index}".encode())) for index in range(count)]


def grants(accounts: Sequence[DevnetAccount]) -> list[bytes]:
    """Raw transfers that give each account ether, from the rich ones, on a devnet that nobody has used yet."""
    rich = len(ACCOUNTS)
    return [transfer(ACCOUNTS[index % rich], index // rich, account.address, _GRANT) for index, account in enumerate(accounts)]
