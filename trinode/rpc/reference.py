"""docs/rpc.md, made of the declarations of all methods.

`python -m trinode.rpc.reference > docs/rpc.md` writes it; a test compares it with the declarations.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from trinode.jsonrpc.declared import Declared, Param
from trinode.rpc.admin import AdminNamespace
from trinode.rpc.debug.namespace import DebugNamespace
from trinode.rpc.dispatch import Dispatcher, Namespace
from trinode.rpc.eth.events import EthEvents
from trinode.rpc.eth.namespace import EthNamespace
from trinode.rpc.execution_admin import ExecutionAdminNamespace
from trinode.rpc.net import NetNamespace
from trinode.rpc.opp2p import Opp2pNamespace
from trinode.rpc.optimism import OptimismNamespace
from trinode.rpc.txpool import TxPoolNamespace
from trinode.rpc.web3 import Web3Namespace

_BEGINNING = """# JSON-RPC

This file is made of the declarations of the methods: `python -m trinode.rpc.reference > docs/rpc.md`.

`rpc.discover` gives the same as an OpenRPC document, with JSON Schemas of all parameters and results: of those methods
that are served on the port that is asked. Parameters in brackets may be left out, or be null.
"""


class _Anything:
    """Stands for what the methods are about, which declarations do not look at."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return self

    def __index__(self) -> int:
        return 0


def all_namespaces() -> list[Namespace]:
    """Those that a node can serve, over nothing: their declarations are right, their methods cannot be called."""
    anything: Any = _Anything()
    return [
        EthNamespace(anything, anything, progress=anything, heads=anything, conditional=True),
        EthEvents(anything, anything),
        NetNamespace(0, anything),
        Web3Namespace(""),
        TxPoolNamespace(anything, anything),
        DebugNamespace(anything, anything),
        OptimismNamespace(anything, anything, ""),
        Opp2pNamespace(""),
        AdminNamespace(anything, anything),
        ExecutionAdminNamespace(anything, "", "", anything),
    ]


def all_methods() -> Mapping[str, Declared]:
    """All that a port can serve, by name."""
    namespaces = all_namespaces()
    return Dispatcher(namespaces, [each.name for each in namespaces]).methods


def reference() -> str:
    """The manual's text."""
    methods = all_methods()
    parts = [_BEGINNING]
    for prefix in dict.fromkeys(name.replace(".", "_").partition("_")[0] for name in methods):
        rows = [_row(name, methods[name]) for name in sorted(methods) if name.replace(".", "_").startswith(f"{prefix}_")]
        parts.append(f"\n## {prefix}\n\n| method | parameters | what |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def _row(name: str, method: Declared) -> str:
    return f"| `{name}` | {', '.join(_shown(param) for param in method.params)} | {method.summary} |"


def _shown(param: Param) -> str:
    default = f" = {param.default}" if isinstance(param.default, str | int) else ""
    return param.name if param.required else f"[{param.name}{default}]"


if __name__ == "__main__":
    sys.stdout.write(reference())
