"""`optimism_` methods: what the node knows as a rollup node, as op-node answers it (OP Stack specification: rollup-node, "L2 Output RPC
method").
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from trinode.jsonrpc.declared import Declared, Param, declare
from trinode.jsonrpc.kinds import QUANTITY, STRING_RESULT
from trinode.jsonrpc.requests import SERVER_ERROR, RpcError
from trinode.protocol.block import L1BlockRef
from trinode.protocol.types import BlockId
from trinode.rollup.config import RollupConfig
from trinode.rollup.json_fields import to_hex
from trinode.rollup.l2_block import L2BlockRef
from trinode.rpc.node import Rollup, SyncStatus
from trinode.rpc.rollup_schemas import OUTPUT_AT_BLOCK, ROLLUP_CONFIG, SAFE_HEAD, SYNC_STATUS

_VERSION_0 = to_hex(bytes(32))
_NO_L1 = L1BlockRef(bytes(32), 0, bytes(32), 0)
_NO_L2 = L2BlockRef(bytes(32), 0, bytes(32), 0, BlockId(0, bytes(32)), 0)


class OptimismNamespace:
    """The methods over the node. `version`: of our software."""

    name = "optimism"

    def __init__(self, rollup: Rollup, config: RollupConfig, version: str) -> None:
        self._rollup = rollup
        self._config = config
        self._our_version = version
        number = Param("blockNumber", QUANTITY)
        self.methods: dict[str, Declared] = {
            "optimism_outputAtBlock": declare(
                self._output_at_block, "The output root of an L2 block, and what it is made of", number, result=OUTPUT_AT_BLOCK
            ),
            "optimism_safeHeadAtL1Block": declare(
                self._safe_head_at_l1_block, "The safe head that the L1 blocks up to one make", number, result=SAFE_HEAD
            ),
            "optimism_syncStatus": declare(self._sync_status, "Where derivation stands", result=SYNC_STATUS),
            "optimism_rollupConfig": declare(self._rollup_config, "The chain's rollup.json", result=ROLLUP_CONFIG),
            "optimism_version": declare(self._version, "The node's version", result=STRING_RESULT),
        }

    async def _output_at_block(self, number: int) -> dict[str, Any]:
        try:
            output = await self._rollup.output_at_block(number)
        except LookupError as error:
            raise _not_told(error) from error
        return {
            "version": _VERSION_0,
            "outputRoot": to_hex(output.output_root),
            "blockRef": l2_ref_json(output.block_ref),
            "withdrawalStorageRoot": to_hex(output.withdrawal_storage_root),
            "stateRoot": to_hex(output.state_root),
            "syncStatus": sync_status_json(self._rollup.sync_status()),
        }

    async def _safe_head_at_l1_block(self, number: int) -> dict[str, Any]:
        try:
            found = await self._rollup.safe_head_at_l1(number)
        except LookupError as error:
            raise _not_told(error) from error
        if found is None:
            raise RpcError(SERVER_ERROR, "not found")
        l1_block, safe_head = found
        return {"l1Block": _id_json(l1_block), "safeHead": _id_json(safe_head)}

    async def _sync_status(self) -> dict[str, Any]:
        return sync_status_json(self._rollup.sync_status())

    async def _rollup_config(self) -> dict[str, Any]:
        return self._config.to_json()

    async def _version(self) -> str:
        return self._our_version


def sync_status_json(status: SyncStatus) -> dict[str, Any]:
    """op-node's object. What is not known yet is the zero block, as there. Our safe head is local and cross-safe in one: no interop."""
    result: dict[str, Any] = {}
    for field in fields(status):
        ref = getattr(status, field.name)
        result[field.name] = _l1_ref_json(ref or _NO_L1) if field.name.endswith("_l1") or "_l1_" in field.name else l2_ref_json(ref or _NO_L2)
    return result | {"local_safe_l2": result["safe_l2"]}


def l2_ref_json(ref: L2BlockRef) -> dict[str, Any]:
    """op-node's L2BlockRef."""
    return {
        "hash": to_hex(ref.hash),
        "number": ref.number,
        "parentHash": to_hex(ref.parent_hash),
        "timestamp": ref.timestamp,
        "l1origin": _id_json(ref.l1_origin),
        "sequenceNumber": ref.sequence_number,
    }


def _l1_ref_json(ref: L1BlockRef) -> dict[str, Any]:
    return {"hash": to_hex(ref.hash), "number": ref.number, "parentHash": to_hex(ref.parent_hash), "timestamp": ref.timestamp}


def _id_json(block: BlockId) -> dict[str, Any]:
    return {"hash": to_hex(block.hash), "number": block.number}


def _not_told(error: LookupError) -> RpcError:
    """A LookupError shows its reason as it is, where a KeyError would show it in quotes."""
    return RpcError(SERVER_ERROR, str(error.args[0]) if error.args else "not found")
