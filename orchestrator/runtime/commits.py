"""Commits in the user's repository: one per accepted task, or one at the end of the run.

A thread of its own follows the events, so no commit is on anybody's way, and whatever git says,
the run goes on. What a commit holds follows from the log alone (`acceptedwork`), never from what
stands in the working directory at that moment. What could not be committed is tried again with
the next commit, at the end, and when the run is resumed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from queue import SimpleQueue
from threading import Event as Signal
from threading import Thread

from orchestrator.analysis.versioned import governed_by_git
from orchestrator.core import events as e
from orchestrator.core.decision import listed
from orchestrator.core.encoding import decode
from orchestrator.errors import OrchestratorError, UsageError, nearest
from orchestrator.runtime.acceptedwork import Accepted, AcceptedWork, InseparableError
from orchestrator.runtime.commitgit import CommitError, LockedError, UserRepository
from orchestrator.runtime.committing import ROLE, RUN, TASK, Committer, Work
from orchestrator.runtime.eventlog import EventLog
from orchestrator.runtime.header import Header
from orchestrator.runtime.rundir import RunDir
from orchestrator.runtime.workspace import Entry, SharedTree
from orchestrator.secrets import Redactor
from orchestrator.spec.plan import COMMITS, Plan

PATIENCE = (0.05, 0.1, 0.2, 0.4)
"""Seconds between tries at the end of a run, when somebody else holds git's index."""

_CONCERNED = (
    e.Wrote, e.Undone, e.ChangedOutside, e.Succeeded, e.AttemptEnded, e.Added, e.Finished,
)  # fmt: skip


def choose_commit(asked: str | None, plan: Plan, copied: bool) -> str:
    """Return when a run commits: ``task``, ``run``, or "" for never.

    Args:
        asked: by whoever starts the run; None: as the plan has it.
        copied: whether the run works on a fresh copy of the workspace.

    Raises:
        UsageError: there is no such choice; or it was asked for, and there is no repository.
    """
    chosen = plan.commit if asked is None else asked
    if chosen in (None, "", "none"):
        return ""
    if chosen not in COMMITS:
        fix = f"give one of {', '.join(COMMITS)}"
        close = nearest(chosen, COMMITS)
        raise UsageError(
            f"there is no way to commit called {chosen!r}", "--commit, or `commit` in the plan",
            "", f"did you mean {close}?" if close else fix,
        )  # fmt: skip
    why = ""
    if plan.workspace is None:
        why = "the run has no workspace"
    elif copied:
        why = "a fresh copy (`into`) is no git repository"
    elif not governed_by_git(plan.workspace):
        why = "the workspace is in no git repository"
    if asked is not None and why:
        raise UsageError(
            "nothing can be committed here", str(plan.workspace or "--commit"), why,
            "leave --commit out, or work in place in a git repository (`git init` makes one)",
        )  # fmt: skip
    return chosen


class Commits:
    """What a run commits, if it does. Made by `begin`; leave it when the coordinator has ended.

    Attributes:
        notices: what whoever starts the run must know.
        told: once it is closed, what was committed and what was not.
    """

    def __init__(self, scribe: _Scribe | None = None, notices: Iterable[str] = ()) -> None:
        self.notices, self.told = tuple(notices), tuple[str, ...]()
        self._scribe = scribe
        self._batches: SimpleQueue[Sequence[e.Event] | None] = SimpleQueue()
        self._thread: Thread | None = None

    @classmethod
    def begin(
        cls,
        header: Header,
        folder: RunDir,
        tree: SharedTree | None,
        start: Mapping[str, Entry],
        log: EventLog,
    ) -> Commits:
        """Begin to commit what the run's tasks bring, if its header says so.

        Args:
            start: the files that were there when the run began.
            log: what has happened so far; what of it is not committed yet will be.
        """
        if not header.commit or tree is None:
            return cls()
        past = [decode(row.at, row.kind, row.task, row.attempt, row.body) for row in log.read()]
        try:
            repository = _repository(tree, folder)
            scribe = _Scribe(header, tree, start, repository, past)
        except (CommitError, OSError) as error:
            return cls(notices=(f"Nothing will be committed: {_as_failure(error).why}.",))
        notices = []
        if repository.nameless:
            notices.append(
                "Git does not know who you are (user.name, user.email), so commits are made by "
                "orchestrator <orchestrator@localhost>."
            )
        commits = cls(scribe, notices)
        commits.heard(past)
        commits._thread = Thread(target=commits._follow, name="commits", daemon=True)
        commits._thread.start()
        return commits

    def heard(self, events: Sequence[e.Event]) -> None:
        """Take in events, in the order of the log; returns at once."""
        if self._scribe is not None:
            concerned = [event for event in events if isinstance(event, _CONCERNED)]
            if concerned:
                self._batches.put(concerned)

    def __enter__(self) -> Commits:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait until all is committed that can be."""
        if self._scribe is not None and self._thread is not None:
            self._batches.put(None)
            self._thread.join()
            self.told = tuple(self._scribe.told())

    def _follow(self) -> None:
        assert self._scribe is not None
        while (events := self._batches.get()) is not None:
            self._scribe.take(events)
        self._scribe.finish()


NO_COMMITS = Commits()
"""Of a run that commits nothing."""


def _repository(tree: SharedTree, folder: RunDir) -> UserRepository:
    if not governed_by_git(tree.root):
        raise CommitError(f"{tree.root} is in no git repository, or is ignored by it")
    repository = UserRepository(tree.root, folder.path)
    if not repository.is_tracked(repository.head()):
        raise CommitError(f"no file of {tree.root} is in the repository around it")
    repository.recover()
    return repository


class _Scribe:
    """Decides what is committed when. Used by the thread of `Commits` alone."""

    def __init__(
        self,
        header: Header,
        tree: SharedTree,
        start: Mapping[str, Entry],
        repository: UserRepository,
        past: Sequence[e.Event],
    ) -> None:
        digests = {path: entry.digest for path, entry in start.items()}
        self._work = AcceptedWork(digests, tree.content, tree.blobs.put)
        self._committer = Committer(repository, header.git, tree, start)
        self._header, self._repository = header, repository
        self._redactor: Redactor = tree.blobs.redactor
        self._tasks = {task.id: task for task in header.tasks}
        self._done = _committed(repository, header, past)
        self._accepted: dict[str, Accepted] = {}  # for the run's one commit
        self._owed: dict[str, str] = {}  # files that could not be told apart yet, and whose
        self._jobs: deque[Work] = deque()
        self._failure: CommitError | None = None
        self._problems: list[str] = []
        self._interrupted = False
        self._made = 0

    def take(self, events: Sequence[e.Event]) -> None:
        """Take in events and commit what they lead to."""
        for event in events:
            try:
                self._take(event)
            except Exception as error:  # whatever it is, it is told, and never the run's failure
                why = _as_failure(error)
                what = f"The work of {event.task}" if event.task else "Some accepted work"
                self._problems.append(f"{what} is not committed: {why.why}. To do: {why.fix}.")

    def finish(self) -> None:
        """Try for the last time."""
        for seconds in (*PATIENCE, 0.0):
            self._commit()
            if not isinstance(self._failure, LockedError):
                break
            Signal().wait(seconds)

    def told(self) -> list[str]:
        """Return what was committed, and what was not and what to do about it."""
        again = f"`orchestrator resume {self._header.run}` commits it; nothing is done again"
        found = list(self._problems)
        if self._made:
            branch = self._repository.branch.removeprefix("refs/heads/") or "a detached HEAD"
            commits = "1 commit was" if self._made == 1 else f"{self._made} commits were"
            found.insert(0, f"{commits} made on {branch}.")
        if self._jobs or self._failure is not None:
            waiting = [value for job in self._jobs for key, value in job.trailers if key == TASK]
            what = f"The work of {listed(waiting, 5)}" if waiting else "Some accepted work"
            why = self._failure or CommitError("git failed")
            found.append(f"{what} is not committed: {why.why}. To do: {why.fix}; then {again}.")
        if self._owed:
            paths = listed(tuple(self._owed), 5)
            found.append(
                f"Not committed: {paths}, where accepted lines stand on lines of tasks that have "
                "not succeeded. Look at them with `git diff` and commit what you want to keep."
            )
        if self._interrupted and self._accepted:
            found.append(f"Nothing is committed before the run has ended: {again}.")
        return found

    def _take(self, event: e.Event) -> None:
        if isinstance(event, e.Added):
            self._tasks |= {task.id: task for task in event.tasks}
        elif isinstance(event, e.Finished):
            self._finished(event)
        elif (accepted := self._work.take(event)) is not None:
            if accepted.task in self._done:
                files = self._files(accepted.task, accepted.paths)
                self._committer.remember(files)
            elif self._header.commit == "run":
                self._accepted[accepted.task] = accepted
            else:
                self._jobs.append(self._one(accepted))
                self._commit()

    def _finished(self, event: e.Finished) -> None:
        self._interrupted = event.status == "interrupted"
        if self._header.commit == "run":
            if self._accepted and not self._interrupted:
                self._jobs.append(self._all())
                self._accepted.clear()
        elif self._owed:
            tasks = tuple(dict.fromkeys(self._owed.values()))
            files = self._files("", ())
            subject = f"The rest of {listed(tasks, 5)}"
            if files:
                self._jobs.append(Work(subject, "", files, self._trailers(*tasks)))
        self._commit()

    def _one(self, accepted: Accepted) -> Work:
        """Return the commit of one task."""
        others = {path: task for path, task in self._owed.items() if path not in accepted.paths}
        files = self._files(accepted.task, accepted.paths)
        notes = [
            f"With {path} of {task}: its lines stood among those of a task that had not ended."
            for path, task in others.items()
            if path in files
        ]
        notes += [
            f"Without {path}: its lines stand among those of a task that has not ended."
            for path in accepted.paths
            if path in self._owed
        ]
        role = self._tasks[accepted.task].role if accepted.task in self._tasks else ""
        trailers = self._trailers(accepted.task)
        trailers += [(ROLE, role)] if role else []
        return Work(self._title(accepted.task), accepted.summary, files, trailers, notes)

    def _all(self) -> Work:
        """Return the one commit of the run."""
        paths = dict.fromkeys(path for one in self._accepted.values() for path in one.paths)
        files = self._files(next(iter(self._accepted)), paths)
        number = len(self._accepted)
        subject = f"{self._header.name}: {number} task{'' if number == 1 else 's'}"
        lines = [" ".join(f"- {name}: {self._title(name)}".split()) for name in self._accepted]
        body = "\n".join(lines)
        return Work(self._redactor.text(subject), body, files, self._trailers(*self._accepted))

    def _files(self, task: str, paths: Iterable[str]) -> dict[str, str | None]:
        """Return what accepted work has made of files, of those that are owed as well."""
        found: dict[str, str | None] = {}
        for path in (*paths, *self._owed):
            try:
                found[path] = self._work.content(path)
                self._owed.pop(path, None)
            except InseparableError:
                self._owed.setdefault(path, task)
        return found

    def _title(self, name: str) -> str:
        task = self._tasks.get(name)
        return self._redactor.text(task.title) if task is not None and task.title else name

    def _trailers(self, *tasks: str) -> list[tuple[str, str]]:
        return [(RUN, self._header.run), *((TASK, name) for name in tasks if name)]

    def _commit(self) -> None:
        """Commit what waits, in order; what fails stays, and all that comes after it."""
        self._failure = None
        while self._jobs:
            try:
                made = self._committer.commit(self._jobs[0])
            except Exception as error:
                self._failure = _as_failure(error)
                return
            job = self._jobs.popleft()
            self._made += bool(made.commit)
            names = listed([value for key, value in job.trailers if key == TASK], 3)
            self._problems += [
                f"{path} of {names} is not committed: {why}. Look at it with `git diff`, and "
                "commit it by hand."
                for path, why in made.left_out.items()
            ]


def _committed(
    repository: UserRepository, header: Header, past: Sequence[e.Event]
) -> frozenset[str]:
    """Return the tasks that need no commit any more.

    Commits are made in the order of acceptance. So whatever was accepted before the last one that
    is in the history was committed as well, or changed nothing; if it is not there, somebody has
    taken it out, and it stays out.
    """
    accepted = [event.task for event in past if isinstance(event, e.Succeeded)]
    if not accepted:
        return frozenset()
    there = {
        task
        for runs, tasks in repository.trailers((RUN, TASK), header.git)
        if header.run in runs
        for task in tasks
    }
    last = max((i for i, task in enumerate(accepted, 1) if task in there), default=0)
    return frozenset(accepted[:last])


def _as_failure(error: Exception) -> CommitError:
    if isinstance(error, CommitError):
        return error
    if isinstance(error, OrchestratorError):
        return CommitError(error.what, error.fix)
    return CommitError(f"{type(error).__name__}: {error}", "report this as a bug")
