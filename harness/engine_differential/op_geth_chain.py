"""A chain that op-geth builds, block by block, from payload attributes."""

from __future__ import annotations

from typing import Any, NamedTuple

from harness.engine_differential.op_geth import OpGeth, RpcError
from trinode.engine.api.codec import decode_payload, encode_attributes
from trinode.engine.api.versions import methods_of
from trinode.protocol.header import Header, header_hash
from trinode.protocol.payload import PayloadAttributes, PayloadEnvelope, payload_header
from trinode.protocol.types import Hash32
from trinode.rollup.config import RollupConfig
from trinode.rollup.fork import Fork

_NO_HASH = "0x" + "00" * 32


class BuiltBlock(NamedTuple):
    """A block that op-geth built, and its payload as it came."""

    header: Header
    hash: Hash32
    payload: dict[str, Any]


class Refused(Exception):
    """op-geth builds no block from these attributes, or takes a block for invalid."""


class OpGethChain:
    """The chain in one process of op-geth. `head` is its last block's hash."""

    def __init__(self, geth: OpGeth, config: RollupConfig) -> None:
        self.geth = geth
        self._config = config
        self.head = bytes.fromhex(geth.call("eth_getBlockByNumber", "0x0", False)["hash"][2:])

    def build(self, attributes: PayloadAttributes) -> BuiltBlock:
        """The block that `attributes` make on the head. Raises Refused, and RpcError where nothing is wrong with the attributes."""
        fork = self._fork(attributes.timestamp)
        methods = methods_of(fork)
        try:
            answer = self.geth.call(methods.forkchoice_updated, self._forkchoice(self.head), encode_attributes(attributes))
        except RpcError as error:
            raise Refused(str(error)) from error
        if answer["payloadStatus"]["status"] != "VALID":
            raise Refused(str(answer["payloadStatus"]))
        payload = self.geth.call(methods.get_payload, answer["payloadId"])["executionPayload"]
        decoded = decode_payload(payload, "executionPayload", fork)
        header = payload_header(PayloadEnvelope(decoded, attributes.parent_beacon_block_root))
        assert header_hash(header) == decoded.block_hash, "our reading of the payload is not the block"
        return BuiltBlock(header, decoded.block_hash, payload)

    def adopt(self, block: BuiltBlock) -> BuiltBlock:
        """Executes the block again, as one that came from others, and makes it the head; gives it back. Raises Refused: not all that op-geth
        builds from forced transactions is valid to it (the DA footprint is looked at only here)."""
        header = block.header
        fork = self._fork(header.timestamp)
        methods = methods_of(fork)
        params: list[object] = [block.payload]
        if fork >= Fork.ECOTONE:
            params += [[], "0x" + (header.parent_beacon_block_root or b"").hex()]
        if fork >= Fork.ISTHMUS:
            params.append([])
        status = self.geth.call(methods.new_payload, *params)
        if status["status"] == "VALID":
            status = self.geth.call(methods.forkchoice_updated, self._forkchoice(block.hash), None)["payloadStatus"]
        if status["status"] != "VALID":
            raise Refused(str(status))
        self.head = block.hash
        return block

    def _fork(self, timestamp: int) -> Fork:
        return self._config.fork_at(l2_timestamp=timestamp)

    def _forkchoice(self, head: Hash32) -> dict[str, str]:
        return {"headBlockHash": "0x" + head.hex(), "safeBlockHash": _NO_HASH, "finalizedBlockHash": _NO_HASH}
