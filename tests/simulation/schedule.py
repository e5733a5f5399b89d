"""One random schedule: who is heard when, and what goes wrong meanwhile. One number decides it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from simulation.book import Broken
from simulation.finish import finish
from simulation.plans import PATHS, World, random_world
from simulation.stage import Ask, Commit, Core, Edit, Outcome, Restart, Stage, Step, content, marks
from simulation.workers import VirtualWorker

from orchestrator.core import messages as m
from orchestrator.core.limits import Limits
from orchestrator.core.states import TaskState


@dataclass(frozen=True, slots=True)
class Result:
    """How a schedule went.

    Attributes:
        broken: what must not be; None: nothing.
        steps: what was done, to be played again.
        events: how many were recorded.
        faults: how many there were.
        status: how the run stands at the end.
    """

    seed: int
    world: World
    steps: tuple[Step, ...]
    broken: Broken | None
    events: int
    faults: int
    status: str


def simulate(seed: int, core: Core) -> Result:
    """Play the schedule of one seed: a random plan, random workers, random faults, then the end."""
    random = Random(seed)
    stage = Stage(random_world(random), core)
    schedule = Schedule(random, stage)
    broken = None
    try:
        schedule.run()
        finish(stage)
    except Broken as error:
        broken = error
    return Result(
        seed, stage.world, tuple(stage.steps), broken, len(stage.log), schedule.faults,
        stage.machine.state.status,
    )  # fmt: skip


class Schedule:
    """Whoever decides who goes on next.

    Attributes:
        faults: how many there were.
    """

    def __init__(self, random: Random, stage: Stage) -> None:
        self._random, self._stage = random, stage
        self._rate = random.choice((0.0, 0.03, 0.1, 0.25))
        self._crash = random.choice((0.0, 0.0, 0.01, 0.05))
        self._size = random.choice((1, 2, 2, 3, 3, 4, 5, 8))
        if random.random() < 0.05:
            self._size = random.randint(9, 64)
        self._queue: list[tuple[str, m.Request]] = []
        self._recent: list[m.Request] = []
        self._workers: dict[str, VirtualWorker] = {}
        self._zombies: list[VirtualWorker] = []
        self._born = self.faults = self._marked = 0
        for _ in range(self._size):
            self._spawn()

    def run(self) -> None:
        """Let everybody go on, in random order, until the run has ended or it has been enough."""
        size = len(self._stage.world.tasks)
        for _ in range(self._random.randint(8, 16 + 9 * size)):
            if not self._stage.alive:
                self._again()
            if self._random.random() < self._rate:
                self.faults += 1
                self._random.choice(_FAULTS)(self)
            elif self._stage.machine.state.status != "running":
                if self._random.random() < 0.6:
                    break
                self._again()
            else:
                self._go_on()

    def _go_on(self) -> None:
        """One worker asks, or the coordinator hears what has been asked."""
        random, state = self._random, self._stage.machine.state
        if state.counts[TaskState.HELD] and random.random() < 0.2:
            self._person()
        at = self._stage.at
        free = [
            worker
            for worker in self._workers.values()
            if worker.asked is None and not worker.stopped and worker.until <= at
        ]
        if free:
            if random.random() < 0.7:  # those who work are heard more often than those who wait
                free = [worker for worker in free if worker.token] or free
            worker = free[int(random.random() * len(free))]
            worker.asked = request = worker.next_request()
            self._queue.append((worker.name, request))
            self._recent.append(request)
            if random.random() < 0.4:
                return
        elif not self._queue:
            self._stage.at += random.choice((1.0, 20.0, 60.0))
        self._serve()

    def _serve(self, outcome: Outcome = "answered", done: int = 0) -> None:
        """The coordinator takes a batch: decides, records, carries out, answers."""
        random, stage = self._random, self._stage
        many = len(self._queue)
        batch = self._queue if random.random() < 0.7 else self._queue[: random.randint(0, many)]
        self._queue = self._queue[len(batch) :]
        if len(batch) > 1 and random.random() < 0.3:
            random.shuffle(batch)
        at = stage.at + random.random()
        for sender, request in batch:
            stage.play(Ask(at, sender, request))
        due = stage.machine.next_deadline()
        ticks = (due is not None and due <= at) or random.random() < 0.02
        if ticks:
            stage.play(Ask(at, "", m.Tick()))
        chance = 0.3 if self._rate and stage.merging else self._crash
        if outcome == "answered" and random.random() < chance:
            self.faults += 1
            outcome = random.choice(("not recorded", "not answered"))
            done = random.randrange(3)
        if batch or ticks or outcome != "answered":
            stage.play(Commit(outcome, done))
        self._hand_out()

    def _hand_out(self) -> None:
        """Answers reach their workers; some of them later, and not in the order they were given."""
        random, stage = self._random, self._stage
        late = []
        if len(stage.replies) > 1 and random.random() < 0.3:
            random.shuffle(stage.replies)
        for name, reply in stage.replies:
            worker = self._workers.get(name)
            if worker is None:
                continue
            if random.random() < 0.1:
                late.append((name, reply))
            else:
                worker.hear(reply)
        stage.replies = late

    def _spawn(self) -> None:
        self._born += 1
        name = f"w{self._born}"
        self._workers[name] = VirtualWorker(name, self._random, self._stage)

    def _again(self) -> None:
        """A new process, with workers of its own, goes on with the run."""
        state, random = self._stage.machine.state, self._random
        ends = (TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)
        ended = [name for name, record in state.records.items() if record.state in ends]
        retry = tuple(ended) if random.random() < 0.5 else ()
        self._queue, self._workers, self._born = [], {}, 0
        for _ in range(self._size):
            self._spawn()
        limits = self._stage.book.rules.limits
        higher = Limits(attempts=limits.attempts, lease=limits.lease)
        self._stage.play(
            Restart(
                self._stage.at + random.choice((0.0, 1.0, 200.0)),
                retry,
                higher if self._stage.book.limit and random.random() < 0.6 else None,
            )
        )

    # --- faults -------------------------------------------------------------------------------

    def _post(self, request: m.Request) -> None:
        self._queue.append(("", request))

    def _die(self) -> None:
        """A worker thread dies and is replaced; what it had asked may still be under way."""
        name = self._random.choice(list(self._workers))
        self._zombies.append(self._workers.pop(name))
        self._post(m.Lost(name, "died"))
        self._spawn()

    def _hang(self) -> None:
        worker = self._workers[self._random.choice(list(self._workers))]
        worker.until = self._stage.at + self._random.choice((50.0, 150.0, 1000.0))

    def _late(self) -> None:
        """A worker that was given up goes on asking."""
        if self._zombies and self._random.random() < 0.7:
            zombie = self._random.choice(self._zombies)
            if zombie.token:
                self._post(zombie.late_request())
            return
        worker = self._workers[self._random.choice(list(self._workers))]
        if worker.token and self._stage.book.attempts:
            token, worker.token = worker.token, self._random.choice([*self._stage.book.attempts])
            if token != worker.token and worker.token not in self._stage.book.live:
                self._post(worker.late_request())
            worker.token = token

    def _twice(self) -> None:
        """A request comes a second time."""
        if self._recent:
            self._post(self._random.choice(self._recent[-8:]))

    def _jump(self) -> None:
        """The clock jumps."""
        self._stage.play(
            Ask(self._stage.at + self._random.choice((1.0, 39.0, 99.0, 150.0, 700.0)), "", m.Tick())
        )
        self._stage.play(Commit())
        self._hand_out()

    def _person(self) -> None:
        """Somebody approves, rejects, cancels or retries, whether that makes sense or not."""
        random, records = self._random, self._stage.machine.state.records
        name = random.choice([*records, "nobody"] if random.random() < 0.1 else [*records])
        held = [task for task, record in records.items() if record.state is TaskState.HELD]
        if held and random.random() < 0.7:
            verdict = m.Approve if random.random() < 0.8 else m.Reject
            self._post(verdict(random.choice(held)))
        else:
            self._post(random.choice((m.Approve, m.Reject, m.Cancel, m.Retry, m.Retry))(name))

    def _edit(self) -> None:
        """Somebody outside changes a file; it is noticed at once, or when it gets in the way."""
        path = self._random.choice(PATHS)
        self._marked += 1
        there = marks(self._stage.disk.get(path))
        gone = self._random.random() < 0.2
        text = None if gone else content([*there, f"out.{self._marked}"])
        self._stage.play(Edit(path, text))
        if self._random.random() < 0.6:
            self._stage.play(Ask(self._stage.at, "", m.Observe(path, text)))
            self._stage.play(Commit())
            self._hand_out()

    def _halt(self) -> None:
        """The run is interrupted, and gone on with."""
        if self._random.random() < 0.3:
            self._post(m.Halt("interrupted"))
            self._serve()
            if self._stage.alive:
                self._again()

    def _crashes(self) -> None:
        """The process dies, before or after its last events were recorded."""
        if self._random.random() < 0.4:
            self._serve(self._random.choice(("not recorded", "not answered")), self._marked % 3)


_FAULTS: tuple[Callable[[Schedule], Any], ...] = (
    Schedule._die,
    Schedule._hang,
    Schedule._late,
    Schedule._late,
    Schedule._twice,
    Schedule._twice,
    Schedule._jump,
    Schedule._person,
    Schedule._edit,
    Schedule._halt,
    Schedule._crashes,
)
