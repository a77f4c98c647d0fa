"""What others do on L1: deposits, updates of the system config, and transactions that only look like batcher data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from harness import l1_logs
from harness.batcher import BatcherAccount, address_of
from harness.fake_l1 import L1Transaction
from harness.l1_logs import UserDeposit
from harness.poster import BLOBS_OF_OTHERS
from trinode.protocol.receipt import Log
from trinode.protocol.transaction import (
    Authorization,
    BlobTransaction,
    DynamicFeeTransaction,
    LegacyTransaction,
    SetCodeTransaction,
    legacy_v,
)
from trinode.protocol.types import Address
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork
from trinode.rollup.system_config import encode_fee_scalar

_FOREIGN_CONTRACT = bytes.fromhex("0f00000000000000000000000000000000000001")
_FEE = 10**11


class DepositMaker:
    """Makes up what users deposit; every field takes its extremes now and then."""

    def __init__(self, portal: Address, random: Random) -> None:
        self._portal = portal
        self._random = random

    def deposit(self) -> UserDeposit:
        """One deposit."""
        random = self._random
        return UserDeposit(
            sender=random.randbytes(20),
            to=random.choice((bytes(20), random.randbytes(20))),
            mint=random.choice((0, 0, random.getrandbits(64), random.getrandbits(256))),
            value=random.choice((0, random.getrandbits(64), random.getrandbits(256))),
            gas_limit=random.choice((100_000, random.getrandbits(24), random.getrandbits(64))),
            is_creation=random.random() < 0.2,
            data=random.randbytes(random.choice((0, 1, 31, 32, 33, 200))),
        )

    def logs(self) -> list[Log]:
        """A few logs of one transaction: deposits, and others that are none."""
        random = self._random
        logs = [l1_logs.deposit_log(self._portal, self.deposit()) for _ in range(random.choice((1, 1, 1, 2, 5)))]
        if random.random() < 0.3:
            logs.insert(0, l1_logs.deposit_log(_FOREIGN_CONTRACT, self.deposit()))  # the log index counts it
        if random.random() < 0.3:
            logs.insert(random.randrange(len(logs)), Log(self._portal, (random.randbytes(32),), random.randbytes(40)))
        if random.random() < 0.1:
            logs.append(Log(self._portal, (), b""))
        return logs


class ConfigUpdateMaker:
    """Makes up updates of the system config: of every kind, malformed ones included, but none that would halt the
    chain."""

    def __init__(self, config: RollupConfig, random: Random, batchers: Sequence[Address]) -> None:
        self._config = config
        self._random = random
        self._batchers = batchers

    def logs(self, l1_timestamp: int) -> list[Log]:
        """One to three updates in one transaction; the batcher only changes to one of the given addresses."""
        random = self._random
        logs = []
        for _ in range(random.randint(1, 3)):
            log = random.choice(self._kinds(l1_timestamp))()
            logs.append(self._malformed(log) if random.random() < 0.3 else log)
        if random.random() < 0.2:
            logs.append(log._replace(address=_FOREIGN_CONTRACT))
        return logs

    def _kinds(self, l1_timestamp: int) -> list[Callable[[], Log]]:
        random, contract = self._random, self._config.l1_system_config_address
        kinds: list[Callable[[], Log]] = [
            lambda: self._fee_scalars(
                ecotone=self._config.is_active(Fork.ECOTONE, l1_inclusion_timestamp=l1_timestamp)
            ),
            lambda: l1_logs.gas_limit_update(
                contract, random.choice((random.randint(15, 60) * 10**6, random.getrandbits(40)))
            ),
            lambda: l1_logs.unsafe_block_signer_update(contract, random.randbytes(20)),
            self._eip1559_params,
            lambda: l1_logs.operator_fee_update(contract, random.getrandbits(32), random.getrandbits(64)),
            lambda: l1_logs.min_base_fee_update(contract, random.choice((0, random.getrandbits(64)))),
            lambda: l1_logs.da_footprint_update(contract, random.choice((0, random.getrandbits(16)))),
        ]
        if self._batchers:
            kinds += [lambda: l1_logs.batcher_update(contract, random.choice(self._batchers))] * 3
        return kinds

    def _fee_scalars(self, *, ecotone: bool) -> Log:
        random = self._random
        clean = encode_fee_scalar(random.getrandbits(32), random.getrandbits(32))
        large = random.getrandbits(240).to_bytes(32, "big")  # version 0: valid before Ecotone, and useless after it
        scalars = [clean, clean, random.getrandbits(32).to_bytes(32, "big"), large]
        if ecotone:  # ignored then; before it they would halt the chain at Ecotone
            scalars += [b"\x02" + clean[1:], b"\x01\x01" + clean[2:]]
        overhead = random.getrandbits(16).to_bytes(32, "big")
        return l1_logs.fee_scalars_update(self._config.l1_system_config_address, overhead, random.choice(scalars))

    def _eip1559_params(self) -> Log:
        random = self._random
        pair = random.choice(
            ((0, 0), (random.randint(1, 500), random.randint(1, 10)), (2**32 - 1, 2**32 - 1), (0, 1), (1, 0))
        )
        return l1_logs.eip1559_params_update(self._config.l1_system_config_address, *pair)

    def _malformed(self, log: Log) -> Log:
        """The event with something that makes derivation skip it."""
        random, topics, data = self._random, log.topics, log.data
        kind = random.randrange(8)
        if kind == 0:
            return log._replace(data=data + b"\x00")
        if kind == 1:
            return log._replace(data=data[:-1])
        if kind == 2:
            return log._replace(topics=(topics[0], l1_logs.word(1), topics[2]))
        if kind == 3:
            return log._replace(topics=(*topics[:2], l1_logs.word(random.choice((8, 255, 2**255)))))
        if kind == 4:
            return log._replace(topics=topics[: random.randint(1, 2)])
        if kind == 5:
            return log._replace(data=l1_logs.word(64) + data[32:])
        if kind == 6:
            return log._replace(data=data[:32] + l1_logs.word(31) + data[64:])
        return log._replace(data=data[:64] + b"\xff" + data[65:])  # too large, where numbers and addresses are expected


class StrayMaker:
    """Transactions that carry valid batcher data and are none: from the wrong account, to the wrong place, of the wrong
    kind."""

    def __init__(self, config: RollupConfig, random: Random, stranger_key: bytes) -> None:
        self._config = config
        self._random = random
        self._stranger = BatcherAccount(stranger_key, config.l1_chain_id, config.batch_inbox_address)
        self._stranger_address = address_of(stranger_key)

    def make(self, batcher: BatcherAccount, payload: bytes, *, ecotone: bool, prague: bool) -> L1Transaction:
        """One of them with `payload`, which would change the chain if it were read. `ecotone`, `prague`: of the L1
        block."""
        chain_id, inbox = self._config.l1_chain_id, self._config.batch_inbox_address
        random = self._random
        elsewhere = random.choice((self._stranger_address, None))
        makers: list[Callable[[], L1Transaction]] = [
            lambda: self._stranger.calldata(payload),
            lambda: batcher.sign(
                lambda nonce: DynamicFeeTransaction(chain_id, nonce, 1, _FEE, 10**6, elsewhere, 0, payload)
            ),
            lambda: batcher.sign(
                lambda nonce: DynamicFeeTransaction(chain_id + 1, nonce, 1, _FEE, 10**6, inbox, 0, payload)
            ),
            lambda: batcher.sign(
                lambda nonce: LegacyTransaction(nonce, _FEE, 10**6, inbox, 0, payload, v=legacy_v(chain_id + 1))
            ),
        ]
        if prague:
            authorization = Authorization(chain_id, inbox, 0, 0, 1, 1)
            makers.append(
                lambda: batcher.sign(
                    lambda nonce: SetCodeTransaction(
                        chain_id, nonce, 1, _FEE, 10**6, inbox, 0, payload, (), (authorization,)
                    )
                )
            )
        if ecotone:  # from then on its calldata is no data
            makers += [
                lambda: batcher.blobs([b"\x00"], calldata=payload),
                lambda: self._stranger.blobs([payload]),
                self._foreign_blobs,
            ]
        return random.choice(makers)()

    def _foreign_blobs(self) -> L1Transaction:
        """Somebody's blobs, which nobody of this rollup ever fetches."""
        hashes = tuple(b"\x01" + self._random.randbytes(31) for _ in range(self._random.randint(1, BLOBS_OF_OTHERS)))
        return self._stranger.sign(
            lambda nonce: BlobTransaction(
                self._config.l1_chain_id, nonce, 1, _FEE, 21_000, _FOREIGN_CONTRACT, 0, b"", (), _FEE, hashes
            )
        )

    def transfer(self) -> L1Transaction:
        """A plain transfer."""
        return self._stranger.sign(
            lambda nonce: LegacyTransaction(
                nonce, _FEE, 21_000, _FOREIGN_CONTRACT, 1, b"", v=legacy_v(self._config.l1_chain_id)
            )
        )
