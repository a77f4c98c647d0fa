"""An engine that between two transactions stands aside for those who wait for an answer."""

from __future__ import annotations

from trinode.execution.engine import Engine, PreparedTransaction, Session, TransactionResult
from trinode.execution.environment import BlockEnvironment
from trinode.execution.state import StateChanges, StateReader
from trinode.jsonrpc.right_of_way import RightOfWay
from trinode.protocol.types import Address


class StandingAside:
    """An `Engine` that does what another one does."""

    def __init__(self, engine: Engine, way: RightOfWay) -> None:
        self._engine = engine
        self._way = way

    def begin(self, environment: BlockEnvironment, state: StateReader) -> Session:
        """As in `Engine`."""
        return _Session(self._engine.begin(environment, state), self._way)


class _Session:
    def __init__(self, session: Session, way: RightOfWay) -> None:
        self._session = session
        self._way = way

    def system_call(self, to: Address, data: bytes) -> None:
        self._session.system_call(to, data)

    def set_code(self, address: Address, code: bytes) -> None:
        self._session.set_code(address, code)

    def apply(self, prepared: PreparedTransaction) -> TransactionResult:
        self._way.step()
        return self._session.apply(prepared)

    def finish(self) -> StateChanges:
        return self._session.finish()
