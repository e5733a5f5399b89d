"""What a certificate is worth: a certified plan has no stale refusal and no anomaly, ever.

Random plans run on the pure machine under random schedules. Agents see the workspace as of
their last look, as real ones do, and may do all that their scopes and the machine allow: read,
write, delete, submit, give up, die, be silent for too long; people cancel and retry; the process
crashes and resumes. Only what ``docs/certificate.md`` rules out is left out: widened scopes,
added tasks, changes from outside.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from orchestrator.analysis.certificate import certify, narrowed, with_reads
from orchestrator.analysis.codegraph import CodeGraph, build
from orchestrator.core import events as e
from orchestrator.core import messages as m
from orchestrator.core.limits import Limits
from orchestrator.core.machine import Machine
from orchestrator.core.rules import RoleBounds, Rules
from orchestrator.core.scope import Scope
from orchestrator.core.task import Task
from orchestrator.lab.anomalies import find_anomalies
from orchestrator.spec.plan import Plan, find
from orchestrator.spec.roles import load_roles

PATHS = ("a.py", "b.py", "c.py", "d/x.py", "d/y.py", "d/e/z.py", "f/g.md", "new/n.py", "top.txt")
SINGLE = ("a.py", "b.py", "c.py", "d/x.py", "d/y.py", "d/e", "f/*.md", "new", "top.txt")
WIDE = ("?.py", "d/*.py", "**/x.py", "d", "[bc].py", "{a.py,top.txt}", "**/*.md")


class Agent:
    """A worker: its lease, and the workspace as it last looked."""

    def __init__(self, name: str) -> None:
        self.name, self.token, self.waits, self.stopped = name, 0, False, False
        self.may_read: list[str] = []
        self.may_write: list[str] = []
        self.view: dict[str, int] = {}
        self.cut = 0
        self.news: dict[str, int] = {}


class Schedule:
    """One run of a plan under random choices."""

    def __init__(self, tasks: tuple[Task, ...], random: Random) -> None:
        roles = {
            name: RoleBounds(Scope(role.reads), Scope(role.writes))
            for name, role in load_roles().items()
        }
        self.random = random
        files = {path: "0" for path in PATHS if random.random() < 0.7}
        rules = Rules(limits=Limits(attempts=random.choice((1, 2, 3)), lease=100.0))
        self.fresh = lambda: Machine(tasks, rules, roles, files)
        self.machine = self.fresh()
        self.events: list[e.Event] = []
        self.agents = [Agent(f"w{n}") for n in range(random.choice((2, 3, 4)))]
        self.now = 0.0
        self.people = random.random() < 0.5

    def run(self, steps: int = 160) -> None:
        for _ in range(steps):
            if self.machine.state.status != "running" and not self.people:
                return
            self.now += self.random.random()
            if self.random.random() < 0.06:
                self.disturb()
                continue
            idle = [agent for agent in self.agents if not agent.waits and not agent.stopped]
            if idle:
                self.act(self.random.choice(idle))
            else:
                self.disturb()

    def ask(self, agent: Agent | None, request: m.Request) -> m.Reply | None:
        step = self.machine.handle(self.now, request)
        self.events += step.events
        if agent is not None:
            agent.waits = step.reply is None
        for effect in step.effects:
            if isinstance(effect, m.Answer):
                self.hear(next(a for a in self.agents if a.name == effect.worker), effect.reply)
            elif isinstance(effect, m.EndLease):
                for other in self.agents:
                    if other.token == effect.token and not other.waits:
                        other.token = 0
        return step.reply

    def hear(self, agent: Agent, reply: m.Reply) -> None:
        agent.waits = False
        if isinstance(reply, m.Stop):
            agent.stopped, agent.token = True, 0
        elif isinstance(reply, m.Granted):
            agent.token, agent.news = reply.lease.token, {}
            state = self.machine.state
            bounds = state.bounds(state.records[reply.lease.task].task)
            agent.may_write = [path for path in PATHS if bounds.may_write(path)]
            agent.may_read = [p for p in PATHS if bounds.reads.matches(p) or bounds.may_write(p)]
            self.look(agent)
        elif isinstance(reply, m.Refused) and reply.kind == "lease_ended":
            agent.token = 0

    def look(self, agent: Agent) -> None:
        files = self.machine.state.files
        agent.view, agent.cut = {path: files.current(path).number for path in PATHS}, files.cut

    def act(self, agent: Agent) -> None:
        """Do what an agent might do next."""
        if not agent.token:
            self.ask(agent, m.Claim(agent.name))
            return
        random = self.random
        if random.random() < 0.3:
            self.look(agent)
        for path in random.sample(agent.may_read, min(len(agent.may_read), 2)):
            agent.news[path] = agent.view[path]
        reads, token = tuple(agent.news.items()), agent.token
        draw = random.random()
        if draw < 0.5 and agent.may_write:
            self.change(agent, random.choice(agent.may_write), reads)
        elif draw < 0.7:
            if isinstance(self.ask(agent, m.Report(token, reads=reads)), m.Done):
                agent.news = {}
        elif draw < 0.9:
            reply = self.ask(agent, m.Submit(token, agent.cut, reads=reads))
            if isinstance(reply, m.Refused):
                self.hear(agent, reply)
        else:
            self.ask(agent, m.GiveUp(token, random.choice(("gave_up", "tests_failed")), "enough"))

    def change(self, agent: Agent, path: str, reads: m.Reads) -> None:
        base, exists = agent.view[path], self.machine.state.files.current(path).digest
        request: m.Request = m.Write(agent.token, path, base, f"{self.now}", reads)
        if exists is not None and self.random.random() < 0.15:
            request = m.Delete(agent.token, path, base, reads)
        reply = self.ask(agent, request)
        if isinstance(reply, m.Done):
            agent.view[path] = reply.number
            agent.news = {}
        elif reply is not None:
            self.hear(agent, reply)

    def disturb(self) -> None:
        """Let happen what no agent does: time, death, people, a crash."""
        random, state = self.random, self.machine.state
        draw = random.random()
        tasks = list(state.records)
        if draw < 0.3:
            self.now += random.choice((1.0, 60.0, 150.0))
            self.ask(None, m.Tick())
        elif draw < 0.5:
            agent = random.choice(self.agents)
            self.ask(None, m.Lost(agent.name, "died"))
            agent.token, agent.waits = 0, agent.stopped
        elif draw < 0.7 and self.people:
            self.ask(None, m.Cancel(random.choice(tasks)))
        elif draw < 0.95 and self.people:
            self.ask(None, m.Retry(random.choice(tasks)))
        elif draw >= 0.95:
            self.machine = self.fresh()
            self.machine.fold(self.events)
            for agent in self.agents:
                agent.token, agent.waits, agent.stopped = 0, False, False
            self.ask(None, m.Resume())

    def stale(self) -> list[e.RequestRefused]:
        return [
            one
            for one in self.events
            if isinstance(one, e.RequestRefused) and one.refusal == "stale"
        ]


def random_plan(folder: Path, random: Random) -> Plan | None:
    """Return a plan whose tasks seldom write the same files, and read what they like."""
    free = list(SINGLE)
    random.shuffle(free)
    tasks: list[dict[str, Any]] = []
    for n in range(random.randint(2, 5)):
        writes = [free.pop()] if random.random() < 0.9 else [random.choice(WIDE)]
        reads = random.choice((["**"], ["**"], random.sample(SINGLE, 3), [random.choice(WIDE)]))
        needs = [one["id"] for one in tasks if random.random() < 0.25]
        row = {"id": f"t{n}", "writes": writes, "reads": reads, "depends_on": needs}
        if random.random() < 0.2:
            row["on_failure"] = "continue"
        if random.random() < 0.15:
            row["keep"] = True
        tasks.append(row)
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "workspace": ".", "tasks": tasks}))
    return find(path)[0]


@pytest.fixture
def graph(tmp_path: Path) -> CodeGraph:
    return build(tmp_path)


def certified(plan: Plan, graph: CodeGraph) -> Plan | None:
    """Return the plan with reads that can be certified, if the rest can be."""
    narrow = with_reads(plan, narrowed(plan, graph))
    return narrow if certify(narrow, graph).certificate is not None else None


@pytest.mark.slow
def test_certified_plans_have_no_stale_refusal_and_no_anomaly(
    tmp_path: Path, graph: CodeGraph
) -> None:
    random = Random(7)
    seen: Counter[str] = Counter()
    for _ in range(80):
        plan = random_plan(tmp_path, random)
        proved = None if plan is None else certified(plan, graph)
        if proved is None:
            continue
        seen["plans"] += 1
        for _ in range(6):
            schedule = Schedule(proved.tasks, random)
            schedule.run()
            seen.update(type(event).__name__ for event in schedule.events)
            assert schedule.stale() == [], proved.tasks
            assert find_anomalies(schedule.events).anomalies == (), proved.tasks
    # The schedules were no idle ones.
    assert seen["plans"] > 25, seen
    for kind in ("Wrote", "Succeeded", "AttemptEnded", "Undone", "Retried", "Skipped", "Resumed"):
        assert seen[kind] > 50, seen


@pytest.mark.slow
def test_the_same_plans_without_a_certificate_have_both(tmp_path: Path, graph: CodeGraph) -> None:
    """So the schedules above would have shown it."""
    random = Random(7)
    stale = 0
    for _ in range(60):
        plan = random_plan(tmp_path, random)
        if plan is None or certify(plan, graph).certificate is not None:
            continue
        for _ in range(4):
            schedule = Schedule(plan.tasks, random)
            schedule.run()
            stale += len(schedule.stale())
    assert stale > 100


def test_why_an_edge_from_a_task_that_may_fail_is_no_order() -> None:
    first = Task(id="first", writes=("a.py",), on_failure="continue", attempts=1)
    second = Task(id="second", writes=("b.py",), reads=("a.py",), depends_on=("first",))
    machine = Machine((first, second), Rules(), {}, {"a.py": "0", "b.py": "0"})

    def ask(request: m.Request) -> Any:
        step = machine.handle(0.0, request)
        answers = [one.reply for one in step.effects if isinstance(one, m.Answer)]
        return answers[0] if answers else step.reply

    one = ask(m.Claim("w1")).lease
    two = ask(m.GiveUp(one.token, "gave_up", "enough")).lease
    assert two.task == "second"
    ask(m.Retry("first"))
    again = ask(m.Claim("w2")).lease
    assert again.task == "first"
    ask(m.Report(two.token, reads=(("a.py", 1),)))
    ask(m.Write(again.token, "a.py", 1, "new"))
    refused = ask(m.Write(two.token, "b.py", 1, "new"))
    assert (refused.kind, refused.stale[0].path) == ("stale", "a.py")
