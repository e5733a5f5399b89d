"""One trial: a run in a process and a directory of its own, paid for once.

::

    OUT/trials/NAME/run/          the run's directory, with its log
                    tree/         the files that came out
                    output.txt    what the run said on standard error
                    result.json   written last, in one go: the trial is finished

A directory without ``result.json`` is a trial that was interrupted. It runs again from the start
(a resumed run would be no measure of its arm), and what was there is kept as ``lost-1``, ….
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from orchestrator import __version__
from orchestrator.errors import LogError, OrchestratorError, UsageError, WorkspaceError
from orchestrator.lab.endtests import Memory
from orchestrator.lab.experiment import VERSION, Arm, Experiment, Trial
from orchestrator.lab.outcomes import Figures, Outcome, TaskOutcome, measure_outcome
from orchestrator.lab.testcounts import TestCounts, count_tests
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.commands import Commands, SubprocessCommands
from orchestrator.runtime.remembering import RememberedCommands

JUDGE_SECONDS = 1800.0
"""Seconds that the judge may take."""

_RESULT = "result.json"
_ENDED = (0, 1, 3)  # exit codes of a run that came to an end of its own
_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What came of a trial.

    Attributes:
        failure: why there is no outcome although the trial was run: its process died, or could
            not work here; "" for an outcome, good or bad.
        figures: value per measure; empty after an infrastructure failure, but for success 0.
        judge: the command that judged the final tree; "": none did.
        judged: whether it passed; None: it was not asked.
        version: of this program, when it ran.
    """

    name: str
    case: str
    arm: Arm
    seed: int
    status: str
    failure: str = ""
    figures: Figures = field(default_factory=dict)
    tasks: tuple[TaskOutcome, ...] = ()
    notes: tuple[str, ...] = ()
    judge: str = ""
    judged: bool | None = None
    version: str = __version__

    @property
    def success(self) -> bool:
        """Whether all tasks succeeded, and the judge agreed if there was one."""
        return bool(self.figures.get("success")) and self.judged is not False

    def figure(self, name: str) -> float | None:
        """Return the value of a measure; None when it is not known."""
        return float(self.success) if name == "success" else self.figures.get(name)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {"layout": VERSION, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge says of a final tree.

    Attributes:
        counts: tests that passed and failed; None: its output does not say.
    """

    passed: bool
    counts: TestCounts | None = None

    @property
    def figures(self) -> Figures:
        """The figures that the judge knows better than the tasks' own tests."""
        if self.counts is None:
            return {"tests_passed": None, "tests_run": None}
        return {"tests_passed": self.counts.share, "tests_run": float(self.counts.total)}


class Processes:
    """The processes of trials that run now, so that all can be ended at once.

    Attributes:
        memory: what tests said of the trees that these trials have left.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self._lock = Lock()
        self._live: set[subprocess.Popen[bytes]] = set()
        self.stopped = False

    def run(self, words: Sequence[str], output: Path) -> int:
        """Run a process to its end; return its exit code, negative for a signal.

        Args:
            words: what is executed.
            output: file for standard error. Standard output is not kept: the log tells more.
        """
        with output.open("wb") as file, self._lock:
            if self.stopped:
                return _INTERRUPTED
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file,
                start_new_session=True,
            )  # fmt: skip
            self._live.add(process)
        try:
            return process.wait()
        finally:
            with self._lock:
                self._live.discard(process)

    def stop(self) -> None:
        """End what runs, cleanly, and let nothing begin any more."""
        with self._lock:
            self.stopped = True
            for process in self._live:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGINT)


def load_result(folder: Path) -> TrialResult | None:
    """Return the result of a finished trial; None when there is none to go by."""
    try:
        values = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if values.pop("layout", None) != VERSION:
        return None
    arm = Arm(**values.pop("arm"))
    tasks = tuple(TaskOutcome(**task) for task in values.pop("tasks"))
    notes = tuple(values.pop("notes"))
    return TrialResult(arm=arm, tasks=tasks, notes=notes, **values)


def finished(folder: Path, trial: Trial, judge: str) -> TrialResult | None:
    """Return the result of a trial that was paid for already, judged as is asked now.

    Args:
        folder: directory of the trial.
        judge: command that must pass on the final tree; "": none.
    """
    found = load_result(folder)
    if found is None:
        return None
    # The same run may be asked for under other names for its case and decomposition.
    found = replace(found, case=trial.case, arm=trial.arm)
    if found.judge == judge or found.failure:
        return found
    return _save(folder, _judged(folder, found, judge))


def perform(
    folder: Path, trial: Trial, experiment: Experiment, processes: Processes
) -> TrialResult | None:
    """Run a trial, measure what came of it, and keep the result.

    Args:
        folder: directory of the trial.

    Returns:
        None: it was interrupted, and will run again.

    Raises:
        UsageError: the run refused to begin; so would every other.
    """
    _prepare(folder)
    code = processes.run(_words(folder, trial, experiment), folder / "output.txt")
    if code == _INTERRUPTED or processes.stopped:
        return None
    if code == UsageError.exit_code:
        raise UsageError(
            f"trial {trial.name} refused to begin",
            why=_said(folder / "output.txt"),
            fix="mend that; the same command then goes on",
        )
    made = TrialResult(trial.name, trial.case, trial.arm, trial.seed, "lost")
    if code not in _ENDED:
        return _save(folder, _lost(made, _cause(code, folder / "output.txt")))
    try:
        again = trial.plan.workspace is not None
        outcome = measure_outcome(folder / "run", retest=again, memory=processes.memory)
    except (LogError, WorkspaceError) as error:
        return _save(folder, _lost(made, error.what))
    return _save(folder, _judged(folder, _with(made, outcome), experiment.judge))


def _with(made: TrialResult, outcome: Outcome) -> TrialResult:
    return replace(
        made, status=outcome.status, figures=outcome.figures, tasks=outcome.tasks,
        notes=outcome.notes,
    )  # fmt: skip


def _judged(folder: Path, made: TrialResult, judge: str) -> TrialResult:
    if not judge:
        return replace(made, judge="", judged=None)
    known = _remembered(folder)
    said = _judge(folder / "tree", judge, known if known.exists() else None)
    return replace(
        made, judge=judge, judged=said.passed, figures={**made.figures, **said.figures}
    )  # fmt: skip


def _lost(made: TrialResult, why: str) -> TrialResult:
    """An infrastructure failure: it is no success, and nothing else is known of it."""
    return replace(made, failure=why, figures={"success": 0.0})


def _words(folder: Path, trial: Trial, experiment: Experiment) -> list[str]:
    arm = trial.arm
    words = [
        sys.executable, "-m", "orchestrator", "run", str(trial.plan.path), "--mode", arm.mode,
        "--workers", str(arm.workers), "--seed", str(trial.seed), "--run-dir",
        str(folder / "run"), "--plain", "--json",
    ]  # fmt: skip
    if trial.plan.workspace is not None:
        words += ["--into", str(folder / "tree")]
    if arm.model:
        words += ["--model", arm.model]
    if arm.validate:
        words += ["--validate", arm.validate]
    if experiment.time != "real":
        words += ["--time", experiment.time]
    if experiment.command_seconds is not None:
        words += ["--command-seconds", str(experiment.command_seconds)]
        words += ["--remember", str(_remembered(folder))]
    for key, value in experiment.options:
        words += ["-M", f"{key}={value}"]
    return words


def _prepare(folder: Path) -> None:
    """Put what an interrupted trial left aside."""
    folder.mkdir(parents=True, exist_ok=True)
    left = [entry for entry in folder.iterdir() if not entry.name.startswith("lost-")]
    if left:
        number = sum(1 for entry in folder.iterdir() if entry.name.startswith("lost-"))
        aside = folder / f"lost-{number + 1}"
        aside.mkdir()
        for entry in left:
            entry.rename(aside / entry.name)


def _remembered(folder: Path) -> Path:
    """Return where the trials of an experiment in virtual time keep what tests said."""
    return folder.parent.parent / "remembered"


def _judge(tree: Path, command: str, known: Path | None) -> Verdict:
    """Say whether the judge passes on the final tree, in the sandbox of test commands.

    Args:
        known: where results are remembered; None: nowhere.
    """
    with tempfile.TemporaryDirectory(prefix="orchestrator-") as outputs:
        blobs = BlobStore(Path(outputs), durable=False)
        commands: Commands = SubprocessCommands(blobs)
        if known is not None:
            commands = RememberedCommands(commands, blobs, known)
        try:
            result = commands.run(command, tree, timeout=JUDGE_SECONDS)
        except OrchestratorError:  # there is no tree to judge
            return Verdict(False)
    return Verdict(result.exit_code == 0, count_tests(result.output))


def _cause(code: int, output: Path) -> str:
    if code < 0:
        try:
            return f"its process was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"its process was ended by signal {-code}"
    said = _said(output)
    return f"it ended with exit code {code}{': ' + said if said else ''}"


def _said(output: Path) -> str:
    """Return the line in which a process said what was wrong."""
    lines = output.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return next(iter(errors or lines[-1:]), "")


def _save(folder: Path, result: TrialResult) -> TrialResult:
    """Write the result so that it is there whole or not at all."""
    text = json.dumps(result.to_json(), indent=1, ensure_ascii=False)
    with tempfile.NamedTemporaryFile(
        "w", dir=folder, prefix="result-", encoding="utf-8", delete=False
    ) as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(folder / _RESULT)
    return result
