"""A person's word to a run, from the command line."""

from __future__ import annotations

from orchestrator.core.messages import Refused
from orchestrator.errors import UsageError
from orchestrator.runtime.control import open_tasks, tell
from orchestrator.ui import output
from orchestrator.ui.reading import find

_DONE = {"approve": "approved", "reject": "rejected", "cancel": "cancelled"}


def say(run: str, word: str, task: str | None, why: str = "") -> int:
    """Say a word about one task of a run, or about all that have not ended.

    Args:
        run: its directory or id.
        word: ``approve``, ``reject`` or ``cancel``.
        task: the task; None: all that have not ended.
        why: the reason, for the log.

    Raises:
        UsageError: the run refuses: there is no such task, or it is not in the right state.
    """
    folder = find(run)
    if task is None:
        for name in open_tasks(folder):
            # Cancelling one skips what needs it, so a later one may have ended by then.
            tell(folder, word, name, why)
        output.say(f"All tasks that had not ended are {_DONE[word]}.")
        return 0
    reply = tell(folder, word, task, why)
    if isinstance(reply, Refused):
        raise UsageError(reply.why, f"run {run}", fix=reply.fix)
    output.say(f"Task {task} is {_DONE[word]}.")
    return 0
