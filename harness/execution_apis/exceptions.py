"""Cases that are answered otherwise, in part or in all: which, in what, and why."""

from __future__ import annotations

from dataclasses import dataclass

_SIMULATE = "eth_simulateV1/ethSimulate-"

REASONS = {
    "ommers": "the block has ommers: L2 blocks have none",
    "withdrawals": "the block has withdrawals of the beacon chain: L2 blocks have none",
    "before_byzantium": "receipts have a state root in the place of a status: no OP Stack chain is that old",
    "before_london": "a block is simulated on one of proof of work, without a base fee: L2 blocks are as after the merge",
    "blobs": "blob transactions: L2 has none, and refuses them",
    "l1_forks": "forks of blobs' prices, and the system contracts of Ethereum's requests: L2 has neither",
    "test_build": "a method for tests of Ethereum's clients alone, which op-geth has not on its ports either unless it is asked for",
    "newer_than_op_geth": "a method that op-geth has not yet",
    "code_of_op_geth": "op-geth (on geth 1.17.2) gives -32602 where newer versions give -38012",
    "two_moves": "two precompiles are moved to one address: an error here, as the specification says; geth takes either of them",
}


@dataclass(frozen=True, slots=True)
class Exempt:
    """Why a case is answered otherwise (one of REASONS). `fields`: what of the reply differs, wherever it stands there; () for all of it."""

    reason: str
    fields: tuple[str, ...] = ()


_POST_STATE = Exempt("before_byzantium", ("root", "status"))
_CODE = Exempt("code_of_op_geth", ("code",))
_BLOBS = Exempt("blobs")
_TEST_BUILD = Exempt("test_build")

EXEMPT = {
    "debug_getRawBlock/get-block-n": Exempt("ommers"),
    "eth_capabilities/get-capabilities": Exempt("newer_than_op_geth"),
    "eth_config/get-config": Exempt("l1_forks", ("activationTime", "blobSchedule", "forkId", "systemContracts")),
    "eth_estimateGas/estimate-with-eip4844": _BLOBS,
    "eth_getBlockByNumber/get-block-shanghai-fork": Exempt("withdrawals", ("withdrawals", "size")),
    "eth_getBlockReceipts/get-block-receipts-by-hash": _POST_STATE,
    "eth_getBlockReceipts/get-block-receipts-n": _POST_STATE,
    "eth_getTransactionReceipt/get-blob-tx": Exempt("blobs", ("blobGasPrice", "blobGasUsed")),
    "eth_getTransactionReceipt/get-legacy-contract": _POST_STATE,
    "eth_getTransactionReceipt/get-legacy-input": _POST_STATE,
    "eth_getTransactionReceipt/get-legacy-receipt": _POST_STATE,
    "eth_sendRawTransaction/send-blob-tx": _BLOBS,
    _SIMULATE + "basefee-too-low-with-validation-38012": _CODE,
    _SIMULATE + "blobs": _BLOBS,
    _SIMULATE + "check-invalid-nonce": _CODE,
    _SIMULATE + "empty-with-block-num-set-firstblock": Exempt("before_london"),
    _SIMULATE + "gas-fees-and-value-error-38014-with-validation": _CODE,
    _SIMULATE + "move-two-accounts-to-same-38023": Exempt("two_moves"),
    _SIMULATE + "simple-no-funds-with-validation": _CODE,
    _SIMULATE + "simple-no-funds-with-validation-without-nonces": _CODE,
    _SIMULATE + "simple-send-from-contract-with-validation": _CODE,
    "testing_buildBlockV1/build-block-empty-transactions": _TEST_BUILD,
    "testing_buildBlockV1/build-block-from-mempool": _TEST_BUILD,
    "testing_buildBlockV1/build-block-invalid-transaction": _TEST_BUILD,
    "testing_buildBlockV1/build-block-with-transactions": _TEST_BUILD,
}
"""By the case's name. A case that is answered as recorded must not be here."""
