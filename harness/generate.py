"""`trinode-harness generate`: make up a recording, the same one for the same seed and specification."""

from __future__ import annotations

import json
from pathlib import Path

import click
import msgspec

from harness.endings import fail
from harness.l1_view import UnsupportedRecording
from harness.recording import RecordedL1Block, RecordingError, RecordingWriter
from harness.scenario import Scenario, ScenarioError, check_scenario, read_scenario
from harness.simulation import Simulation
from trinode.derive.errors import CriticalError
from trinode.rollup.config import RollupConfigError


def describe(scenario: Scenario, seed: int) -> str:
    """What the recording says of its origin: what it takes to make it again."""
    changed = {
        name: value
        for name, value in msgspec.to_builtins(scenario).items()
        if value != msgspec.to_builtins(Scenario())[name]
    }
    return f"trinode-harness generate, seed {seed}, specification {json.dumps(changed, sort_keys=True)}"


def write_recording(scenario: Scenario, seed: int, path: Path) -> Simulation:
    """Play the scenario and write what L1 showed. Raises RecordingError, RollupConfigError, and what a follower
    raises."""
    simulation = Simulation(scenario, seed, describe(scenario, seed))
    with RecordingWriter(path, simulation.head) as writer:
        for item in simulation.run():
            writer.write(item)
    return simulation


@click.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed makes another recording.")
@click.option("--spec", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Specification in JSON.")
@click.option("--set", "settings", multiple=True, metavar="FIELD=JSON", help="One field of the specification.")
def generate(out: Path, seed: int, spec: Path | None, settings: tuple[str, ...]) -> None:
    """Make up an L1 with a batcher on it and write it to OUT (a .jsonl.gz file).

    No L2 blocks are in it: replay it with --fake-execution, and with the invalid blocks that the specification names.
    The fields of the specification are those of harness/scenario.py; what is not named has a default.
    """
    try:
        scenario = _with_settings(read_scenario(spec) if spec else Scenario(), settings)
        simulation = write_recording(scenario, seed, out)
    except ScenarioError as error:
        fail(f"{spec or '--set'}: {error}")
    except (RollupConfigError, RecordingError) as error:
        fail(str(error))
    except (CriticalError, UnsupportedRecording) as error:
        fail(f"derivation of the made-up chain stops, so that it cannot go on: {error}")
    else:
        click.echo(json.dumps(_summary(simulation)))


def _with_settings(scenario: Scenario, settings: tuple[str, ...]) -> Scenario:
    fields = msgspec.to_builtins(scenario)
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ScenarioError(f"{setting!r} is not FIELD=JSON")
        try:
            fields[name] = json.loads(value)
        except ValueError as error:
            raise ScenarioError(f"{name}: {error}") from error
    try:
        scenario = msgspec.convert(fields, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(str(error)) from error
    check_scenario(scenario)
    return scenario


def _summary(simulation: Simulation) -> dict[str, object]:
    head = simulation.sequencer.head.ref
    return {
        "l1_blocks": sum(isinstance(event, RecordedL1Block) for event in simulation.l1.events),
        "l1_head": simulation.l1.head.header.number,
        "l2_head": head.number,
        "l2_head_hash": "0x" + head.hash.hex(),
        "not_posted": len(simulation.sequencer.unposted),
        "invalid_blocks": list(simulation.scenario.invalid_blocks),
        "reject_undecodable": simulation.scenario.reject_undecodable,
    }
