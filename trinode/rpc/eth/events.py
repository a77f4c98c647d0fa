"""What comes to pass on the chain and in the pool, for who subscribes, and for who asks again and again: the part of `eth_` that an embedded
engine alone can offer.
"""

from __future__ import annotations

from trinode.jsonrpc.declared import Declared
from trinode.rpc.eth.filters import FilterMethods, GetLogs
from trinode.rpc.eth.log_criteria import Choices
from trinode.rpc.eth.subscriptions import EthSubscriptions, Sources
from trinode.rpc.subscriptions.kinds import SubscriptionKind


class EthEvents:
    """Filters and subscriptions of `eth_` (a `Namespace`, and a `Subscribable`), beside those of EthNamespace. `get_logs`: eth_getLogs."""

    name = "eth"

    def __init__(self, sources: Sources, get_logs: GetLogs) -> None:
        choices = Choices()
        self.methods: dict[str, Declared] = FilterMethods(sources, choices, get_logs).methods
        self.subscriptions: dict[str, SubscriptionKind] = EthSubscriptions(sources, choices).kinds
