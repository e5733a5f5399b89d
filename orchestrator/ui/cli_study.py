"""The commands that study plans, code and logs: ``lint``, ``graph``, ``check``, ``report`` ….

They are added to the command line by `ui.cli`. Each imports what it needs when it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_path = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")

COMMANDS: list[click.Command] = []
"""In the order of ``--help``'s alphabet; see `add_to`."""


def add_to(group: click.Group) -> None:
    """Add the commands to a command line."""
    for command in COMMANDS:
        group.add_command(command)


def _command(short_help: str) -> Callable[[Callable[..., object]], click.Command]:
    def make(function: Callable[..., object]) -> click.Command:
        command = click.command(short_help=short_help)(function)
        COMMANDS.append(command)
        return command

    return make


# --- before a run -----------------------------------------------------------------------------


@_command("Check a plan and say how parallel it is.")
@click.argument("plan", type=_path)
@_json
@click.option("--sarif", metavar="FILE", help="Write a SARIF 2.1.0 log; - is standard output.")
@click.option("--fix", is_flag=True, help="Write safe edits into the plan: adds edges only.")
@click.option("--certificate", type=_path, metavar="FILE", help="Prove that no tasks can collide.")
@click.option("--narrow", type=_path, metavar="PLAN2", help="Certify a copy with narrower reads.")
@click.option("--verify", "proof", type=_path, metavar="FILE", help="Check a certificate.")
def lint(
    plan: Path,
    as_json: bool,
    sarif: str | None,
    fix: bool,
    certificate: Path | None,
    narrow: Path | None,
    proof: Path | None,
) -> int:
    """Check a plan and say how much of it can be done at the same time.

    Exits with 1 if something is wrong with it.
    """
    if (proof and (certificate or narrow)) or (narrow and not certificate):
        raise click.UsageError("--verify stands alone; --narrow needs --certificate")
    if proof:
        from orchestrator.ui.certifying import verify_certificate

        return verify_certificate(plan, proof, as_json=as_json)
    if certificate:
        from orchestrator.ui.certifying import make_certificate

        return make_certificate(plan, certificate, narrow=narrow, as_json=as_json)
    from orchestrator.ui.linting import show_lint

    return show_lint(plan, as_json=as_json, sarif=sarif, fix=fix)


@_command("Say what code consists of and what depends on what.")
@click.argument("directory", type=_path)
@_json
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "graphml", "dot", "svg"]),
    default="text",
    help="How the graph is written.",
)
@click.option("-o", "--output", type=_path, metavar="FILE", help="Where it is written.")
@click.option("--who-needs", metavar="X", help="What depends on a file or symbol.")
@click.option("--touches", metavar="X", help="What a change of a file or symbol touches.")
@click.option("--path", nargs=2, metavar="A B", help="How one depends on the other.")
@click.option("--cycles", is_flag=True, help="What imports itself in a circle.")
@click.option("--hubs", is_flag=True, help="What much of the code depends on.")
@click.option("--trace", metavar="CMD", help="Run tests, and compare with what they call.")
@click.option("--observed", is_flag=True, help="Add traced calls to the graph.")
@click.option("--language", default="auto", metavar="NAME", help="python, typescript or auto.")
@click.option("--no-cache", is_flag=True, help="Read every file again.")
def graph(directory: Path, as_json: bool, form: str, no_cache: bool, **asked: Any) -> int:
    """Say what a directory of code consists of and what depends on what."""
    from orchestrator.ui.graphing import Wanted, default_cache, show_graph

    cache = None if no_cache else default_cache(directory)
    return show_graph(directory, Wanted(form="json" if as_json else form, cache=cache, **asked))


@_command("Say how long a plan will take, without a model.")
@click.argument("plan", type=_path)
@click.option("--workers", default="1,2,4,8", metavar="N,N…", help="Numbers of workers to try.")
@click.option("--runs", default=1000, metavar="N", help="Simulated runs for each.")
@click.option("--seed", default=0, metavar="N", help="Decides everything random.")
@click.option("--from", "earlier", multiple=True, metavar="RUN", help="Learn durations from runs.")
@click.option("--sigma", type=float, metavar="X", help="Spread of durations; 0: none.")
@click.option("--failing", type=float, metavar="P", help="Probability that an attempt fails.")
@click.option("--plot", type=_path, metavar="FILE", help="Draw speed-up over workers as SVG.")
@_json
def simulate(plan: Path, **asked: Any) -> None:
    """Run a plan many times in virtual time, and print what is to be expected."""
    from orchestrator.ui.simulating import Wanted, show_simulation

    show_simulation(plan, Wanted(**asked))


@_command("Cut what is to be done into a plan.")
@click.argument("directory", type=_path)
@click.option("--strategy", required=True, metavar="S", help="See docs/decompositions.md.")
@click.option("-o", "--output", type=_path, metavar="PLAN", help="Where it is written.")
@click.option("--tasks", type=int, metavar="K", help="How many tasks.")
@click.option("--seed", type=int, default=0, metavar="N", help="Decides what is random.")
@click.option("--workers", type=int, default=4, metavar="N", help="Agents at the same time.")
@click.option("--files", multiple=True, metavar="GLOB", help="Files to be worked on; repeatable.")
@click.option("--failing", default="", metavar="CMD", help="A pytest command that fails.")
@click.option("--test", default="", metavar="CMD", help="Test command, with {tests}.")
@click.option("--trace", default="", metavar="CMD", help="Measure and complete the code graph.")
@click.option("--model", default="", metavar="MODEL", help="Who plans, in strategy model.")
@click.option("-M", "options", metavar="KEY=VALUE", multiple=True, help="An option of the model.")
def decompose(
    directory: Path,
    strategy: str,
    output: Path | None,
    model: str,
    options: tuple[str, ...],
    trace: str,
    **asked: Any,
) -> int:
    """Cut what is to be done in a directory into a plan.

    Strategies: modules, hard, interfaces, critical-path, packages, communities, solo, random,
    model.
    """
    from orchestrator.analysis.decompose import Options
    from orchestrator.ui.decomposing import Asked, show_decomposition
    from orchestrator.ui.graphing import default_cache
    from orchestrator.ui.pairs import model_options

    pairs = model_options(options)
    cut = Asked(
        strategy, Options(**asked), output, model, pairs, trace, cache=default_cache(directory)
    )
    return show_decomposition(directory, cut)


# --- after a run ------------------------------------------------------------------------------


@_command("Look for concurrency anomalies in a log.")
@click.argument("run", metavar="RUN")
@click.option("--tests", is_flag=True, help="Run each accepted task's tests again, together.")
@_json
def check(run: str, tests: bool, as_json: bool) -> int:
    """Say whether the tasks could have been done one after another with the same result.

    RUN is its directory or its id. Exits with 1 if an anomaly is found.
    """
    from orchestrator.ui.checking import show_check

    return show_check(run, tests=tests, as_json=as_json)


@_command("Show a run, or an experiment, as one HTML file.")
@click.argument("runs", metavar="RUN", nargs=-1, required=True)
@click.option("-o", "output", type=_path, metavar="FILE", help="The file; else in the run's own.")
def report(runs: tuple[str, ...], output: Path | None) -> None:
    """Write what happened in a run as one HTML file that needs no network.

    RUN is its directory or its id; or the directory of an experiment that `compare` has run.
    """
    from orchestrator.ui.report import show_report

    show_report(runs, output)


@_command("Write a run in the format of another tool.")
@click.argument("run", metavar="RUN")
@click.option("--inspect", is_flag=True, help="A log that Inspect AI reads and shows.")
@click.option("-o", "output", type=_path, metavar="FILE", help="The file; else in the run's own.")
def export(run: str, inspect: bool, output: Path | None) -> None:
    """Write a run in the format of another tool."""
    from orchestrator.ui.exporting import show_export

    show_export(run, inspect=inspect, output=output)


@_command("Compare what a plan declared with what happened.")
@click.argument("run", metavar="RUN")
@_json
@click.option("--suggest", is_flag=True, help="Print the mended plan.")
@click.option("-o", "--output", type=_path, metavar="FILE", help="Where it is written.")
@click.option("--svg", type=_path, metavar="FILE", help="Draw the planned and the observed graph.")
def score(run: str, **asked: Any) -> None:
    """Say what a plan's declarations were worth, and lay each conflict on a defect of it.

    RUN is its directory or its id.
    """
    from orchestrator.ui.scoring import Wanted, show_score

    show_score(run, Wanted(**asked))


@_command("Run an experiment, resumable, and compare its arms.")
@click.argument("plans", type=_path, nargs=-1, required=True, metavar="PLAN...")
@click.option("--modes", metavar="LIST", help="Modes with commas, for example solo,shared.")
@click.option("--models", metavar="LIST", help="Models with commas.")
@click.option("--workers", metavar="LIST", help="Numbers of workers, for example 2,4.")
@click.option("--validate", metavar="LIST", help="What makes a write stale: region,file.")
@click.option("--time", metavar="KIND", help="real, or virtual for offline models.")
@click.option(
    "--command-seconds", type=float, metavar="N", help="What a command takes in virtual time."
)
@click.option("--repeats", type=int, metavar="N", help="Seeds per arm and case; 5 by default.")
@click.option("--seed", type=int, metavar="N", help="The first seed; 0 by default.")
@click.option("-M", "options", metavar="KEY=VALUE", multiple=True, help="An option of the models.")
@click.option("--primary", metavar="OUTCOME", help="What decides; makespan by default.")
@click.option("--judge", metavar="CMD", help="Must pass on the final tree of each trial.")
@click.option("--claim", type=click.Choice(["cases", "general"]), help="About these cases, or all.")
@click.option("--out", type=_path, metavar="DIR", help="Directory of the experiment.")
@click.option("--jobs", type=int, default=1, metavar="N", help="Trials at the same time.")
@click.option("--shard", metavar="I/N", help="Run only this part of the trials.")
@click.option(
    "--dask",
    is_flag=False,
    flag_value="",
    metavar="[ADDRESS]",
    help="Run them on a Dask cluster; without an address, on --jobs workers here.",
)
@click.option("--retry-lost", is_flag=True, help="Run trials again whose process had died.")
@click.option("--yes", is_flag=True, help="Do not ask before models are paid for.")
@_json
def compare(plans: tuple[Path, ...], options: tuple[str, ...], **asked: Any) -> int:
    """Run plans under several conditions and say what differs; or the one experiment file given.

    Trials that are finished are never run again: the same command goes on after an interrupt.
    """
    from orchestrator.ui.comparing import Wanted, show_comparison
    from orchestrator.ui.pairs import model_options

    return show_comparison(plans, Wanted(options=model_options(options), **asked))
