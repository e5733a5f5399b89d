"""A virtual worker: what `runtime.worker` and an agent's tools would ask, in some random order.

It acts on what it believes: it knows files as it last read them and its lease until it is told
that it has ended. It has one request under way at a time; the answer may come at once, or much
later, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from simulation.plans import GLOBS, PATHS, mask, paths_of, random_task, reach
from simulation.stage import Stage, content, marks

from orchestrator.core import messages as m

_CAUSES: tuple[m.Cause, ...] = ("gave_up", "tests_failed", "error", "model_error", "no_progress")
_GLOBS = tuple(GLOBS)


class VirtualWorker:
    """A worker as a state machine.

    Attributes:
        asked: the request whose answer it waits for; None: it may ask.
        token: the lease that it believes to have; 0: none.
        until: it hangs until this time.
        stopped: it was told that there is nothing more to do.
    """

    def __init__(self, name: str, random: Random, stage: Stage) -> None:
        self.name, self._random, self._stage = name, random, stage
        self.asked: m.Request | None = None
        self.token, self.until, self.stopped = 0, 0.0, False
        self._task, self._number = "", 0
        self._may: list[str] = []
        self._known: dict[str, tuple[int, str | None]] = {}
        self._news: dict[str, int] = {}
        self._turn = self._made = 0

    # --- answers ----------------------------------------------------------------------------

    def hear(self, reply: m.Reply) -> None:
        """Take an answer; one that does not fit what was asked is somebody's duplicate."""
        asked = self.asked
        if isinstance(reply, m.Granted | m.Stop):
            if isinstance(asked, m.Claim | m.Submit | m.GiveUp):
                self.asked = None
                self._begin(reply)
            return
        self.asked = None
        if isinstance(reply, m.Refused):
            self._refused(reply)
        elif isinstance(asked, m.Write | m.Delete):
            text = asked.digest if isinstance(asked, m.Write) else None
            self._known[asked.path] = (reply.number, text)
            self._news.pop(asked.path, None)
        elif isinstance(asked, m.Widen):
            self._may = sorted({*self._may, *paths_of(mask(asked.globs) & self._reach())})

    def _begin(self, reply: m.Granted | m.Stop) -> None:
        if isinstance(reply, m.Stop):
            self.stopped, self.token = True, 0
            return
        lease = reply.lease
        self.token, self._task, self._number = lease.token, lease.task, lease.attempt
        task = self._stage.book.tasks[self._task]
        self._may = paths_of((mask(task.writes) | mask(task.shares)) & self._reach())
        self._known, self._news, self._turn = {}, {}, 0

    def _reach(self) -> int:
        return reach(self._stage.book.tasks[self._task].role)

    def _refused(self, reply: m.Refused) -> None:
        if reply.kind == "lease_ended":
            self.token = 0
        for file in reply.stale:
            if self._random.random() < 0.8:
                self._read(file.path)

    # --- requests ---------------------------------------------------------------------------

    def next_request(self) -> m.Request:
        """Return what it asks next."""
        random = self._random
        if not self.token:
            return m.Claim(self.name)
        for _ in range(int(random.random() * 2.5)):
            self._read(random.choice(self._may if self._may and random.random() < 0.6 else PATHS))
        kind = random.choices(_KINDS, cum_weights=_WEIGHTS)[0]
        return _MAKE[kind](self)

    def late_request(self) -> m.Request:
        """Return something that is asked under its lease, whether that lives or not."""
        return _MAKE[self._random.choice(_KINDS)](self)

    def _read(self, path: str) -> None:
        """Reading costs no request: the version is remembered and told with the next one."""
        current = self._stage.machine.state.files.current(path)
        self._known[path] = (current.number, current.digest)
        self._news[path] = current.number

    def _reads(self) -> m.Reads:
        news, self._news = tuple(self._news.items()), {}
        return news

    def _report(self) -> m.Request:
        random = self._random
        begins = random.random() < 0.6
        self._turn += begins
        spent = m.Spent()
        if random.random() < 0.5:
            cost = random.choice((0.0, 0.1, 0.1, 0.4, None))
            spent = m.Spent(random.randrange(10), random.randrange(10), usd=cost)
        expects = (
            m.Spent(random.choice((5, 20)), 5, usd=0.2) if random.random() < 0.6 else m.Spent()
        )
        commands = int(random.random() < 0.2)
        return m.Report(
            self.token, random.choice(("reason", "write", "test")), self._turn, spent,
            self._reads(), expects=expects, commands=commands,
        )  # fmt: skip

    def _path(self) -> str:
        draw = self._random.random()
        if draw < 0.02:
            return self._random.choice(("../x", "a//b", "", "/top", "d/../x"))
        return self._random.choice(self._may if self._may and draw < 0.9 else PATHS)

    def _base(self, path: str) -> tuple[int, str | None]:
        if path in PATHS and (path not in self._known or self._random.random() < 0.2):
            self._read(path)
        known = self._known.get(path, (0, None))
        if self._random.random() < 0.03:
            return 999_999, known[1]  # made up
        return known

    def _write(self) -> m.Request:
        path = self._path()
        base, text = self._base(path)
        self._made += 1
        mark = f"{self._task}~{self._number}.{self.name}.{self._made}"
        rebased = self._random.random() < 0.1
        made = content([*marks(text), mark])
        return m.Write(self.token, path, base, made, self._reads(), rebased)

    def _delete(self) -> m.Request:
        path = self._path()
        return m.Delete(self.token, path, self._base(path)[0], self._reads())

    def _submit(self) -> m.Request:
        random, cut = self._random, self._stage.machine.state.files.cut
        cut -= random.random() < 0.1
        return m.Submit(self.token, max(0, cut), random.random() < 0.93, reads=self._reads())

    def _give_up(self) -> m.Request:
        spent = m.Spent(self._random.randrange(5), usd=0.1)
        return m.GiveUp(self.token, self._random.choice(_CAUSES), "it cannot be done", spent)

    def _widen(self) -> m.Request:
        most = 1 + (self._random.random() < 0.2)
        return m.Widen(self.token, tuple(self._random.sample(_GLOBS, most)))

    def _send(self) -> m.Request:
        to = self._random.choice(("all", "role:upper", "task:t1", "task:t2", "task:nobody"))
        return m.Send(self.token, to, "note", "text")

    def _split(self) -> m.Request:
        whole = self._stage.book.tasks.get(self._task)
        count = len(self._stage.book.tasks)
        name = f"s{count}"
        before = [*self._stage.book.tasks] if self._random.random() < 0.5 else []
        part = random_task(self._random, name, before)
        if whole is not None and self._random.random() < 0.9:
            part = replace(part, role=whole.role, writes=whole.writes, shares=())
        if count >= 24:
            return m.Renew(self.token)
        return m.Split(self.token, (part,))


_MAKE: dict[str, Callable[[VirtualWorker], m.Request]] = {
    "report": VirtualWorker._report,
    "write": VirtualWorker._write,
    "submit": VirtualWorker._submit,
    "delete": VirtualWorker._delete,
    "give_up": VirtualWorker._give_up,
    "widen": VirtualWorker._widen,
    "renew": lambda worker: m.Renew(worker.token),
    "send": VirtualWorker._send,
    "note": lambda worker: m.Note(worker.token, "title", "text"),
    "overstep": lambda worker: m.Overstep(worker.token, "read_file", "x", "why", "fix"),
    "split": VirtualWorker._split,
}
_KINDS = tuple(_MAKE)
_WEIGHTS = (22, 62, 74, 79, 84, 90, 91, 93, 94, 95, 97)
