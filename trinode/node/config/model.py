"""NodeConfig: what the node is told, by concern. Durations are seconds, sizes bytes, endpoints HTTP URLs.

The fields are filled by name from the table of options, whose help says what each means. What may hold a secret (URLs
often have a key in them) is left out of `repr`, which ends up in logs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from trinode.node.config.option import Option
from trinode.rollup.fork import Fork


@dataclass(frozen=True, slots=True)
class General:
    config: Path | None
    datadir: Path


@dataclass(frozen=True, slots=True)
class ChainChoice:
    """Which chain: a built-in network (its canonical name), a rollup.json, or neither: the embedded devnet.
    `block_time`: of the devnet, in seconds; 0: instant blocks.
    """

    network: str | None
    rollup_config: Path | None
    l1_chain_config: Path | None
    genesis: Path | None
    halt: str
    block_time: int
    devnet_l1_port: int

    @property
    def is_devnet(self) -> bool:
        return self.network is None and self.rollup_config is None


@dataclass(frozen=True, slots=True)
class ForkOverrides:
    """Activation times instead of the chain's; None: the chain's."""

    canyon: int | None
    delta: int | None
    ecotone: int | None
    fjord: int | None
    granite: int | None
    holocene: int | None
    isthmus: int | None
    jovian: int | None
    karst: int | None
    lagoon: int | None
    pectrablobschedule: int | None
    keep_karst_upgrade_gas: bool | None

    def times(self) -> dict[Fork, int]:
        """The forks with another time."""
        given = {fork: getattr(self, fork.label, None) for fork in Fork}
        return {fork: time for fork, time in given.items() if time is not None}


@dataclass(frozen=True, slots=True)
class L1Settings:
    """`rate_limit` is requests a second, 0 for none."""

    endpoints: tuple[str, ...] = field(repr=False)
    rate_limit: float
    max_concurrency: int
    max_batch_size: int
    head_interval: float
    epoch_interval: float
    websocket: str | None = field(repr=False)
    beacon: str | None = field(repr=False)
    beacon_fallbacks: tuple[str, ...] = field(repr=False)
    beacon_header: tuple[str, str] | None = field(repr=False)
    confirmations: int
    cache_bytes: int


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """`kind` is embedded, external (then `endpoint` and `jwt_secret` are there) or stateless (then `witness` is). `trusted_output`: the number
    of an L2 block and its output root, or FROM_L1.
    """

    kind: str
    endpoint: str | None = field(repr=False)
    jwt_secret: Path | None
    timeout: float
    witness: tuple[str, ...] = field(repr=False)
    trusted_output: tuple[int, bytes] | str | None


@dataclass(frozen=True, slots=True)
class StorageSettings:
    gcmode: str
    history_blocks: int
    cache_bytes: int
    safedb: Path | None

    @property
    def history(self) -> int | None:
        """How many blocks before the head keep their states; None: all."""
        return None if self.gcmode == "archive" or self.history_blocks == 0 else self.history_blocks


@dataclass(frozen=True, slots=True)
class HttpSettings:
    enabled: bool
    addr: str
    port: int
    api: tuple[str, ...]
    vhosts: tuple[str, ...]
    corsdomain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WebSocketSettings:
    enabled: bool
    addr: str
    port: int
    api: tuple[str, ...]
    origins: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What one request or caller may ask for. `gas_cap`, `log_range` (blocks), `rate` (requests a second) 0: no limit."""

    gas_cap: int
    timeout: float
    batch_requests: int
    batch_response_bytes: int
    log_range: int
    log_choices: int
    send_sync_timeout: float
    send_sync_most: float
    rate: float


@dataclass(frozen=True, slots=True)
class IpcSettings:
    """`path` None: `trinode.ipc` in the datadir."""

    disabled: bool
    path: Path | None


@dataclass(frozen=True, slots=True)
class AuthRpcSettings:
    """`jwt_secret` None: `jwt.hex` in the datadir."""

    enabled: bool
    addr: str
    port: int
    jwt_secret: Path | None
    vhosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollupRpcSettings:
    addr: str
    port: int
    admin: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    sequencer: str | None = field(repr=False)
    historical: str | None = field(repr=False)
    historical_timeout: float
    conditional: bool


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """`price_limit` is in wei, `price_bump` in percent."""

    global_slots: int
    account_slots: int
    price_limit: int
    price_bump: int


@dataclass(frozen=True, slots=True)
class SequencerSettings:
    """`key` is 32 bytes."""

    enabled: bool
    stopped: bool
    max_safe_lag: int
    confirmations: int
    recover: bool
    key: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BatcherOptions:
    """`key`: the file of the private key; None: nothing is posted."""

    key: Path | None
    data_availability: str
    batch_type: str
    max_channel_duration: int
    target_num_frames: int
    sub_safety_margin: int
    max_pending: int
    resubmission_timeout: float
    confirmations: int


@dataclass(frozen=True, slots=True)
class P2PSettings:
    """op-node's p2p options. P2P is on, as in op-node, but off for the embedded devnet unless `p2p.disable` is given as false, and off with
    authrpc, where the other rollup node has it (`read.py` implies both).

    `key_file` None: `p2p_priv.txt` in the datadir, unless there is `key` (32 bytes). `listen_udp` 0: as TCP; `advertise_tcp`, `advertise_udp` 0: the
    ports where it listens; `advertise_ip` may be a host's name. `bootnodes` empty: those of the network. `peerstore` and `discovery_store`:
    MEMORY (values_p2p), or None: in the datadir. `muxers`: best first.
    """

    disabled: bool
    no_discovery: bool
    key_file: Path | None
    key: bytes | None = field(repr=False)
    listen_ip: str
    listen_tcp: int
    listen_udp: int
    advertise_ip: str | None
    advertise_tcp: int
    advertise_udp: int
    bootnodes: tuple[str, ...]
    static: tuple[str, ...]
    netrestrict: tuple[IPv4Network | IPv6Network, ...]
    peers_low: int
    peers_high: int
    peers_grace: float
    ban: bool
    ban_threshold: float
    ban_duration: float
    scoring: str
    peerstore: Path | str | None
    discovery_store: Path | str | None
    muxers: tuple[str, ...]
    user_agent: str
    ping: bool
    mesh_d: int
    mesh_low: int
    mesh_high: int
    mesh_lazy: int
    flood_publish: bool
    gossip_age: float
    serve_requests: bool
    ask_static_only: bool


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    enabled: bool
    addr: str
    port: int


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`color` None: on a terminal."""

    level: str
    format: str
    color: bool | None


@dataclass(frozen=True, slots=True)
class Setting:
    """An option's value and where it comes from: a flag, a variable, `FILE:LINE`, `default`, or what implies it."""

    option: Option
    value: Any = field(repr=False)
    source: str
    is_implied: bool = False

    @property
    def is_default(self) -> bool:
        return self.source == DEFAULT

    @property
    def is_given(self) -> bool:
        """By a flag, a variable or the file."""
        return not self.is_default and not self.is_implied


DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """All of it. `settings` has every option in the table's order, with its source."""

    general: General
    chain: ChainChoice
    override: ForkOverrides
    l1: L1Settings
    engine: EngineSettings
    storage: StorageSettings
    http: HttpSettings
    ws: WebSocketSettings
    calls: CallLimits
    ipc: IpcSettings
    authrpc: AuthRpcSettings
    rpc: RollupRpcSettings
    upstream: Upstream
    txpool: PoolSettings
    sequencer: SequencerSettings
    batcher: BatcherOptions
    p2p: P2PSettings
    metrics: MetricsSettings
    log: LogSettings
    settings: tuple[Setting, ...] = field(repr=False)
