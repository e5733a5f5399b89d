"""The verifier: whether a certificate holds for this plan and this code.

``analysis.certificate`` claims, for every unordered pair of tasks, that neither can touch what
the other writes. This module believes none of it. It reads the plan, the role documents and the
code again, by its own few means, and refuses a certificate unless

1. its seal, and the digests of the plan, of the roles and of every source file agree;
2. its tasks are the plan's tasks, and its bounds are those of the role documents;
3. the derived reads of each task include all that import statements show (`verifysources`);
4. every pair of tasks is there once, either with a path of dependencies from a task that must
   succeed, or with a reason for each pair of scope entries, which is checked here
   (`verifyscope` for those that need a search).

It imports the standard library and yaml, and nothing of this package but its own two parts, so
that a mistake of the linter cannot hide in it. What it takes on trust is listed in
``docs/certificate.md``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

from orchestrator.analysis import verifyscope, verifysources
from orchestrator.analysis.verifyreasons import apart

FORMAT = "orchestrator certificate 1"
_KEYS = {"format", "plan", "roles", "files", "tasks", "ordered", "unordered", "seal"}
_TASK_KEYS = (
    "id", "role", "depends_on", "on_failure", "writes", "shares", "reads", "tests", "derived",
)  # fmt: skip
_LISTS = ("depends_on", "writes", "shares", "reads")
_CONDITIONS = ("writes_writes", "writes_reads", "reads_writes")
_READING = ("read_file", "list_files", "search_files")
_WRITING = ("write_file", "edit_file", "delete_file")

Lists = list[list[str]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a certificate does not hold.

    Attributes:
        what: what is wrong with it.
        fix: what to do about it.
    """

    what: str
    fix: str


class _RefusedError(Exception):
    """What is asked next would make no sense any more."""


_AGAIN = "make a new certificate with `lint PLAN --certificate FILE`"


def verify(certificate: Path, plan: Path) -> tuple[Refusal, ...]:
    """Check a certificate against a plan and the code it works on.

    Args:
        certificate: the file that ``lint --certificate`` wrote.
        plan: the plan file.

    Returns:
        Everything that speaks against it; nothing when it holds. Never raises for what is in
        the files.
    """
    found: list[str] = []
    try:
        _Verifier(_read_json(certificate), plan, found).check()
    except _RefusedError as error:
        found.append(str(error))
    except (verifyscope.TooLargeError, RecursionError) as error:
        found.append(f"a question takes too long to decide: {error}")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        found.append(f"the certificate is malformed ({type(error).__name__}: {error})")
    except verifyscope.BadGlobError as error:
        found.append(f"{error} is not a glob")
    return tuple(Refusal(what, _AGAIN) for what in dict.fromkeys(found))


def seal_of(certificate: Mapping[str, Any]) -> str:
    """Return the SHA-256 of all of a certificate but its seal, as canonical JSON."""
    return _digest({key: value for key, value in certificate.items() if key != "seal"})


def _digest(data: Any) -> str:
    text = json.dumps(data, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise _RefusedError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _RefusedError(f"{path} is not JSON") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise _RefusedError(f"{path} is no certificate that this version can read")
    return data


def _read_yaml(path: Path) -> Any:
    """Return a YAML file with every scalar as text, so that nothing depends on its schema."""
    try:
        return _parsed(path.read_bytes())
    except OSError as error:
        raise _RefusedError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise _RefusedError(f"{path} is not YAML") from None


@lru_cache(maxsize=32)
def _parsed(text: bytes) -> Any:
    """Return what a YAML text says; shared, so nobody may change it.

    Raises:
        ValueError: it is not YAML.
    """
    import yaml

    try:
        return yaml.load(text, yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, TypeError) as error:
        raise ValueError(str(error)) from None


class _Verifier:
    """One certificate being checked; `found` collects what speaks against it."""

    def __init__(self, certificate: dict[str, Any], plan: Path, found: list[str]) -> None:
        self._given, self._found = certificate, found
        self._base = plan.absolute().parent
        self._plan = _read_yaml(plan)
        self._bounds: dict[str, tuple[list[str], list[str]]] = {}
        self._tasks: dict[str, dict[str, Any]] = {}
        self._sources: set[str] = set()

    def check(self) -> None:
        given = self._given
        if set(given) != _KEYS:
            raise _RefusedError(f"the certificate's keys are not {sorted(_KEYS)}")
        if given["seal"] != seal_of(given):
            raise _RefusedError("the certificate was changed after it was made: its seal is wrong")
        if not isinstance(self._plan, dict) or given["plan"] != _digest(self._plan):
            raise _RefusedError("it was made for another plan, or the plan has changed since")
        self._check_tasks()
        self._check_roles()
        self._check_files()
        if self._found:
            return  # what follows is about these tasks, roles and files
        for task in self._tasks.values():
            self._check_derived(task)
        self._check_pairs()

    # --- what it was made for --------------------------------------------------------------------

    def _check_tasks(self) -> None:
        rows = list(self._planned())
        recorded = self._given["tasks"]
        if [row["id"] for row in rows] != [task["id"] for task in recorded]:
            raise _RefusedError("its tasks are not those of the plan, in the plan's order")
        for row, task in zip(rows, recorded, strict=True):
            if tuple(task) != _TASK_KEYS:
                raise _RefusedError(f"task {row['id']} is not recorded in full")
            wrong = [key for key, value in row.items() if task[key] != value]
            for key in wrong:
                self._found.append(f"`{key}` of task {row['id']} is not as in the plan")
            self._tasks[task["id"]] = task
        if len(self._tasks) != len(rows):
            raise _RefusedError("two tasks have the same id")

    def _planned(self) -> Iterator[dict[str, Any]]:
        """Yield the tasks as the plan's text has them, defaults filled in."""
        defaults = self._plan.get("defaults") or {}
        for own in self._plan.get("tasks") or ():
            task = {"role": "implementer", "reads": ["**"], **defaults, **own}
            lists = {key: list(task.get(key) or ()) for key in _LISTS}
            yield {
                "id": task["id"],
                "role": task["role"],
                "on_failure": task.get("on_failure", "skip"),
                **lists,
            }

    def _commands(self) -> dict[str, tuple[list[str], str]]:
        """Return the tests and the test command of each task."""
        defaults = self._plan.get("defaults") or {}
        merged = ({**defaults, **own} for own in self._plan["tasks"])
        return {one["id"]: (list(one.get("tests") or ()), one.get("test", "")) for one in merged}

    def _check_roles(self) -> None:
        used = sorted({task["role"] for task in self._tasks.values() if task["role"]})
        if sorted(self._given["roles"]) != used:
            raise _RefusedError("its roles are not those that the plan's tasks have")
        folder = self._plan.get("roles")
        for name in used:
            recorded = self._given["roles"][name]
            path = _role_document(name, None if not folder else self._base / folder)
            if hashlib.sha256(path.read_bytes()).hexdigest() != recorded["digest"]:
                self._found.append(f"the document of role {name} has changed")
                continue
            document = _read_yaml(path)
            bounds = _bound(document, _READING), _bound(document, _WRITING)
            if recorded != {"digest": recorded["digest"], "reads": bounds[0], "writes": bounds[1]}:
                self._found.append(f"the bounds of role {name} are not those of its document")
            self._bounds[name] = bounds

    def _check_files(self) -> None:
        files, workspace = self._given["files"], self._plan.get("workspace")
        self._root = (self._base / workspace).resolve() if workspace else None
        root = self._root
        if root is None:
            if files:
                self._found.append("it names files, and the plan has no workspace")
            return
        for path, digest in files.items():
            now = verifysources.digest_of(root, path)
            if now != digest:
                self._found.append(f"{path} {'is gone' if now is None else 'has changed'}")
        self._sources = verifysources.source_files(root)
        for path in sorted(self._sources - files.keys()):
            self._found.append(f"{path} is new: the certificate does not know it")

    # --- what tasks read -------------------------------------------------------------------------

    def _check_derived(self, task: dict[str, Any]) -> None:
        """Refuse derived reads that leave out what import statements show."""
        derived, name = set(task["derived"]), task["id"]
        for path in sorted(derived - self._given["files"].keys()):
            self._found.append(f"the derived read {path} of task {name} has no digest")
        root = self._root
        if root is None:
            return
        tests, command = self._commands()[name]
        running = verifysources.test_files(tests, command, self._sources)
        shown = set(running) | verifysources.conftests(running, self._sources)
        missing = set(running) - set(task["tests"])
        own = {path for path in self._sources if self._writes(task, path)}
        for path in sorted(own | shown):
            try:
                choices = verifysources.imported(root, path, self._sources)
            except (SyntaxError, OSError) as error:
                self._found.append(
                    f"{path} cannot be analysed, so what it needs is unknown: {error}"
                )
                continue
            missing |= {min(c) for c in choices if not c & (derived | own)}
        missing |= shown - derived - own
        for path in sorted(missing):
            self._found.append(
                f"task {name} needs {path} by its imports or its tests, which is not recorded"
            )

    def _writes(self, task: dict[str, Any], path: str) -> bool:
        bound = self._bound_of(task)[1]
        return verifyscope.listed(bound, path) and any(
            verifyscope.listed(task[key], path) for key in ("writes", "shares")
        )

    def _bound_of(self, task: dict[str, Any]) -> tuple[list[str], list[str]]:
        return self._bounds[task["role"]] if task["role"] else (["**"], ["**"])

    # --- pairs -----------------------------------------------------------------------------------

    def _check_pairs(self) -> None:
        wanted = {frozenset(pair) for pair in combinations(self._tasks, 2)}
        seen: list[frozenset[str]] = []
        for row in self._given["ordered"]:
            seen.append(frozenset((row["path"][0], row["path"][-1])))
            self._check_order(row)
        for row in self._given["unordered"]:
            seen.append(frozenset(row["tasks"]))
            if tuple(row) != ("tasks", *_CONDITIONS) or len(row["tasks"]) != 2:
                raise _RefusedError("a pair is not recorded in full")
        known = set(seen)
        if len(known) != len(seen):
            raise _RefusedError("a pair of tasks is recorded twice")
        if known != wanted:
            odd = ", ".join(sorted(" and ".join(sorted(pair)) for pair in known ^ wanted))
            raise _RefusedError(f"its pairs are not all pairs of tasks: {odd}")
        for row in self._given["unordered"]:
            self._check_bernstein(row)

    def _check_order(self, row: dict[str, Any]) -> None:
        path = row["path"]
        if set(row) != {"path"} or len(path) < 2:
            raise _RefusedError("an ordered pair is not recorded in full")
        for before, after in pairwise(path):
            if before not in self._tasks[after]["depends_on"]:
                self._found.append(f"{after} does not depend on {before}")
        if self._tasks[path[0]]["on_failure"] != "skip":
            self._found.append(
                f"{path[-1]} may run beside {path[0]}, which need not succeed before it"
            )

    def _check_bernstein(self, row: dict[str, Any]) -> None:
        a, b = (self._tasks[name] for name in row["tasks"])
        a_writes, b_writes = [a["writes"], a["shares"]], [b["writes"], b["shares"]]
        may_a, may_b = self._bound_of(a), self._bound_of(b)
        questions = (
            (a_writes, may_a[1], b_writes, may_b[1]),
            (a_writes, may_a[1], [b["reads"]], may_b[0]),
            ([a["reads"]], may_a[0], b_writes, may_b[1]),
        )
        for condition, question in zip(_CONDITIONS, questions, strict=True):
            if not apart(row[condition], *question):
                self._found.append(
                    f"nothing shows that {a['id']} and {b['id']} are apart ({condition})"
                )
        for one, other in ((a, b), (b, a)):
            for path in one["derived"]:
                if self._writes(other, path):
                    self._found.append(f"{one['id']} needs {path}, which {other['id']} may write")


# --- roles ---------------------------------------------------------------------------------------


def _role_document(name: str, folder: Path | None) -> Path:
    """Return the document of a role: of the plan's directory first, else a built-in one."""
    for path in sorted(folder.iterdir()) if folder is not None else ():
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
            document = _read_yaml(path)
            if document["info"]["title"] == name:
                return path
    package = Path(__file__).resolve().parent.parent
    for place in (package / "roles", package.parent / "roles"):
        if (place / f"{name}.yaml").is_file():
            return place / f"{name}.yaml"
    raise _RefusedError(f"there is no document of role {name}")


def _bound(document: Any, operations: Sequence[str]) -> list[str]:
    """Return the one list of files that these operations of a role may touch."""
    lists: Lists = []
    for item in document["paths"].values():
        item = _followed(document, item)
        for method, operation in item.items():
            if not isinstance(operation, dict) or method == "parameters":
                continue
            if operation.get("operationId") in operations:
                parameters = [*item.get("parameters", ()), *operation.get("parameters", ())]
                lists += _files(document, parameters)
    if any(one != lists[0] for one in lists):
        raise _RefusedError("a role has two lists of files for the same kind of operation")
    return lists[0] if lists else []


def _files(document: Any, parameters: Sequence[Any]) -> Iterator[list[str]]:
    for parameter in parameters:
        schema = _followed(document, _followed(document, parameter).get("schema", {}))
        if "x-files" in schema:
            yield list(schema["x-files"])


def _followed(document: Any, value: Any) -> Any:
    """Return what a reference inside the document stands for."""
    for _ in range(100):
        if not isinstance(value, dict) or "$ref" not in value:
            return value
        target = document
        for key in value["$ref"].removeprefix("#/").split("/"):
            target = target[key.replace("~1", "/").replace("~0", "~")]
        value = target
    raise _RefusedError("a role document's references lead in a circle")
