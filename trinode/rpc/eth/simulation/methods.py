"""eth_simulateV1 (execution-apis: eth/execute; codes and words of op-geth)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from eth_utils.address import to_checksum_address

from trinode.execution.calls.context import InvalidOverride
from trinode.execution.calls.simulate import Base, RefusedSimulation, SimulatedBlock, SimulationLimits, simulate
from trinode.execution.calls.simulate_call import CallOutcome, RefusedCall
from trinode.execution.evm.program import Programs
from trinode.execution.forks import execution_rules_of
from trinode.execution.tracing.call_failures import revert_reason
from trinode.execution.tracing.reasons import REVERTED as REVERT
from trinode.jsonrpc.block_object import block_object
from trinode.jsonrpc.declared import Declared, Param, Schema, declare
from trinode.jsonrpc.kinds import DATA_RESULT, QUANTITY_RESULT, STRING_RESULT, list_of, object_of
from trinode.jsonrpc.requests import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.transaction import decode_transaction, transaction_hash
from trinode.rollup.json_fields import to_hex
from trinode.rpc.eth.block_names import LATEST, BlockName
from trinode.rpc.eth.calls import CompiledCode
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import REVERTED, invalid_override
from trinode.rpc.eth.kinds import BLOCK_NAME
from trinode.rpc.eth.receipt_object import log_object
from trinode.rpc.eth.schemas import BLOCK, LOG
from trinode.rpc.eth.simulation.params import TOO_MANY_BLOCKS, SimulationRequest, simulation_of
from trinode.rpc.eth.simulation.transaction import unsigned_transaction_object
from trinode.rpc.eth.workers import Workers

VM_ERROR = -32015
_REFUSED_SIMULATIONS = {
    "block_number": -38020,
    "timestamp": -38021,
    "too_many_blocks": TOO_MANY_BLOCKS,
    "block_gas_limit": -38015,
    "output": TOO_MANY_BLOCKS,
}
_REFUSED_CALLS = {
    "nonce_too_low": (-38010, "nonce too low: address {who}, {detail}"),
    "nonce_too_high": (-38011, "nonce too high: address {who}, {detail}"),
    "nonce_max": (INTERNAL_ERROR, "nonce has max value: address {who}, {detail}"),
    "priority_fee": (INVALID_PARAMS, "max priority fee per gas higher than max fee per gas: address {who}, {detail}"),
    "base_fee": (INVALID_PARAMS, "max fee per gas less than block base fee: address {who}, {detail}"),
    "balance": (-38014, "insufficient funds for gas * price + value: address {who} {detail}"),
    "intrinsic_gas": (-38013, "intrinsic gas too low: {detail}"),
    "floor_gas": (INTERNAL_ERROR, "insufficient gas for floor data gas cost: {detail}"),
    "initcode_size": (-38025, "max initcode size exceeded: {detail}"),
    "empty_authorization_list": (INTERNAL_ERROR, "EIP-7702 transaction with empty auth list (sender {who})"),
    "set_code_creation": (INTERNAL_ERROR, "EIP-7702 transaction cannot be used to create contract (sender {who})"),
    "type_not_active": (INTERNAL_ERROR, "EIP-7702 transactions come with Isthmus (sender {who})"),
}

_CALL_RESULT: Schema = object_of(
    {
        "status": QUANTITY_RESULT,
        "returnData": DATA_RESULT,
        "gasUsed": QUANTITY_RESULT,
        "maxUsedGas": QUANTITY_RESULT,
        "logs": list_of(LOG),
    },
    optional={"error": object_of({"code": {"type": "integer"}, "message": STRING_RESULT}, optional={"data": DATA_RESULT})},
)
_RESULT: Schema = list_of(
    {
        **BLOCK,
        "title": "SimulatedBlock",
        "required": [*BLOCK["required"], "calls"],
        "properties": {**BLOCK["properties"], "calls": list_of(_CALL_RESULT)},
    }
)


class SimulateMethods:
    """Blocks that might be, on a thread, with an end to their gas, their time and their number."""

    def __init__(self, chain: Chain, workers: Workers, gas_cap: int) -> None:
        self._chain = chain
        self._workers = workers
        self._limits = SimulationLimits(gas_cap)
        self._code = CompiledCode()
        self.methods: dict[str, Declared] = {
            "eth_simulateV1": declare(
                self._simulate,
                "What calls in blocks after a given one would do, with overrides",
                Param("payload", simulation_of(chain.config.l2_chain_id)),
                Param("block", BLOCK_NAME, required=False, default=LATEST),
                result=_RESULT,
            )
        }

    async def _simulate(self, request: SimulationRequest, block: BlockName) -> msgspec.Raw:
        return msgspec.Raw(await self._workers.call(lambda: self._encoded(request, block)))

    # ---- on a worker thread ----

    def _encoded(self, request: SimulationRequest, block: BlockName) -> bytes:
        known, state = self._chain.state(block)
        transactions = self._chain.block(known).transactions
        first = decode_transaction(transactions[0]) if transactions else None
        base = Base(known.header, known.hash, state, self._chain.store.tries_at(known.hash), first)
        config = self._chain.config
        fork = execution_rules_of(config.fork_at(l2_timestamp=known.header.timestamp)).evm

        def run(programs: Programs) -> list[SimulatedBlock]:
            return simulate(
                config,
                base,
                request.blocks,
                self._limits,
                validates=request.validates,
                traces_transfers=request.traces_transfers,
                programs={fork: programs},
            )

        try:
            blocks = self._code.use(fork, run)
        except RefusedSimulation as error:
            raise RpcError(_REFUSED_SIMULATIONS[error.rule], str(error)) from error
        except RefusedCall as error:
            raise _refusal(error) from error
        except InvalidOverride as error:
            raise invalid_override(error) from error
        chain_id = config.l2_chain_id if request.returns_transactions else None
        return msgspec.json.encode([_block_result(each, chain_id) for each in blocks])


def _refusal(error: RefusedCall) -> RpcError:
    code, text = _REFUSED_CALLS[error.rule]
    words = text.format(who=to_checksum_address(error.sender), detail=error.detail)
    return RpcError(code, f"err: {words} (supplied gas {error.gas})")


def _block_result(block: SimulatedBlock, chain_id: int | None) -> dict[str, Any]:
    """As eth_getBlockBy* shows a block, and what its calls did. `chain_id` None: transactions by their hashes alone."""
    shown = block_object(KnownBlock(block.header, block.hash, block.transactions), whole=False)
    shown["calls"] = list(_call_results(block))
    if chain_id is not None:
        known = KnownHeader(block.header, block.hash)
        pairs = enumerate(zip(block.transactions, block.senders, strict=True))
        shown["transactions"] = [unsigned_transaction_object(raw, sender, index, known, chain_id) for index, (raw, sender) in pairs]
    return shown


def _call_results(block: SimulatedBlock) -> Iterator[dict[str, Any]]:
    known, logs_before = KnownHeader(block.header, block.hash), 0
    for index, (raw, outcome) in enumerate(zip(block.transactions, block.outcomes, strict=True)):
        hash = transaction_hash(raw)
        placed = zip(outcome.logs, outcome.places, strict=True)
        logs = [log_object(log, known, hash, index, logs_before + place) for log, place in placed]
        logs_before += outcome.logged
        yield _call_result(outcome) | {"logs": logs}


def _call_result(outcome: CallOutcome) -> dict[str, Any]:
    result = outcome.result
    shown: dict[str, Any] = {"gasUsed": hex(result.gas_used), "maxUsedGas": hex(outcome.peak)}
    if result.succeeded:
        return shown | {"status": "0x1", "returnData": to_hex(result.output)}
    shown |= {"status": "0x0", "returnData": "0x"}
    if result.failure != REVERT:
        return shown | {"error": {"code": VM_ERROR, "message": result.failure}}
    reason = revert_reason(result.output)
    message = REVERT if reason is None else f"{REVERT}: {reason}"
    return shown | {"error": {"code": REVERTED, "message": message, "data": to_hex(result.output)}}
