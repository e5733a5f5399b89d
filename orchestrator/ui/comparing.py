"""`compare`: runs an experiment, or what is left of it, and says what came out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError, WorkspaceError
from orchestrator.lab.compare import ArmSummary, Comparison, Contrast, compare
from orchestrator.lab.experiment import Experiment, cases_of
from orchestrator.lab.experimentfile import read_experiment
from orchestrator.lab.outcomes import MEASURES
from orchestrator.lab.statistics import ALPHA, require, rule_of_three
from orchestrator.lab.trialruns import Advance, Engine, Here, Share, conduct
from orchestrator.lab.trialtables import DATABASE, manifest, write_manifest, write_tables
from orchestrator.runtime.rundir import make_state_folder
from orchestrator.spec.plan import Plan
from orchestrator.ui.output import complain, say, say_json
from orchestrator.ui.paying import approval
from orchestrator.ui.reporting.comparison_page import NAME, write_comparison
from orchestrator.ui.signals import terminable
from orchestrator.ui.words import count, duration, listed, place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; see the command's options. None: as the experiment file says."""

    modes: str | None = None
    models: str | None = None
    workers: str | None = None
    validate: str | None = None
    time: str | None = None
    command_seconds: float | None = None
    repeats: int | None = None
    seed: int | None = None
    options: tuple[tuple[str, str], ...] = ()
    primary: str | None = None
    judge: str | None = None
    claim: str | None = None
    out: Path | None = None
    jobs: int = 1
    shard: str | None = None
    dask: str | None = None
    retry_lost: bool = False
    yes: bool = False
    as_json: bool = False


def show_comparison(files: Sequence[Path], wanted: Wanted) -> int:
    """Run what is not done yet of an experiment, compare its arms, and print what came out.

    Args:
        files: plans, or one experiment file.

    Returns:
        The exit code: 0 when all trials are done, 1 when some are missing or were lost.

    Raises:
        PlanError: a plan or the experiment file cannot be used.
        UsageError: the experiment cannot run as asked, or the extra ``lab`` is not installed.
        WorkspaceError: the directory of the experiment cannot be written.
    """
    require()
    share = _share(wanted.shard)
    engine = _engine(wanted)
    experiment, notes = _experiment(files, wanted)
    experiment.check()
    out = _folder(experiment, wanted.out)
    for note in (*notes, *experiment.notes()):
        complain(f"note: {note}")
    complain(
        f"{count(experiment.total, 'trial')} of {count(len(experiment.all_arms()), 'arm')} "
        f"in {place(out)}"
    )
    try:
        with terminable():
            results = conduct(
                experiment, out, share=share, retry_lost=wanted.retry_lost, listener=_progress,
                engine=engine, approve=approval(experiment, yes=wanted.yes),
            )  # fmt: skip
        write_tables(results, out)
        write_manifest(experiment, results, out)
    except KeyboardInterrupt:
        complain("Ended what ran. The same command goes on; finished trials are not run again.")
        raise
    except OSError as error:
        raise _unwritable(out, error) from error
    versions = sorted({one.version for one in results})
    if len(versions) > 1:
        complain(f"note: trials of several versions of this program: {', '.join(versions)}")
    comparison = compare(results, experiment)
    said = manifest(experiment, results)
    write_comparison(out / NAME, headline(comparison), comparison, results, said)
    if wanted.as_json:
        say_json({"headline": headline(comparison), "out": str(out), **comparison.to_json()})
    else:
        for line in _lines(comparison, out):
            say(line)
    return 0 if comparison.done == comparison.total and not comparison.lost else 1


# --- what is asked ----------------------------------------------------------------------------


def _experiment(files: Sequence[Path], wanted: Wanted) -> tuple[Experiment, list[str]]:
    notes: list[str] = []
    experiment = read_experiment(files[0]) if len(files) == 1 else None
    if experiment is None:
        cases, notes = cases_of(files)
        experiment = Experiment(cases=cases)
    said = {
        "modes": _words(wanted.modes),
        "models": _words(wanted.models),
        "workers": _numbers(wanted.workers),
        "validations": _words(wanted.validate),
        "time": wanted.time,
        "command_seconds": wanted.command_seconds,
        "repeats": wanted.repeats,
        "seed": wanted.seed,
        "options": wanted.options or None,
        "primary": wanted.primary,
        "judge": wanted.judge,
        "general": None if wanted.claim is None else wanted.claim == "general",
    }
    changes = {key: value for key, value in said.items() if value is not None}
    return replace(experiment, **changes), notes  # type: ignore[arg-type]


def _words(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _numbers(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(word) for word in _words(text) or ())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a list of numbers", "--workers", fix="say for example --workers 2,4,8"
        ) from None


def _share(text: str | None) -> Share:
    if text is None:
        return Share()
    number, _, of = text.partition("/")
    if number.isdigit() and of.isdigit() and 1 <= int(number) <= int(of):
        return Share(int(number), int(of))
    raise UsageError(
        f"{text!r} is not a part of the trials", "--shard", fix="say for example --shard 2/4"
    )


def _engine(wanted: Wanted) -> Engine:
    if wanted.jobs < 1:
        raise UsageError("at least one trial must run at a time", "--jobs", fix="say 1 or more")
    if wanted.dask is None:
        return Here(wanted.jobs)
    if wanted.dask and wanted.jobs > 1:
        raise UsageError(
            "the cluster decides how many trials run at a time", "--jobs",
            fix="leave out --jobs, or leave out the address of --dask",
        )  # fmt: skip
    from orchestrator.lab.daskruns import Cluster

    return Cluster(wanted.dask, wanted.jobs)


def _folder(experiment: Experiment, out: Path | None) -> Path:
    if out is None:
        first = next(iter(experiment.cases[0].plans.values()))
        state = make_state_folder(first.base)
        out = state / "experiments" / experiment.name()
    out = out.absolute()
    for case in experiment.cases:
        for plan in case.plans.values():
            _check_apart(out, plan)
    try:
        (out / "trials").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(out, error) from error
    return out


def _check_apart(out: Path, plan: Plan) -> None:
    """Ask whether trials can work on copies of a workspace below a directory."""
    if plan.workspace is None:
        return
    here, there = out.resolve(), plan.workspace.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UsageError(
            "the experiment and the workspace are inside one another",
            f"{place(out)}, {place(plan.workspace)}",
            "each trial works on a copy of the workspace, which would then copy itself",
            "name a directory outside the workspace with --out DIR",
        )


def _unwritable(out: Path, error: OSError) -> WorkspaceError:
    return WorkspaceError(
        "the directory of the experiment cannot be written",
        str(out),
        error.strerror or str(error),
        "make room or name another with --out DIR; the same command then goes on",
    )


def _progress(advance: Advance) -> None:
    last = advance.last
    text = f"{advance.done} of {count(advance.total, 'trial')} done"
    if last is not None:
        ending = f"lost: {last.failure}" if last.failure else last.status
        text += f": {last.name} {ending}"
    if advance.seconds_left:
        text += f"; about {duration(advance.seconds_left)} left"
    complain(text)


# --- what came out ----------------------------------------------------------------------------


def headline(comparison: Comparison) -> str:
    """Return what the primary outcome says, in one sentence."""
    missing = comparison.total - comparison.done
    so_far = f"So far ({count(missing, 'trial')} missing): " if missing else ""
    return so_far + "; ".join(_verdict(one) for one in comparison.primary) + "."


def _verdict(one: Contrast) -> str:
    label = MEASURES[one.measure].label
    if one.equal:
        return (
            f"no difference at all in {label} between {one.arm} and {one.baseline}: "
            f"{_value(one, 0)} in all {count(one.pairs, 'pair')}"
        )
    if one.effect is None or one.corrected is None:
        return f"nothing to compare yet in {label} between {one.arm} and {one.baseline}"
    figures = f"{_effect(one)}, p = {one.corrected:.2g}, {count(one.pairs, 'pair')}"
    if one.shown:
        return f"{label} is {_size(one)} with {one.arm} than with {one.baseline} ({figures})"
    text = f"no difference shown in {label} between {one.arm} and {one.baseline} ({figures}"
    if one.least_p > ALPHA:
        text += f"; so few cannot give a p below {one.least_p:.2g}, whatever the difference"
    if one.smallest is not None:
        text += f"; differences below {_percent(one)} would mostly go unseen"
    if one.more:
        text += f"; {one.more:,} more repeats would show one of 10 %"
    return text + ")"


def _size(one: Contrast) -> str:
    assert one.effect is not None
    if one.scale == "ratio":
        change = one.effect.estimate - 1
        return f"{abs(change):.0%} {'lower' if change < 0 else 'higher'}"
    if one.scale == "rate":
        change = one.effect.estimate
        return f"{abs(change) * 100:.0f} points {'lower' if change < 0 else 'higher'}"
    change = one.effect.estimate
    return f"{abs(change):.3g} {'lower' if change < 0 else 'higher'}"


def _effect(one: Contrast) -> str:
    assert one.effect is not None
    name = "ratio" if one.scale == "ratio" else "difference"
    text = f"{name} {one.effect.estimate:.3g}"
    if not math.isnan(one.effect.low):
        text += f", 95 % interval {one.effect.low:.3g} to {one.effect.high:.3g}"
    return text


def _percent(one: Contrast) -> str:
    assert one.smallest is not None
    if one.scale == "rate":
        return f"{one.smallest * 100:.0f} points"
    return f"{one.smallest:.0%}"


def _lines(comparison: Comparison, out: Path) -> Iterator[str]:
    yield headline(comparison)
    yield ""
    yield from _arms(comparison.arms)
    yield ""
    yield from _table(comparison.secondary)
    yield ""
    cases = count(len(comparison.cases), "case")
    yield (
        f"The claim is about {comparison.claim} ({cases}: {listed(comparison.cases)})"
        + ("." if comparison.claim != "these cases" else "; it says nothing about others.")
    )
    failed = sum(round(one.trials * (1 - one.success.estimate)) for one in comparison.arms)
    if failed:
        yield (
            f"{count(failed, 'trial')} did not succeed; their times and tokens are those that "
            "they had taken when they ended."
        )
    yield from _without_failure(comparison.arms)
    for lost in comparison.lost:
        yield f"Lost (counted as no success, left out of all else): {lost.name}: {lost.failure}"
    if comparison.lost:
        yield "To run lost trials again: --retry-lost."
    yield f"Report: {place(out / NAME)}"
    yield f"Data: {place(out)}/trials.csv, tasks.csv, {DATABASE}, manifest.json"


def _without_failure(arms: Sequence[ArmSummary]) -> Iterator[str]:
    """Yield what no failure means, where there are trials enough for it to mean anything."""
    perfect: dict[int, list[str]] = {}
    for one in arms:
        if one.success.estimate == 1 and rule_of_three(one.trials) < 1:
            perfect.setdefault(one.trials, []).append(one.name)
    for trials, names in perfect.items():
        yield (
            f"No failure in {count(trials, 'trial')} of {listed(names)}: "
            f"up to {rule_of_three(trials):.0%} may still fail (rule of three)."
        )


def _arms(arms: Sequence[ArmSummary]) -> Iterator[str]:
    rows = [("arm", "trials", "success", "95 %", "makespan", "attempts", "tokens")]
    for one in arms:
        means = one.means
        rows.append((
            one.name, str(one.trials), f"{one.success.estimate:.0%}",
            f"{one.success.low:.0%}-{one.success.high:.0%}",
            duration(means["makespan"]) if "makespan" in means else "-",
            f"{means['attempts']:.3g}" if "attempts" in means else "-",
            f"{means['tokens']:,.0f}" if "tokens" in means else "-",
        ))  # fmt: skip
    yield from _columns(rows)


def _table(contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Yield the secondary outcomes; those that are equal throughout are only named."""
    rows = [("other outcomes", "arm", "baseline", "in the arm", "effect", "p", "better")]
    same: dict[str, None] = {}
    for one in contrasts:
        assert one.values is not None
        label = MEASURES[one.measure].label
        if one.equal:
            same[label] = None
            continue
        rows.append((
            label, one.arm, _value(one, 0), _value(one, 1), _effect(one),
            "-" if one.corrected is None else f"{one.corrected:.2g}",
            "-" if one.better is None else f"{one.better:.0%}",
        ))  # fmt: skip
    if len(rows) > 1:
        yield from _columns(rows)
    if same:
        yield f"No difference at all: {listed(list(same), 20)}."


def _value(one: Contrast, side: int) -> str:
    assert one.values is not None
    value = one.values[side]
    return f"{value:.0%}" if one.scale == "rate" else f"{value:,.3g}"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
