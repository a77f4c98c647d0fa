"""NodeConfig from flags, environment and file: who goes first, where values come from, what is refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trinode.node.config import OPTIONS, ConfigError, ConfigFile, NodeConfig, config_path, read_config, show_json, show_text
from trinode.node.config.model import ForkOverrides
from trinode.node.config.table import SECTIONS
from trinode.rollup.fork import SCHEDULED_FORKS, Fork

REAL = {"network": ["op-mainnet"], "l1": ["http://l1"], "l1.beacon": ["http://beacon"]}
KEY = "11" * 32


def read(arguments: dict[str, list[str]] | None = None, environment: dict[str, str] | None = None, text: str = "") -> NodeConfig:
    return read_config(arguments or {}, environment or {}, ConfigFile("trinode.toml", text))


def source_of(config: NodeConfig, name: str) -> str:
    return next(setting.source for setting in config.settings if setting.option.name == name)


def test_nothing_is_a_devnet_that_sequences() -> None:
    config = read_config({"datadir": ["/data"]}, {})
    assert config.chain.is_devnet
    assert config.general.datadir == Path("/data")
    assert (config.engine.kind, config.sequencer.enabled, config.chain.block_time) == ("embedded", True, 2)
    assert source_of(config, "sequencer.enabled") == "because it is a devnet"


def test_a_real_node() -> None:
    config = read(REAL)
    assert not config.chain.is_devnet
    assert (config.chain.network, config.l1.endpoints, config.l1.beacon) == ("op-mainnet", ("http://l1",), "http://beacon")
    assert not config.sequencer.enabled


def test_a_flag_goes_before_the_environment_before_the_file_before_the_default() -> None:
    text = "[http]\nport = 1\naddr = 'file'\napi = ['eth']\n"
    config = read({"http.port": ["3"]}, {"TRINODE_HTTP_PORT": "2", "TRINODE_HTTP_ADDR": "environment"}, text)
    assert (config.http.port, config.http.addr, config.http.api, config.ws.port) == (3, "environment", ("eth",), 8546)
    names = ("http.port", "http.addr", "http.api", "ws.port")
    assert [source_of(config, name) for name in names] == ["--http.port", "TRINODE_HTTP_ADDR", "trinode.toml:4", "default"]


def test_lists_have_commas_repetitions_or_toml_lists() -> None:
    urls = ("http://a", "http://b", "http://c")
    assert read(REAL | {"l1": ["http://a,http://b", "http://c"]}).l1.endpoints == urls
    assert read({}, {"TRINODE_NETWORK": "10", "TRINODE_L1": "http://a, http://b,http://c", "TRINODE_L1_BEACON": "http://b"}).l1.endpoints == urls
    assert read(REAL | {"l1": []}, {}, "l1.rpc = ['http://a', 'http://b', 'http://c']").l1.endpoints == urls


def test_lines_of_a_file() -> None:
    text = """# comment with = and [brackets]
network = "op-mainnet" # same line
datadir = '''
/data'''
l1 = { rpc = "http://a", beacon = "http://b" }

[http]   # table
# comment
api = [
  "eth", # one = two

  "net",
]
port = 1\r
[p2p.sequencer]
key = "KEY"
[override]
karst = 1_000
"""
    config = read({}, {}, text.replace("KEY", KEY))
    lines = {setting.option.name: setting.source.rpartition(":")[2] for setting in config.settings if setting.source.startswith("trinode.toml")}
    expected = {"network": 2, "datadir": 3, "l1": 5, "l1.beacon": 5, "http.api": 9, "http.port": 14, "p2p.sequencer.key": 16, "override.karst": 18}
    assert lines == {name: str(line) for name, line in expected.items()}
    assert config.sequencer.key == bytes.fromhex(KEY)
    assert config.override.times() == {Fork.KARST: 1000}


def test_an_empty_variable_is_not_set_and_others_are_not_looked_at() -> None:
    config = read({}, {"TRINODE_HTTP_PORT": "", "TRINODE_PEERS": "/peers", "HOME": "/root", "OP_NODE_L1": "x"})
    assert config == read()


@pytest.mark.parametrize(
    ("arguments", "environment", "text", "message"),
    [
        ({"l1.becon": ["x"]}, {}, "", "--l1.becon is no option; did you mean --l1.beacon?"),
        ({}, {"TRINODE_L1_BECON": "x"}, "", "the environment variable TRINODE_L1_BECON is no option; did you mean TRINODE_L1_BEACON?"),
        ({}, {"TRINODE_QQQ": ""}, "", "the environment variable TRINODE_QQQ is no option"),
        ({}, {}, "\n[l1]\nbecon = 'x'", "trinode.toml:3: l1.becon is no option; did you mean l1.beacon?"),
        ({}, {}, '"a\\nb\\u0007" = 1', "trinode.toml:1: a?b? is no option"),
        ({}, {}, "[htp]\nport = 1", "trinode.toml:1: htp is no option"),
        ({}, {}, "l1 = 'http://a'", "trinode.toml:1: l1 is a table, with keys such as l1.rpc"),
        ({}, {}, "[[l1]]\nrpc = 'x'", "trinode.toml:1: l1 is a table"),
        ({}, {}, "config = 'x'", "trinode.toml:1: config cannot be in the file"),
        ({}, {}, "[network]\nname = 'x'", "trinode.toml:1: network cannot be a TOML dict"),
        ({}, {}, "datadir = 'a'\ndatadir = 'b'", "trinode.toml: not TOML: "),
        ({}, {}, "a = [", "trinode.toml: not TOML: "),
        ({}, {}, "a = " + "9" * 5000, "trinode.toml: not TOML: "),
        ({}, {}, "a = " + "[" * 20_000 + "]" * 20_000, "trinode.toml: nested too deeply"),
        ({}, {}, "#" * 70_000, "trinode.toml: too large"),
        ({}, {}, f"p2p.sequencer.key = 0x{KEY}", "trinode.toml:1: p2p.sequencer.key is too large a number (keys and hashes need quotes)"),
        ({}, {}, "datadir = ['a']", "trinode.toml:1: datadir has one value, not a list"),
        ({}, {}, "[http]\nport = 1979-05-27", "trinode.toml:2: http.port cannot be a TOML date"),
        ({}, {}, "[http]\nport = 70000", "trinode.toml:2: http.port: '70000' is not"),
        ({"http.port": ["x"]}, {}, "", "--http.port: 'x' is not"),
        ({}, {"TRINODE_HTTP_PORT": "x"}, "", "TRINODE_HTTP_PORT: 'x' is not"),
        ({"datadir": ["a", "b"]}, {}, "", "--datadir is given 2 times"),
        (REAL | {"rollup.config": ["r"]}, {}, "", "network and rollup.config are both set"),
        ({"network": ["10"]}, {}, "", "l1 is missing"),
        (REAL | {"l1.beacon": []}, {}, "", "l1.beacon is missing"),
        ({"l1": ["http://a"]}, {}, "", "l1 is set, but no chain"),
        ({"genesis": ["g"]}, {}, "", "genesis is set without a chain"),
        ({"override.karst": ["0"]}, {}, "", "override.karst is set, but no chain: the embedded devnet has its own"),
        ({"rollup.config": ["r"], "genesis": ["g"], "l1": ["http://a"], "l1.beacon-header": ["a: b"]}, {}, "", "l1.beacon is missing"),
        (REAL | {"block-time": ["2s"]}, {}, "", "block-time is the embedded devnet's"),
        (REAL | {"l2": ["http://a"]}, {}, "", "l2 is set without l2.jwt-secret"),
        (REAL | {"l2.jwt-secret": ["a"]}, {}, "", "l2.jwt-secret is set without l2"),
        (REAL | {"l2": ["http://a"], "l2.jwt-secret": ["j"], "engine": ["embedded"]}, {}, "", "l2 is set, but engine is embedded"),
        (REAL | {"l2": ["http://a"], "l2.jwt-secret": ["j"], "l2.witness": ["http://w"]}, {}, "", "l2.witness is set, but engine is external"),
        (REAL | {"engine": ["external"]}, {}, "", "engine is external, but l2 is missing"),
        (REAL | {"engine": ["stateless"]}, {}, "", "engine is stateless, but l2.witness is missing"),
        (REAL | {"l2.witness": ["http://w"], "sequencer.enabled": ["true"]}, {}, "", "a sequencer needs a state"),
        (REAL | {"sequencer.enabled": ["true"], "rollup.sequencerhttp": ["http://s"]}, {}, "", "rollup.sequencerhttp passes"),
        (REAL | {"sequencer.stopped": ["true"]}, {}, "", "sequencer.stopped is set, but sequencer.enabled is not"),
        ({"gcmode": ["archive"], "history.state": ["5"]}, {}, "", "gcmode archive keeps all states"),
        ({"http.port": ["9545"]}, {}, "", "rpc and http both listen at 127.0.0.1:9545: change http.port"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(arguments: dict[str, list[str]], environment: dict[str, str], text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(arguments, environment, text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_the_engine_is_implied_by_what_it_needs() -> None:
    external = read(REAL | {"l2": ["http://a"], "l2.jwt-secret": ["j"]})
    assert (external.engine.kind, source_of(external, "engine")) == ("external", "because l2 is set")
    assert read(REAL | {"l2.witness": ["http://w"]}).engine.kind == "stateless"


def test_history() -> None:
    assert read().storage.history == 90_000
    assert read({"gcmode": ["archive"]}).storage.history is None
    assert read({"history.state": ["0"], "gcmode": ["archive"]}).storage.history is None
    assert read({"history.state": ["7"]}).storage.history == 7


def test_http_and_websocket_may_share_a_port() -> None:
    assert read({"ws.port": ["8545"]}).ws.port == 8545
    with pytest.raises(ConfigError, match="rpc and ws both listen"):
        read({"ws.port": ["9545"], "http": ["false"], "http.port": ["9545"]})


def test_the_file_is_named_by_a_flag_or_the_environment() -> None:
    assert config_path({}, {}) is None
    assert config_path({}, {"TRINODE_CONFIG": "a"}) == "a"
    assert config_path({"config": ["b"]}, {"TRINODE_CONFIG": "a"}) == "b"


def test_secrets_are_neither_shown_nor_printed() -> None:
    secret = "s3cr3t"
    arguments = REAL | {
        "l1": [f"https://{secret}:{secret}@l1/{secret}?{secret}"],
        "l1.beacon": [f"https://b/{secret}"],
        "l1.beacon-fallbacks": [f"https://b/{secret}"],
        "l1.beacon-header": [f"a: {secret}"],
        "l2.witness": [f"https://w/{secret}"],
        "rollup.sequencerhttp": [f"https://w/{secret}"],
        "rollup.historicalrpc": [f"https://w/{secret}"],
        "p2p.sequencer.key": [KEY],
    }
    config = read(arguments)
    for text in (show_text(config), show_json(config), repr(config), repr(config.settings)):
        assert secret not in text
        assert KEY not in text and str(bytes.fromhex(KEY)) not in text


def test_show() -> None:
    config = read({"http.api": ["eth,debug"]})
    rows = {line.split()[0]: line.split()[1:] for line in show_text(config).splitlines()}
    assert rows["http.api"] == ["eth,debug", "--http.api"]
    assert rows["l1.epoch-poll-interval"] == ["6m24s", "default"]
    objects = {row["name"]: (row["value"], row["from"]) for row in json.loads(show_json(config))}
    assert list(objects) == [option.name for option in OPTIONS]
    assert objects["http.api"] == (["eth", "debug"], "--http.api")
    assert objects["network"] == (None, "default")


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        read().http.port = 1  # type: ignore[misc]


# ---- the table ----


def test_names_variables_keys_and_fields_are_unique() -> None:
    for names in ([o.name for o in OPTIONS], [o.variable for o in OPTIONS], [o.file_key for o in OPTIONS], [o.field for o in OPTIONS]):
        assert len(set(names)) == len(names)
    keys = {option.file_key for option in OPTIONS}
    assert not [key for key in keys for other in keys if other.startswith(key + ".")], "a key cannot be a table too"


def test_every_field_has_an_option_of_its_type() -> None:
    hints = get_type_hints(NodeConfig)
    assert [field.name for field in fields(NodeConfig)][:-1] == list(SECTIONS)
    wanted = {f"{section}.{field.name}" for section in SECTIONS for field in fields(hints[section])}
    assert wanted == {option.field for option in OPTIONS}
    config = read()
    for section in SECTIONS:
        for name, hint in get_type_hints(hints[section]).items():
            assert is_a(getattr(getattr(config, section), name), hint), f"{section}.{name}"


def is_a(value: Any, hint: Any) -> bool:
    if isinstance(hint, UnionType):
        return any(is_a(value, part) for part in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, tuple) and all(is_a(part, get_args(hint)[0]) for part in value)
    return value is None if hint is NoneType else type(value) is hint or (hint is Path and isinstance(value, Path))


def test_every_fork_from_canyon_on_can_be_overridden() -> None:
    assert [field.name for field in fields(ForkOverrides)][:-2] == [fork.label for fork in SCHEDULED_FORKS if fork > Fork.REGOLITH]


# ---- anything ----

NAMES = st.sampled_from([option.name for option in OPTIONS]) | st.text(max_size=10)
TEXTS = st.sampled_from(["true", "http://a", "1", "12s", "op-sepolia", "a/b", "external", "eth,net"]) | st.text(max_size=20)


def outcome(arguments: dict[str, list[str]], text: str) -> str:
    """What is wrong, or else the first line that is shown."""
    try:
        return show_text(read(arguments, {}, text)).splitlines()[0]
    except ConfigError as error:
        return str(error)


@given(st.dictionaries(NAMES, st.lists(TEXTS, max_size=2), max_size=5), st.text(max_size=60))
def test_anything_is_a_configuration_or_one_line(arguments: dict[str, list[str]], text: str) -> None:
    assert outcome(arguments, text).isprintable()


JSON = st.recursive(st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS, st.lists, max_leaves=4)


@given(st.dictionaries(st.sampled_from([option.file_key for option in OPTIONS]), JSON, max_size=4))
def test_any_toml_value_is_accepted_or_one_line(values: dict[str, Any]) -> None:
    text = "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items()).replace("\x7f", "")
    assert outcome({}, text).isprintable()
