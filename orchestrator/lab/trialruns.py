"""Many trials: those that are done already are read, the others run, several at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab.experiment import Experiment, Trial
from orchestrator.lab.trial import Processes, TrialResult, finished, perform


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


def conduct(
    experiment: Experiment,
    out: Path,
    *,
    jobs: int = 1,
    share: Share | None = None,
    retry_lost: bool = False,
    listener: Listener = lambda advance: None,
) -> list[TrialResult]:
    """Run what is not done yet; return the results of all trials that are done.

    On Ctrl-C the trials that run are ended cleanly, and run again the next time.

    Args:
        out: directory of the experiment.
        jobs: trials that run at the same time, each in a process of its own.
        share: the part to run; None: all. What others have done is returned too.
        retry_lost: run trials again whose process had died.
        listener: told at the start and after each trial, from the calling thread.
    """
    trials = experiment.trials()
    mine = (share or Share()).take(trials)
    known: dict[str, TrialResult] = {}
    for trial in trials:
        found = finished(out / "trials" / trial.name, trial, experiment.judge)
        if found is not None and not (retry_lost and found.failure):
            known[trial.name] = found
    waiting = [trial for trial in mine if trial.name not in known]
    before = len(mine) - len(waiting)
    listener(Advance(before, len(mine), None))
    for result in _run(waiting, experiment, out, jobs, listener, before):
        known[result.name] = result
    return [known[trial.name] for trial in trials if trial.name in known]


def _run(
    waiting: Sequence[Trial],
    experiment: Experiment,
    out: Path,
    jobs: int,
    listener: Listener,
    before: int,
) -> Iterator[TrialResult]:
    processes = Processes()
    begun = time.monotonic()
    done = 0
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="trial") as pool:
        futures: set[Future[TrialResult | None]] = {
            pool.submit(perform, out / "trials" / trial.name, trial, experiment, processes)
            for trial in waiting
        }
        try:
            while futures:
                ended, futures = wait(futures, return_when=FIRST_COMPLETED)
                for future in ended:
                    result = future.result()
                    if result is None:
                        continue
                    done += 1
                    left = (time.monotonic() - begun) / done * (len(waiting) - done)
                    listener(Advance(before + done, before + len(waiting), left, result))
                    yield result
        except BaseException:
            processes.stop()
            for future in futures:
                future.cancel()
            raise
