"""What an agent is told at the start of an attempt. Every word here is read by a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256

from orchestrator.core.decision import listed
from orchestrator.core.task import Task
from orchestrator.models.base import Briefing
from orchestrator.runtime.context import Context
from orchestrator.runtime.modes import ONE_TREE
from orchestrator.spec.roles import Role

_SYSTEM = """\
You are an agent in the role "{role}". Several agents work on one codebase at the same time, \
each on a task of its own.

{description}

What holds for everyone:
- Use your tools; nothing else has any effect. Paths are relative to the workspace.
- Change only the files that your task names. A refused call changes nothing; its text says why \
and what to do instead.
{manners}
- The task is done when `submit` is accepted. It runs the task's tests itself: your word is not \
needed, the tests' is.
- If the task cannot be done as it stands, say so with `give_up` and the reason.
"""

_OPENING = """\
# Goal of the whole plan
{goal}

# Your task: {title} ({id})
{instructions}

# Files
You may write: {writes}
{shares}You may read: {reads}
These files of yours exist already: {files}

# Done when
{done}
"""


_SHOWN_OUTPUT = 2000
"""Characters of an earlier attempt's test output that are shown: its end says what failed."""


def seed_of(run: int, task: str, attempt: int) -> int:
    """Return the seed of one attempt: equal runs get equal seeds, attempts differ."""
    return int.from_bytes(sha256(f"{run}/{task}/{attempt}".encode()).digest()[:8])


def make_briefer(
    goal: str, roles: Mapping[str, Role], seed: int, manners: str = ONE_TREE
) -> Callable[[Context], Briefing]:
    """Return the function that writes the briefing of an attempt.

    Args:
        goal: the plan's goal.
        roles: the roles that the plan's tasks name.
        seed: the run's seed.
        manners: what the mode tells about working beside others, as items of a list.
    """

    def brief(context: Context) -> Briefing:
        task, role = context.task, roles[context.task.role]
        bounds = context.assigned
        own = tuple(path for path in context.files.view.paths() if bounds.may_write(path))
        return Briefing(
            task=task.id,
            attempt=context.attempt,
            seed=seed_of(seed, task.id, context.attempt),
            system=_SYSTEM.format(
                role=role.name, description=role.description.strip(), manners=manners
            ),
            opening=_opening(goal, context, own),
            tools=role.tools,
            writes=(*bounds.writes.globs, *bounds.shares.globs),
            files=own,
            allows=bounds.may_write,
        )

    return brief


def _opening(goal: str, context: Context, own: tuple[str, ...]) -> str:
    task, bounds = context.task, context.assigned
    text = _OPENING.format(
        goal=goal.strip() or "(none is given)",
        id=task.id,
        title=task.title or task.id,
        instructions=task.instructions.strip() or "Make the tests of this task pass.",
        writes=listed(bounds.writes.globs, 50),
        shares=_shares(task),
        reads=listed(bounds.reads.globs, 50),
        files=listed(own, 100),
        done=_done(task),
    )
    if context.lease.before:
        text += (
            f"\n# This is attempt {context.attempt}\n"
            f"What earlier attempts tried, and how they ended:\n{context.lease.before}\n"
            "Do not repeat what failed."
        )
        output = context.last_failure(_SHOWN_OUTPUT)
        if output:
            text += f"\nThe last test run that failed ended with:\n{output}"
    return text


def _shares(task: Task) -> str:
    if not task.shares:
        return ""
    return (
        f"You share with other tasks: {listed(task.shares, 50)} (change only the lines that are "
        "yours; edits of the same or touching lines are refused)\n"
    )


def _done(task: Task) -> str:
    if not task.test:
        return "There is no test command: submit when the instructions are carried out."
    tests = " ".join(task.tests)
    return f"This command passes in a fresh state of the workspace: {task.test}".replace(
        "{tests}", tests
    )
