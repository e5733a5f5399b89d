"""A coordinator embedded in a script: a plan built in code, own work, events subscribed.

    python examples/embed.py

No model, no YAML, no configuration: four tasks share one directory. Two of them edit the same
file at the same time, each its own lines; one fails at first and is tried again with what the
attempt before has learned.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from orchestrator import Context, Limits, Plan, Task, measure, run
from orchestrator.core.events import AttemptEnded, Event, LeaseGranted, Succeeded, Wrote

INDEX = "# index\n\n\n# north\n\n\n# south\n"


def prepare(context: Context) -> None:
    """Write what both parts start from."""
    context.write("units.txt", "kelvin\n")


def measure_part(context: Context) -> None:
    """Measure one part, and enter it in the index that both parts edit."""
    name = context.task.id
    index = context.read("index.txt") or ""
    context.write(f"{name}.txt", f"{name}: 42 {context.read('units.txt')}")
    if name == "south" and context.attempt == 1:
        raise RuntimeError("the instrument was not warm yet")
    context.write("index.txt", index.replace(f"# {name}\n", f"# {name}\n{name}.txt\n"))


def report(context: Context) -> None:
    """Put the parts together."""
    parts = [context.read(f"{name}.txt") or "" for name in ("north", "south")]
    context.write("report.txt", "".join(parts))


STEPS = {"prepare": prepare, "north": measure_part, "south": measure_part, "report": report}


def work(context: Context) -> None:
    """Do one attempt. Whatever it raises ends the attempt, and its writes are taken back."""
    STEPS[context.task.id](context)


def show(events: Sequence[Event]) -> None:
    """Print what was committed. Called in the coordinator's thread, so it must be quick."""
    for event in events:
        match event:
            case LeaseGranted():
                print(f"{event.at:6.3f} s  {event.task}: attempt {event.attempt}, {event.worker}")
            case Wrote():
                print(f"{event.at:6.3f} s  {event.task}: wrote {event.path}")
            case AttemptEnded():
                print(f"{event.at:6.3f} s  {event.task}: {event.reason}; then {event.then}")
            case Succeeded():
                print(f"{event.at:6.3f} s  {event.task}: done")


def part(name: str) -> Task:
    """Return a task that owns one file and shares the index."""
    return Task(id=name, writes=(f"{name}.txt",), shares=("index.txt",), depends_on=("prepare",))


def main() -> int:
    """Run the plan in a directory of its own and say how it went."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        site.mkdir()
        (site / "index.txt").write_text(INDEX)
        plan = Plan(
            name="measurements",
            workspace=site,
            base=Path(folder),
            limits=Limits(workers=2, attempts=2),
            tasks=(
                Task(id="prepare", writes=("units.txt",)),
                part("north"),
                part("south"),
                Task(id="report", writes=("report.txt",), depends_on=("north", "south")),
            ),
        )
        result = run(plan, work=work, listeners=[show])
        metrics = measure(result.run_dir)
        print(f"\n{result.status} in {metrics.makespan:.3f} s with {result.workers} workers")
        print((site / "index.txt").read_text())
        print((site / "report.txt").read_text(), end="")
    return result.exit_code


if __name__ == "__main__":
    raise SystemExit(main())
