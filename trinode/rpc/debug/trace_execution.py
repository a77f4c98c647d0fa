"""Tracing what is in the store: for worker threads. Answers are encoded there, too."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from trinode.execution.block import Parent
from trinode.execution.calls.context import CallContext, call_context
from trinode.execution.calls.message import Message, call
from trinode.execution.errors import InvalidBlock, InvalidTransaction
from trinode.execution.evm.program import Programs
from trinode.execution.forks import execution_rules_of
from trinode.execution.rules import EvmFork
from trinode.execution.state import StateReader
from trinode.execution.tracing.block import state_before, trace_transaction, trace_transactions, traceable
from trinode.execution.tracing.midway import intermediate_roots
from trinode.execution.tracing.tracer import TraceLimitExceeded
from trinode.jsonrpc.requests import RpcError
from trinode.protocol.block import KnownBlock, KnownHeader
from trinode.protocol.header import Header
from trinode.protocol.types import Hash32
from trinode.rollup.json_fields import to_hex
from trinode.rpc.debug.trace_block import BlockTrace, check_number, explained, listed, place_of
from trinode.rpc.debug.trace_json import Place
from trinode.rpc.debug.trace_options import TraceCallOptions, TraceOptions
from trinode.rpc.debug.trace_settings import TraceSettings
from trinode.rpc.debug.trace_tracers import Watch, check_tracer, encoded, watch
from trinode.rpc.eth.block_names import BlockName, ByHash
from trinode.rpc.eth.calls import CompiledCode, refusal
from trinode.rpc.eth.chain import Chain
from trinode.rpc.eth.errors import server_error


class Traces:
    """Traces of the transactions of `chain`, and of calls on its states. All methods raise RpcError and ExecutionError."""

    def __init__(self, chain: Chain, code: CompiledCode, settings: TraceSettings) -> None:
        self._chain = chain
        self._code = code
        self._settings = settings

    # ---- which block ----

    def find(self, name: BlockName) -> KnownHeader:
        """The block of that name."""
        known = self._chain.find(name)
        if known is None:
            raise server_error(f"block {to_hex(name.hash) if isinstance(name, ByHash) else f'#{name}'} not found")
        return known

    def find_block(self, name: BlockName) -> KnownBlock:
        """The block of that name, with its transactions."""
        known = self.find(name)
        check_number(known.header)
        return self._chain.block(known)

    def _parent(self, header: Header) -> Parent:
        """What the block was executed on."""
        check_number(header)
        known = self.find(ByHash(header.parent_hash))
        return traceable(known.header, known.hash, self._chain.store.state_at(known.hash))

    def _fork(self, header: Header) -> EvmFork:
        return execution_rules_of(self._chain.config.fork_at(l2_timestamp=header.timestamp)).evm

    # ---- transactions ----

    def transaction(self, wanted: Hash32, options: TraceOptions) -> msgspec.Raw:
        """The trace of a transaction, alone."""
        place = self._chain.blocks.find_transaction(wanted)
        if place is None:
            raise server_error("transaction not found")
        block, index = self.find_block(ByHash(place.block.hash)), place.position
        watched = watch(options, place_of(block, wanted, index), self._settings.limits())
        parent, config = self._parent(block.header), self._chain.config

        def work(programs: Programs) -> object:
            return trace_transaction(config, parent, block.header, block.transactions, index, watched.tracer, programs=programs)

        self._code.use(self._fork(block.header), work)
        return self._answer(watched)

    def block(self, block: KnownBlock, options: TraceOptions) -> msgspec.Raw:
        """The traces of all transactions of a block, which is executed once."""
        traced = self._trace(block, options)
        if traced.error is not None:
            raise traced.error
        return msgspec.Raw(listed(traced.parts))

    def block_of_chain(self, number: int, options: TraceOptions, *, is_last: bool) -> msgspec.Raw | None:
        """The traces of a block, as a subscription sends them: an error stands at its transaction. None: there is nothing to send."""
        block = self.find_block(number)
        traced = self._trace(block, options)
        if not traced.parts and not is_last:
            return None
        head = f'{{"block":"{block.header.number:#x}","hash":"{to_hex(block.hash)}","traces":'
        return msgspec.Raw(b"".join((head.encode(), listed(traced.parts), b"}")))

    def _trace(self, block: KnownBlock, options: TraceOptions) -> BlockTrace:
        check_tracer(options)
        parent, config = self._parent(block.header), self._chain.config
        traced = BlockTrace(block, options, self._settings)

        def work(programs: Programs) -> object:
            return trace_transactions(config, parent, block.header, block.transactions, traced.tracer_of, programs=programs)

        try:
            self._code.use(self._fork(block.header), work)
            traced.finish()
        except TraceLimitExceeded:
            most = f"{self._settings.entries} entries in one transaction, or {self._settings.size} bytes in all"
            traced.fail(server_error(f"the traces of the block have more than {most}"))
        except InvalidBlock as error:
            traced.fail(explained(error))
        except RpcError as error:
            traced.fail(error)
        return traced

    def _answer(self, watched: Watch) -> msgspec.Raw:
        answer = encoded(watched)
        self._settings.check_size(len(answer))
        return msgspec.Raw(answer)

    def roots(self, block_hash: Hash32) -> list[str]:
        """The state root after each transaction of a block."""
        block, store = self.find_block(ByHash(block_hash)), self._chain.store
        parent, config = self._parent(block.header), self._chain.config
        parent = replace(parent, tries=store.tries_at(parent.hash))

        def work(programs: Programs) -> list[Hash32]:
            return intermediate_roots(config, parent, block.header, block.transactions, programs=programs)

        return [to_hex(root) for root in self._code.use(self._fork(block.header), work)]

    # ---- calls ----

    def call(self, message: Message, gas: int | None, name: BlockName, options: TraceCallOptions) -> msgspec.Raw:
        """The trace of a message on the state after a block, or before one of its transactions."""
        known, cap = self.find(name), self._settings.gas_cap
        watched = watch(options.trace, Place(), self._settings.limits())
        context = self._context(known, self._state(known, options.transaction_index), options)
        if options.transaction_index is not None:
            receipts = self._chain.find_receipts(known) or ()
            context = replace(context, logs_before=sum(len(each.logs) for each in receipts[: options.transaction_index]))
        limited = replace(message, gas_limit=cap if gas is None else min(gas, cap))
        try:
            self._code.use(
                context.environment.rules.evm, lambda programs: call(context, limited, tracer=watched.tracer, programs=programs)
            )
        except InvalidTransaction as error:
            raise server_error(f"tracing failed: {refusal(error, context, limited)}") from error
        return self._answer(watched)

    def _state(self, known: KnownHeader, index: int | None) -> StateReader:
        if index is None:
            return self._chain.store.state_at(known.hash)
        if known.header.number == self._chain.config.genesis.l2.number:
            raise server_error("no transaction in genesis")
        block, config = self.find_block(ByHash(known.hash)), self._chain.config
        if index >= len(block.transactions):
            raise server_error(f"transaction index {index} out of range for block {to_hex(known.hash)}")
        parent = self._parent(known.header)

        def work(programs: Programs) -> StateReader:
            return state_before(config, parent, block.header, block.transactions, index, programs=programs)

        return self._code.use(self._fork(block.header), work)

    def _context(self, known: KnownHeader, state: StateReader, options: TraceCallOptions) -> CallContext:
        header, overrides = known.header, options.block_overrides
        context = call_context(self._chain.config, header, state, options.state_overrides, overrides)
        if overrides is not None and overrides.number == header.number + 1:
            # As if the call stood in the next block: then it knows the hash of this one.
            return replace(context, head_number=header.number + 1, head_parent_hash=known.hash)
        return context
