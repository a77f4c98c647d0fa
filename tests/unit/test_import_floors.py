"""The house's floors: imports point down only, and the core knows nothing of IO (design: "The house")."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SHARED = {"storage", "jsonrpc", "kzg"}
ADAPTERS = {"l1", "engine", "p2p", "rpc", "batcher", "devnet"}
FLOORS = {"protocol": 0, "rollup": 1, "derive": 2, "execution": 2, **dict.fromkeys(SHARED, 3), **dict.fromkeys(ADAPTERS, 4), "node": 5, "cli": 6}
CORE = {"protocol", "rollup", "derive", "execution"}
IO_MODULES = {"trio", "socket", "time", "random", "secrets", "os", "pathlib", "shutil", "tempfile", "asyncio", "threading", "httpx", "plyvel"}
# The tables of chains and of upgrades are data files of the package; these two read them, once, and nothing else.
READS_PACKAGE_DATA = {"trinode/rollup/chains.py", "trinode/rollup/forks/bundle.py"}


def python_files() -> list[Path]:
    return sorted((ROOT / "trinode").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Every module that the file imports, lazily or not, absolute names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the floor"
            yield node.module or ""


def room(module: str) -> str:
    return module.split(".")[1]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "trinode").with_suffix("").parts[0]


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    if path == ROOT / "trinode" / "__init__.py":
        return
    here = room_of(path)
    for module in imported(path):
        assert module.split(".")[0] != "harness", f"{path} imports the harness"
        if module.split(".")[0] != "trinode" or module == "trinode" or room(module) == here:
            continue
        there = room(module)
        allowed = FLOORS[there] < FLOORS[here]
        assert allowed, f"{here} must not import {there}"
        assert not (here in ADAPTERS | SHARED and there == "derive"), f"{here} must not import derive"


@pytest.mark.parametrize("path", [path for path in python_files() if room_of(path) in CORE], ids=lambda path: str(path.relative_to(ROOT)))
def test_the_core_knows_no_io(path: Path) -> None:
    modules = {module.split(".")[0] for module in imported(path)}
    assert not modules & IO_MODULES
    if str(path.relative_to(ROOT)) not in READS_PACKAGE_DATA:
        assert "importlib" not in modules
    names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
    assert not names & {"open", "print", "input"}


P2P_ROOMS = {"transport", "host", "gossip", "blocks", "sync", "discovery"}
# The network of blocks is what the rooms are for: it puts them together, so no room may know it.
P2P_TOGETHER = "block_network"


@pytest.mark.parametrize("path", sorted((ROOT / "trinode" / "p2p").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_rooms_of_p2p_do_not_know_each_other(path: Path) -> None:
    """What they share stands beside them; hosts alone know what connections are made of."""
    here = path.relative_to(ROOT / "trinode" / "p2p").with_suffix("").parts[0]
    if here == P2P_TOGETHER:
        return
    for module in imported(path):
        if module.startswith("trinode.p2p."):
            there = module.split(".")[2]
            assert there != P2P_TOGETHER, f"{path} imports {module}"
            assert there not in P2P_ROOMS or there == here or (here, there) == ("host", "transport"), f"{path} imports {module}"
