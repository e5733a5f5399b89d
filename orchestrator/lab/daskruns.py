"""Trials on a Dask cluster: on other machines, or on workers of this one.

Each trial is a task of the cluster, and runs as it does without one: in a process of its own, in
the directory of the experiment. So every worker must see that directory, the plans and their
workspaces under the same paths; this is asked before anything runs. A worker that dies costs the
trial that it was running: another worker puts aside what is left of it and runs it again.

Only as many trials are handed out as the cluster has threads: Dask takes any task that a dead
worker had, begun or not, for one that may have killed it.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orchestrator import __version__
from orchestrator.errors import Problem, RunStopped, UsageError
from orchestrator.lab.experiment import Experiment, Trial
from orchestrator.lab.trial import TrialResult
from orchestrator.lab.trialruns import BoundProcesses, attend

if TYPE_CHECKING:
    from distributed import Client, Future

ANSWER_SECONDS = 20.0
"""Seconds that a scheduler, and its first worker, may take to answer."""

_ADDRESS = re.compile(r"([a-z]+://)?[^/\s:]+:\d+|[a-z]+://\S+")
_SILENT = 50  # a level of logging: what goes wrong is told by us


@dataclass(frozen=True, slots=True)
class Cluster:
    """Runs trials on a Dask cluster.

    Attributes:
        address: of its scheduler, for example ``tcp://10.0.0.5:8786``; "": workers are started
            on this machine, reached over loopback only, and ended with the trials.
        jobs: how many workers are started on this machine, each running one trial at a time.

    Raises:
        UsageError: this is no address, or the extra ``dask`` is not installed.
    """

    address: str = ""
    jobs: int = 1

    def __post_init__(self) -> None:
        require()
        if self.address and not _ADDRESS.fullmatch(self.address):
            raise UsageError(
                f"{self.address!r} is no address of a Dask scheduler", "--dask",
                fix="say --dask=tcp://HOST:PORT, or write --dask last for workers started here",
            )  # fmt: skip

    def results(
        self, trials: Sequence[Trial], experiment: Experiment, out: Path
    ) -> Generator[TrialResult, None, None]:
        """Run trials and yield what comes of them; see `trialruns.Engine`.

        Raises:
            UsageError: no scheduler or worker answers, or a worker cannot run these trials.
            RunStopped: the cluster went away; what is finished is kept.
        """
        if not trials:
            return
        with _client(self) as client, _marked(out) as mark:
            site = Site(str(out), str(Path.cwd()), mark, _places(trials))
            _check_workers(client, site)
            yield from _results(client, trials, experiment, site)


def require() -> None:
    """Ask whether Dask is installed.

    Raises:
        UsageError: it is not.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"a Dask cluster needs the package {error.name}, which is not installed",
            "--dask",
            "it is an extra: --jobs and --shard do without it",
            "pip install 'orchestrator[dask]'",
        ) from error


@dataclass(frozen=True, slots=True)
class Site:
    """What a worker has to know of this machine.

    Attributes:
        out: directory of the experiment.
        folder: where relative paths begin.
        mark: name of a file in `out` that only lives while the trials run.
        places: files and directories that trials start from.
        version: of this program.
    """

    out: str
    folder: str
    mark: str
    places: tuple[str, ...]
    version: str = __version__


# --- the cluster ------------------------------------------------------------------------------


@contextmanager
def _client(asked: Cluster) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        if asked.address:
            target: Any = asked.address
        else:
            folder = stack.enter_context(TemporaryDirectory(prefix="orchestrator-dask-"))
            target = stack.enter_context(
                LocalCluster(
                    n_workers=asked.jobs,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    scheduler_kwargs={"dashboard": False},
                    worker_dashboard_address=None,
                    memory_limit=0,  # a trial's memory is not its worker's
                    local_directory=folder,
                    preload=[__name__],
                    silence_logs=_SILENT,
                )
            )
        try:
            client = Client(target, timeout=ANSWER_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise UsageError(
                "no Dask scheduler answers", f"--dask {asked.address}", str(error),
                "start one there with `dask scheduler`, or name the right address",
            ) from error  # fmt: skip
        yield stack.enter_context(client)


@contextmanager
def _marked(out: Path) -> Iterator[str]:
    """Put a file into the directory, by which workers know it; yields its name."""
    out.mkdir(parents=True, exist_ok=True)
    mark = out / f"cluster-{uuid.uuid4().hex}"
    mark.touch()
    try:
        yield mark.name
    finally:
        mark.unlink(missing_ok=True)


def _places(trials: Sequence[Trial]) -> tuple[str, ...]:
    found = {
        str(place)
        for trial in trials
        for place in (trial.plan.path, trial.plan.workspace)
        if place is not None
    }
    return tuple(sorted(found))


def _check_workers(client: Client, site: Site) -> None:
    """Ask each worker whether it can run these trials."""
    try:
        client.wait_for_workers(1, timeout=ANSWER_SECONDS)
    except TimeoutError as error:
        raise UsageError(
            "the Dask cluster has no workers", "--dask",
            fix="start some with `dask worker ADDRESS`",
        ) from error  # fmt: skip
    answers: Mapping[str, Any] = client.run(look, site, on_error="return")
    problems = [
        problem
        for worker, answer in sorted(answers.items())
        for problem in _problems(worker, answer)
    ]
    if problems:
        raise UsageError(
            f"{len({one.where for one in problems})} of {len(answers)} Dask workers cannot run "
            "these trials",
            problems=problems,
        )


def _problems(worker: str, answer: object) -> list[Problem]:
    where = f"worker {worker}"
    if isinstance(answer, BaseException):
        fix = "install the same version of orchestrator there as here"
        return [Problem("it cannot answer", where, f"{type(answer).__name__}: {answer}", fix)]
    assert isinstance(answer, list)
    return [Problem(what, where, fix=fix) for what, fix in answer]


def _results(
    client: Client, trials: Sequence[Trial], experiment: Experiment, site: Site
) -> Generator[TrialResult, None, None]:
    from distributed import as_completed

    bare = replace(experiment, cases=())  # of which a trial carries what it needs
    waiting = iter(trials)
    running: dict[str, Trial] = {}

    def more() -> Iterator[Future[Any]]:
        while len(running) < max(1, sum(client.nthreads().values())):
            trial = next(waiting, None)
            if trial is None:
                return
            key = f"{trial.name}-{site.mark}"
            running[key] = trial
            yield client.submit(work, site, trial, bare, key=key, pure=False)

    try:
        completed = as_completed(list(more()), loop=client.loop)
        for future in completed:
            result = _result(future, running.pop(future.key))
            future.release()
            for one in more():
                completed.add(one)
            if result is not None:
                yield result
    except BaseException:
        # Dask cannot end a task that runs: its workers are told to end their processes.
        with suppress(Exception):
            client.run(halt, site.mark)
        raise


def _result(future: Future[Any], trial: Trial) -> TrialResult | None:
    from distributed import KilledWorker

    if future.cancelled():
        raise RunStopped(
            "the Dask cluster went away", f"trial {trial.name}",
            fix="start it again; the same command then goes on, finished trials are kept",
        )  # fmt: skip
    error = future.exception()
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        why = f"its worker died, {times} time{'s' * (times != 1)} out of {times}"
        return TrialResult(
            trial.name, trial.case, trial.arm, trial.seed, "lost", why, {"success": 0.0}
        )
    if error is not None:
        raise error
    result: TrialResult | None = future.result()
    return result


# --- on a worker ------------------------------------------------------------------------------

_live: dict[str, BoundProcesses] = {}
"""The processes of this worker, by the experiment's mark."""


def dask_setup(worker: object) -> None:
    """Leave a Ctrl-C to the command: a terminal tells it to workers of this machine as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def look(site: Site) -> list[tuple[str, str]]:
    """Return what keeps this worker from running the trials, and what to do about it."""
    host = socket.gethostname()
    found = []
    if site.version != __version__:
        versions = f"it ({host}) has version {__version__} of orchestrator, not {site.version}"
        found.append((versions, "install the same version there as here"))
    if not (Path(site.out) / site.mark).is_file():
        share = "mount the same directory there under the same path, or use --shard"
        found.append((f"it ({host}) does not see the experiment's directory {site.out}", share))
    elif not os.access(site.out, os.W_OK):
        found.append((f"it ({host}) may not write to {site.out}", "let it write there"))
    found += [
        (f"it ({host}) does not see {place}", "put it there under the same path")
        for place in (site.folder, *site.places)
        if not Path(place).exists()
    ]
    return found


def work(site: Site, trial: Trial, experiment: Experiment) -> TrialResult | None:
    """Run a trial on this worker; see `trialruns.attend`.

    Raises:
        UsageError: the run refused to begin, or this worker came late and cannot run it.
    """
    problems = look(site)
    if problems:
        raise UsageError(problems[0][0], "--dask", fix=problems[0][1])
    processes = _live.setdefault(site.mark, BoundProcesses(site.folder))
    return attend(Path(site.out), trial, experiment, processes, patient=True)


def halt(mark: str) -> None:
    """End what runs of an experiment on this worker, cleanly."""
    _live.setdefault(mark, BoundProcesses("/")).stop()
