"""`score`: how far a plan's declarations were from what happened, and the plan mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.lab.blame import Defect
from orchestrator.lab.mending import mend, mended_text
from orchestrator.lab.runlog import read_log
from orchestrator.lab.score import Score, score_run
from orchestrator.lab.scoresvg import to_svg
from orchestrator.runtime.header import Header
from orchestrator.spec.findings import errors
from orchestrator.spec.plan import Plan, find
from orchestrator.spec.yamldoc import read_document
from orchestrator.ui import reading
from orchestrator.ui.files import check_beside, write_text
from orchestrator.ui.output import complain, say, say_json
from orchestrator.ui.words import count, duration, listed, place

_DIMENSIONS = {
    "writes_precision": "of what tasks might write, they wrote",
    "writes_recall": "of what they wrote, was declared",
    "reads_precision": "of what they might read, they looked at or need",
    "reads_recall": "of what they looked at or need, was declared",
    "edges_precision": "of the declared edges, something flowed along",
    "edges_recall": "of what flowed between tasks, was ordered",
    "harmony": "of the attempts, no conflict touched",
    "no_waiting": "of the time, nobody waited for files or for others' work",
    "estimates": "how well estimates and durations agree, but for a common factor",
}
_SHOWN = 8  # edges of a kind that are named


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line.

    Attributes:
        suggest: print the mended plan.
        output: file for it; None: standard output.
        svg: file for the picture.
    """

    as_json: bool = False
    suggest: bool = False
    output: Path | None = None
    svg: Path | None = None


def show_score(run: str, wanted: Wanted) -> None:
    """Compare a run with its plan and print what was found.

    Raises:
        UsageError: there is no such run, nothing was accepted in it, or its plan has changed.
        LogError: its log cannot be read.
        WorkspaceError: a file cannot be written.
    """
    if wanted.output is not None and not wanted.suggest:
        raise UsageError(
            "-o names the file of the mended plan", f"-o {wanted.output}", fix="add --suggest"
        )
    folder = reading.find(run)
    score = score_run(folder.path)
    if wanted.svg is not None:
        write_text(wanted.svg, to_svg(score))
    text = ""
    if wanted.suggest:
        header = read_log(folder.path).header
        text = _suggested(score, header, wanted.output)
        if wanted.output is not None:
            write_text(wanted.output, text)
            _check(wanted.output)
    if wanted.as_json:
        extra: dict[str, Any] = {"suggested": text} if wanted.suggest else {}
        say_json({**score.to_json(), **extra})
    elif wanted.suggest and wanted.output is None:
        say(text.rstrip("\n"))
    else:
        for line in _lines(score, wanted):
            say(line)


# --- in words ---------------------------------------------------------------------------------


def _lines(score: Score, wanted: Wanted) -> Iterator[str]:
    yield from _summary(score)
    yield ""
    for name, meaning in _DIMENSIONS.items():
        value = score.dimensions[name]
        figure = "   –" if value is None else f"{value:.2f}"
        yield f"  {figure}  {name.replace('_', ' '):<17} {meaning}"
    if score.defects:
        yield ""
        yield "Defects of the plan, the costliest first:"
    for defect in score.defects:
        yield from _defect_lines(defect)
    yield from _edge_lines(score)
    yield from _task_lines(score)
    yield from (f"Note: {note}." for note in score.notes)
    if wanted.svg is not None:
        yield f"Picture: {place(wanted.svg)}"
    if wanted.output is not None and wanted.suggest:
        yield f"Mended plan: {place(wanted.output)}"
    elif score.defects or score.unused:
        yield "The plan with all this mended: score --suggest."


def _summary(score: Score) -> Iterator[str]:
    done = count(len(score.scores), "accepted task")
    harmful = [d for d in score.defects if any(one.harmful for one in d.incidents)]
    lucky = len(score.defects) - len(harmful)
    if not score.defects:
        yield f"{score.name}: {done}; the plan declared all that mattered between its tasks."
    else:
        cost = sum(defect.seconds for defect in score.defects)
        waited = f", which cost {duration(cost)} of waiting" if cost else ""
        led = f"{count(len(harmful), 'defect')} of the plan led to conflicts{waited}"
        luck = f"{count(lucky, 'missing edge')} did no harm, by luck"
        said = [part for part, any_ in ((led, harmful), (luck, lucky)) if any_]
        yield f"{score.name}: {done}; {'; '.join(said)}."
    if score.unused:
        edges = count(len(score.unused), "declared edge")
        yield f"Along {edges} of {len(score.used) + len(score.unused)} nothing flowed."
    reads = score.dimensions["reads_precision"]
    if reads is not None and reads < 0.5:
        yield f"Tasks may read far more than they use: {reads:.0%} of it."


def _defect_lines(defect: Defect) -> Iterator[str]:
    kinds: dict[str, int] = {}
    for incident in defect.incidents:
        kinds[incident.kind] = kinds.get(incident.kind, 0) + 1
    seen = ", ".join(f"{number} × {kind}" for kind, number in kinds.items())
    cost = f", {duration(defect.seconds)}" if defect.seconds else ""
    yield f"  {defect.code}: {defect.what} ({seen}{cost})"
    yield f"    fix: {defect.fix}"


def _edge_lines(score: Score) -> Iterator[str]:
    if score.used:
        yield ""
        yield "Edges that something flowed along:"
    for number, ((first, second), files) in enumerate(score.used.items()):
        if number == _SHOWN:
            yield f"  … and {len(score.used) - _SHOWN} more (all with --json)"
            break
        yield f"  {first} → {second}: {listed(files, 3)}"
    if score.unused:
        names = [f"{first} → {second}" for first, second in score.unused]
        yield f"Edges that nothing flowed along: {listed(names, _SHOWN)}."


def _task_lines(score: Score) -> Iterator[str]:
    width = max(len(name) for name in score.scores)
    yield ""
    yield f"  {'task':<{width}}  wrote/might  used/may read  undeclared"
    for name, found in score.scores.items():
        writes, reads = found.writes, found.reads
        more = sorted((writes.actual - writes.declared) | (reads.actual - reads.declared))
        pairs = (f"{len(one.actual & one.declared)}/{len(one.declared)}" for one in (writes, reads))
        first, second = pairs
        named = listed(more, 3) if more else ""
        yield f"  {name:<{width}}  {first:>11}  {second:>13}  {named}".rstrip()
    yield ""


# --- the mended plan --------------------------------------------------------------------------


def _suggested(score: Score, header: Header, output: Path | None) -> str:
    data = _plan_data(header)
    if output is not None and header.plan:
        check_beside(
            output, Path(header.plan), what="the mended plan", option="-o", suffix=".mended.yaml"
        )
    mends = mend(score)
    mended = {task.id: task for task in score.tasks}
    for name, change in mends.items():
        mended[name] = replace(
            mended[name], depends_on=change.depends_on, writes=change.writes,
            reads=change.reads or mended[name].reads,
        )  # fmt: skip
    planned = [mended[task.id] for task in header.tasks]
    known = {task.id for task in planned}
    trimmed = [
        replace(task, depends_on=tuple(name for name in task.depends_on if name in known))
        for task in planned
    ]
    for task in trimmed:  # tasks that were added while running are not in the file
        mends[task.id].depends_on = task.depends_on
    roles = Path(header.roles) if header.roles else None
    Plan(name=header.name, tasks=tuple(trimmed), roles=roles).check()
    return mended_text(data, mends, header.run)


def _plan_data(header: Header) -> Mapping[str, Any]:
    """Return the plan as its file has it, or as the log has it when there was no file.

    Raises:
        UsageError: the file has changed since the run began, or is gone.
    """
    if not header.plan:
        workspace = Path(header.workspace) if header.workspace else None
        return Plan(
            name=header.name, goal=header.goal, tasks=header.tasks, limits=header.limits,
            workspace=workspace,
        ).to_data()  # fmt: skip
    document = read_document(Path(header.plan))
    if document.digest != header.plan_digest:
        raise UsageError(
            "the plan file has changed since the run began, or is gone",
            header.plan,
            "what the run showed is of the plan as it was",
            "put that plan back, or score a run of the plan as it is now",
        )
    data: Mapping[str, Any] = document.data
    return data


def _check(path: Path) -> None:
    """Say on standard error what is still worth knowing about the mended plan."""
    _, findings = find(path)
    for finding in errors(findings):
        complain(str(finding))
