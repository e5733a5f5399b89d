"""Where secrets are taken out: of everything that is recorded, shown, or told to a model.

What a secret is says `orchestrator.secrets`. A run makes one `Redactor` from the environment of
this process and the options of its model, and applies it

======================  ========================================================================
requests                before the machine sees them (`admit`): so the state, events, mail, notes
                        and progress have none
rows, the log's header  when they are written, whoever writes them (`clean_row`, `clean_header`)
outputs of commands     before they are kept, shown, or told to a model
transcripts             before they become a blob (`BlobStore.put_json`)
errors, tracebacks      before they are printed or kept (`ui.failures`)
======================  ========================================================================

Files of the workspace are the user's own and stay as they are, byte by byte, in the tree and in
blobs: a version with another digest would be another file. So what must not get in is stopped at
the door:

- An agent's write that brings a known secret into a file is refused: an agent should never have
  had it. So is one that writes `MARK` into a file: it would destroy what the mark stands for.
- Files made to hold secrets (`.env`, `id_rsa`; `secrets.is_secret_file`) are not versions: no
  agent can read them and no copy holds them, unless the plan names them plainly.
- What the user's files hold that only looks like a secret (a key in a test) is shown to agents as
  it is, or they could not edit those lines; a known secret is not.

Not altered are the names that the state hangs on: ids, paths, globs, digests. A request that
brings a known secret into one of them is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, TypeVar

from orchestrator.core.messages import (
    Approve,
    Cancel,
    GiveUp,
    Halt,
    Lost,
    Note,
    Overstep,
    Refused,
    Reject,
    Report,
    Request,
    Send,
    Split,
    Submit,
    Widen,
)
from orchestrator.core.task import Task
from orchestrator.secrets import MARK, Redactor, secret_values, without_secret_options

Row = tuple[float, str, str, int, str]

# What the state hangs on, in rows and in the header. Everything else that is text is cleaned.
_NAMES = frozenset(
    {
        "base", "before", "by", "depends_on", "digest", "evidence", "git", "globs", "id",
        "manifest", "mixed", "mode", "on_failure", "path", "paths", "plan", "plan_digest",
        "read", "reads", "role", "role_digests", "roles", "run", "shares", "started", "tests", "to",
        "transcript", "validate", "workspace", "writes",
    }
)  # fmt: skip
_NAMES_OF_REFUSALS = _NAMES - {"path", "paths"}  # of files that need not exist; nothing folds them

# Where the text of a row begins, for kinds that have one text or none; names and digests come
# before it. Rows of all other kinds, and of later ones, are looked through whole.
_ROW_TEXT: Mapping[str, str] = {
    "granted": "", "blocked": "", "renewed": "", "reserved": "", "wrote": "", "submit_waits": "",
    "rested": "", "undone": "", "remained": "", "outside": "", "retried": "", "widened": "",
    "widen_waits": "", "resumed": "", "succeeded": '"summary":', "reported": '"detail":',
}  # fmt: skip

_REQUEST_TEXTS: Mapping[type[Any], tuple[str, ...]] = {
    Report: ("detail",),
    Submit: ("summary",),
    GiveUp: ("reason",),
    Widen: ("reason",),
    Send: ("kind", "text"),
    Note: ("title", "text"),
    Overstep: ("tool", "path", "why", "fix"),
    Split: (),
    Approve: ("who",),
    Reject: ("why",),
    Cancel: ("why",),
    Lost: ("why",),
    Halt: ("why",),
}
_TASK_TEXTS = ("title", "instructions", "test")
_TASK_NAMES = ("depends_on", "writes", "reads", "shares", "tests")


def make_redactor(
    options: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> Redactor:
    """Return what takes out the secrets that this process knows, and all that look like one.

    Args:
        options: those of the model, ``-M name=value``.
        environment: variables; None: those of this process.
    """
    given = os.environ if environment is None else environment
    values = secret_values(given) | secret_values(options or {})
    return Redactor(value for value in values if not _is_place(value))


def _is_place(value: str) -> bool:
    """Whether a value is a path that exists: of a key's file, of an agent's socket."""
    try:
        return value[:1] in "/~" and os.path.exists(os.path.expanduser(value))  # noqa: PTH110, PTH111
    except ValueError:
        return False


def options_among(words: Iterable[str]) -> dict[str, str]:
    """Return what is of the form ``name=value`` among the words of a command line."""
    pairs = (word.removeprefix("-M").partition("=") for word in words if "=" in word)
    return {name.lstrip("-"): value for name, _, value in pairs}


def admit(request: Request, redactor: Redactor) -> Request | Refused:
    """Return a request without secrets in its texts, or why it cannot be admitted."""
    texts = _REQUEST_TEXTS.get(type(request))
    if texts is None:
        return request
    name_of = _REQUEST_NAMES.get(type(request))
    if name_of is not None and any(map(redactor.holds_known, name_of(request))):
        return Refused(
            "invalid",
            "a name in this request holds a secret",
            "choose names without keys, tokens or passwords; they would be recorded",
        )
    if type(request) is Split:
        tasks = tuple(_cleaned(task, _TASK_TEXTS, redactor) for task in request.tasks)
        return replace(request, tasks=tasks)
    return _cleaned(request, texts, redactor)


def _names_of(task: Task) -> Iterable[str]:
    yield from (task.id, task.role)
    for field in _TASK_NAMES:
        yield from getattr(task, field)


_REQUEST_NAMES: Mapping[type[Any], Callable[[Any], Iterable[str]]] = {
    Widen: lambda request: request.globs,
    Send: lambda request: (request.to,),
    Split: lambda request: chain.from_iterable(map(_names_of, request.tasks)),
}

_V = TypeVar("_V", bound=Any)


def _cleaned(value: _V, texts: Iterable[str], redactor: Redactor) -> _V:
    """Return a dataclass without secrets in the fields named; itself if there are none."""
    for name in texts:
        said = getattr(value, name)
        if said and (clean := redactor.text(said)) is not said:
            value = replace(value, **{name: clean})
    return value


def clean_row(row: Row, redactor: Redactor) -> Row:
    """Return a row of the log without secrets in its texts; itself if there are none."""
    text = _ROW_TEXT.get(row[1])
    if text is not None:  # this is the hottest path of the program: most rows end here
        start = row[4].find(text) if text else -1
        if start < 0 or not redactor.may_hold(row[4][start:]):
            return row
    at, kind, task, attempt, body = row
    clean = redactor.json(body, _NAMES_OF_REFUSALS if kind == "refused" else _NAMES)
    return row if clean is body else (at, kind, task, attempt, clean)


def clean_header(values: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Return the header of a log without secrets.

    Args:
        values: as `header.pack` returns them.
    """
    options = values.get("options")
    clean: dict[str, Any] = redactor.value(values, _NAMES)
    if isinstance(options, Mapping):
        clean["options"] = redactor.value(without_secret_options(options))
    return clean


def lost_with_secrets(values: Mapping[str, Any]) -> list[str]:
    """Return which settings of a run held a secret, which its log does not have: a run cannot be
    resumed with them.

    Args:
        values: the header, as the log has it.
    """
    options, tasks = values.get("options", {}), values.get("tasks", ())
    found = [f"option {name}" for name, value in options.items() if MARK in str(value)]
    return found + [f"the test of task {t['id']}" for t in tasks if MARK in t.get("test", "")]
