"""Settings that contradict each other are refused at once, with what to do, rather than ignored."""

from __future__ import annotations

from trinode.node.config.model import NodeConfig
from trinode.node.config.option import ConfigError


def check(config: NodeConfig) -> None:
    """Raises ConfigError for the first contradiction."""
    _check_chain(config)
    if config.chain.is_devnet:
        _check_devnet(config)
    else:
        _check_real(config)
    _check_engine(config)
    _check_sequencer(config)
    _check_p2p(config)
    if config.storage.gcmode == "archive" and _is_given(config, "history.state") and config.storage.history_blocks:
        raise ConfigError("gcmode archive keeps all states: leave history.state out, or set gcmode to full")
    _check_ports(config)


def _is_given(config: NodeConfig, name: str) -> bool:
    return any(setting.option.name == name and not setting.is_default for setting in config.settings)


def _check_chain(config: NodeConfig) -> None:
    chain = config.chain
    if chain.network is not None and chain.rollup_config is not None:
        raise ConfigError("network and rollup.config are both set: leave one out")
    if chain.genesis is not None and chain.is_devnet:
        raise ConfigError("genesis is set without a chain: add rollup.config (or network)")
    if not chain.is_devnet and _is_given(config, "block-time"):
        raise ConfigError("block-time is the embedded devnet's: leave it out, the chain has its own")


def _check_devnet(config: NodeConfig) -> None:
    for name in ("l1", "l1.ws", "l1.beacon", "l2", "l2.witness", "authrpc"):
        if _is_given(config, name):
            raise ConfigError(f"{name} is set, but no chain: add network or rollup.config (without, an embedded devnet runs with an L1 of its own)")
    for setting in config.settings:
        is_its_own = setting.option.section in ("override", "batcher") or setting.option.name == "sequencer.l1-confs"
        if is_its_own and not setting.is_default:
            raise ConfigError(f"{setting.option.name} is set, but no chain: the embedded devnet has its own; leave it out, or add rollup.config")


def _check_real(config: NodeConfig) -> None:
    if config.authrpc.enabled:
        _check_driven(config)
        return
    if config.chain.halt != "none":
        raise ConfigError("rollup.halt is set, but nothing tells this node of protocol versions: a rollup node does, with authrpc; leave it out")
    if not config.l1.endpoints:
        raise ConfigError("l1 is missing: add the RPC URL of an L1 execution client (--l1 URL)")
    if config.l1.beacon is None and config.chain.network is not None:
        raise ConfigError("l1.beacon is missing: add the URL of an L1 beacon node (--l1.beacon URL); the chain's batches are in blobs")
    if config.l1.beacon is None and (config.l1.beacon_fallbacks or config.l1.beacon_header is not None):
        raise ConfigError("l1.beacon is missing: l1.beacon-fallbacks and l1.beacon-header only go with it")


def _check_driven(config: NodeConfig) -> None:
    """The engine alone, which another rollup node drives."""
    for name in ("l1", "l1.beacon", "l1.ws", "sequencer.enabled"):
        if _is_given(config, name):
            raise ConfigError(f"{name} and authrpc are both set: with authrpc another rollup node derives and drives this engine; leave one out")
    if config.engine.kind != "embedded":
        raise ConfigError(f"authrpc serves our own engine, but engine is {config.engine.kind}: leave one out")


def _check_engine(config: NodeConfig) -> None:
    engine = config.engine
    if engine.endpoint is not None and engine.kind != "external":
        raise ConfigError(f"l2 is set, but engine is {engine.kind}: leave l2 out, or set engine to external")
    if engine.witness and engine.kind != "stateless":
        raise ConfigError(f"l2.witness is set, but engine is {engine.kind}: leave l2.witness out, or set engine to stateless")
    if engine.trusted_output is not None and engine.kind != "stateless":
        raise ConfigError(f"l2.trusted-output is set, but engine is {engine.kind}: leave it out, or set engine to stateless")
    if engine.kind == "external" and engine.endpoint is None:
        raise ConfigError("engine is external, but l2 is missing: add the URL of its Engine API (--l2 URL)")
    if engine.kind == "stateless" and not engine.witness:
        raise ConfigError("engine is stateless, but l2.witness is missing: add an RPC URL that serves debug_executionWitness")
    if engine.endpoint is not None and engine.jwt_secret is None:
        raise ConfigError("l2 is set without l2.jwt-secret: add the file of the secret that the execution client has too")
    if engine.endpoint is None and engine.jwt_secret is not None:
        raise ConfigError("l2.jwt-secret is set without l2: add the URL of the Engine API, or leave it out")


def _check_sequencer(config: NodeConfig) -> None:
    sequencer = config.sequencer
    if not sequencer.enabled:
        only_with_it = {"sequencer.stopped": sequencer.stopped, "sequencer.recover": sequencer.recover, "batcher.key": config.batcher.key}
        for name, is_set in only_with_it.items():
            if is_set:
                raise ConfigError(f"{name} is set, but sequencer.enabled is not: set that too, or leave {name} out")
        return
    if config.engine.kind == "stateless":
        raise ConfigError("a sequencer needs a state to build on: leave engine and l2.witness out, or sequencer.enabled")
    if config.upstream.sequencer is not None:
        raise ConfigError("rollup.sequencerhttp passes transactions on, but this node is the sequencer: leave one of the two out")


def _check_p2p(config: NodeConfig) -> None:
    """What is set for a network that is off is refused where it is off by itself; who turns it off may leave the rest as it is."""
    p2p = config.p2p
    switch = next(setting for setting in config.settings if setting.option.name == "p2p.disable")
    if config.authrpc.enabled and not p2p.disabled:
        raise ConfigError("p2p.disable is false and authrpc is set: the rollup node that drives this engine has the peers; leave one out")
    if p2p.disabled and switch.is_implied:
        for setting in config.settings:
            if setting.option.section == "p2p" and setting.is_given:
                remedy = "leave it out" if config.authrpc.enabled else "add p2p.disable=false, or leave it out"
                raise ConfigError(f"{setting.option.name} is set, but there is no P2P {switch.source}: {remedy}")
    if p2p.key is not None and p2p.key_file is not None:
        raise ConfigError("p2p.priv.raw and p2p.priv.path are both set: leave one out")
    if p2p.peers_low > p2p.peers_high:
        raise ConfigError(f"p2p.peers.lo is {p2p.peers_low}, more than p2p.peers.hi, {p2p.peers_high}")
    if not p2p.mesh_low <= p2p.mesh_d <= p2p.mesh_high:
        raise ConfigError(f"p2p.gossip.mesh.lo, d and dhi are {p2p.mesh_low}, {p2p.mesh_d} and {p2p.mesh_high}: they must not descend")
    if not p2p.muxers:
        raise ConfigError("p2p.mux is empty: leave it out")
    if p2p.ban_threshold > 0:
        raise ConfigError("p2p.ban.threshold is above 0: every new peer would be banned")


def _check_ports(config: NodeConfig) -> None:
    """HTTP and WebSocket may share a port, as in op-geth; nothing else may."""
    servers = [] if config.p2p.disabled else [("p2p", config.p2p.listen_ip, config.p2p.listen_tcp)]
    servers.append(("rpc", config.rpc.addr, config.rpc.port))
    if config.http.enabled:
        servers.append(("http", config.http.addr, config.http.port))
    shares_port = config.http.enabled and (config.ws.addr, config.ws.port) == (config.http.addr, config.http.port)
    if config.ws.enabled and not shares_port:
        servers.append(("ws", config.ws.addr, config.ws.port))
    if config.authrpc.enabled:
        servers.append(("authrpc", config.authrpc.addr, config.authrpc.port))
    if config.metrics.enabled:
        servers.append(("metrics", config.metrics.addr, config.metrics.port))
    taken: dict[tuple[str, int], str] = {}
    for name, addr, port in servers:
        other = taken.setdefault((addr, port), name)
        if port and other != name:
            raise ConfigError(f"{other} and {name} both listen at {addr}:{port}: change {name}.port")
