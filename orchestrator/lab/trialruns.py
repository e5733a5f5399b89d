"""Many trials: those that are done already are read, the others run, several at a time.

What runs them is an *engine*: processes of this machine (`Here`), or the workers of a Dask
cluster (`daskruns.Cluster`). Both carry a trial out by `attend`, in the directory of the
experiment, so a trial is paid for once, whoever ran it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from orchestrator.errors import WorkspaceError
from orchestrator.lab import bound
from orchestrator.lab.experiment import Experiment, Trial
from orchestrator.lab.trial import Processes, TrialResult, finished, perform
from orchestrator.lab.versussolo import beside_solo


@dataclass(frozen=True, slots=True)
class Share:
    """A part of the trials, for one of several machines that use the same directory.

    Attributes:
        number: which part, from 1.
        of: how many parts there are.
    """

    number: int = 1
    of: int = 1

    def take(self, trials: Sequence[Trial]) -> list[Trial]:
        """Return this part. Trials of one case and seed stay together, as they are compared."""
        blocks = list(dict.fromkeys((trial.case, trial.seed) for trial in trials))
        mine = set(blocks[self.number - 1 :: self.of])
        return [trial for trial in trials if (trial.case, trial.seed) in mine]


@dataclass(frozen=True, slots=True)
class Advance:
    """How far an experiment has come.

    Attributes:
        done: trials that are finished, earlier ones included.
        seconds_left: estimate from the trials that this call has run; None: there is none yet.
        last: the trial that has just ended; None at the start.
    """

    done: int
    total: int
    seconds_left: float | None
    last: TrialResult | None = None


Listener = Callable[[Advance], None]
Approval = Callable[[Sequence[Trial], Sequence[TrialResult]], None]


class Engine(Protocol):
    """What runs trials."""

    def results(
        self, trials: Sequence[Trial], experiment: Experiment, out: Path
    ) -> Generator[TrialResult, None, None]:
        """Run trials, begun in their order; yield each result as it comes.

        A trial without a result was interrupted, or is run by another command at this moment.
        When the iterator is closed or fails, what runs is ended cleanly first.

        Args:
            out: directory of the experiment; each result is kept there before it is yielded.

        Raises:
            UsageError: a trial refused to begin; so would every other.
            WorkspaceError: the directory of the experiment cannot be used.
        """
        ...


def conduct(
    experiment: Experiment,
    out: Path,
    *,
    jobs: int = 1,
    share: Share | None = None,
    retry_lost: bool = False,
    listener: Listener = lambda advance: None,
    engine: Engine | None = None,
    approve: Approval = lambda waiting, known: None,
) -> list[TrialResult]:
    """Run what is not done yet; return the results of all trials that are done.

    On Ctrl-C the trials that run are ended cleanly, and run again the next time.

    Args:
        out: directory of the experiment.
        jobs: trials that run at the same time, each in a process of its own.
        share: the part to run; None: all. What others have done is returned too.
        retry_lost: run trials again whose process had died.
        listener: told at the start and after each trial, from the calling thread.
        engine: what runs the trials; None: `jobs` processes of this machine.
        approve: told, before any trial runs, which are to run and what is known; an exception
            from it is passed on, and nothing has run.
    """
    trials = experiment.trials()
    mine = (share or Share()).take(trials)
    known: dict[str, TrialResult] = {}
    for trial in trials:
        found = finished(out / "trials" / trial.name, trial, experiment.judge)
        if found is not None and not (retry_lost and found.failure):
            known[trial.name] = found
    waiting = [trial for trial in mine if trial.name not in known]
    approve(waiting, list(known.values()))
    before, total = len(mine) - len(waiting), len(mine)
    listener(Advance(before, total, None))
    begun = time.monotonic()
    with closing((engine or Here(jobs)).results(waiting, experiment, out)) as running:
        for done, result in enumerate(running, 1):
            known[result.name] = result
            left = (time.monotonic() - begun) / done * (len(waiting) - done)
            listener(Advance(before + done, total, left, result))
    return beside_solo([known[trial.name] for trial in trials if trial.name in known])


# --- one trial --------------------------------------------------------------------------------


class BoundProcesses(Processes):
    """Processes of trials that end with the process that started them, however it ends.

    Args:
        folder: directory that they work in; None: the current one.
    """

    def __init__(self, folder: str | None = None) -> None:
        super().__init__()
        self._folder = folder or str(Path.cwd())

    def run(self, words: Sequence[str], output: Path) -> int:
        """Run a process to its end; see `Processes`."""
        program = [sys.executable, "-I", "-S", bound.__file__, str(os.getpid()), self._folder]
        return super().run([*program, *words], output)


def attend(
    out: Path, trial: Trial, experiment: Experiment, processes: Processes, *, patient: bool = False
) -> TrialResult | None:
    """Run a trial, unless somebody else has done so by now.

    Two commands that use the same directory never run the same trial at the same time.

    Args:
        out: directory of the experiment.
        patient: wait for another process that runs the trial now, and take its result.

    Returns:
        None: it was interrupted, or somebody else is running it.

    Raises:
        UsageError: the run refused to begin; so would every other.
        WorkspaceError: the file system has no file locks.
    """
    folder = out / "trials" / trial.name
    with _alone(out / "locks" / trial.name, patient) as alone:
        if not alone:
            return None
        found = finished(folder, trial, experiment.judge)
        if found is not None and not found.failure:
            return found
        return perform(folder, trial, experiment, processes)


@contextmanager
def _alone(place: Path, patient: bool) -> Iterator[bool]:
    """Hold a lock, which ends with its process; yields whether it could be had."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if patient else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise WorkspaceError(
                "trials cannot be locked",
                str(place),
                f"the file system has no file locks ({error.strerror})",
                "name a directory on another file system with --out DIR",
            ) from error
        yield True


# --- on this machine --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Here:
    """Runs trials on this machine.

    Attributes:
        jobs: trials that run at the same time, each in a process of its own.
    """

    jobs: int = 1

    def results(
        self, trials: Sequence[Trial], experiment: Experiment, out: Path
    ) -> Generator[TrialResult, None, None]:
        """Run trials and yield what comes of them; see `Engine`."""
        processes = BoundProcesses()
        with ThreadPoolExecutor(max_workers=self.jobs, thread_name_prefix="trial") as pool:
            futures: set[Future[TrialResult | None]] = {
                pool.submit(attend, out, trial, experiment, processes) for trial in trials
            }
            try:
                while futures:
                    ended, futures = wait(futures, return_when=FIRST_COMPLETED)
                    for future in ended:
                        result = future.result()
                        if result is not None:
                            yield result
            except BaseException:
                processes.stop()
                for future in futures:
                    future.cancel()
                raise
