"""What is run otherwise than it stands in a document, and why. There are no other exceptions.

A substitution changes a command before it is run; a check takes the place of running it. Each has
its reason. Order counts: all substitutions that fit are made, one after another.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from docblocks.blocks import ROOT


@dataclass(frozen=True, slots=True)
class Substitution:
    """A command is run with a part of it replaced."""

    pattern: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Check:
    """A command is not run; `check` says what is wrong with it, or nothing."""

    pattern: str
    check: Callable[[re.Match[str]], str]
    reason: str


def make_target(found: re.Match[str]) -> str:
    """`make -n` must know what the target would run."""
    done = subprocess.run(
        ["make", "-n", *found[1].split()], cwd=ROOT, capture_output=True, text=True, check=False
    )
    wrong = done.returncode or not done.stdout.strip()
    return f"make -n {found[1]} says: {done.stderr or 'nothing'}" if wrong else ""


def extras(found: re.Match[str]) -> str:
    """What is installed must be this project, and its extras must be declared."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = re.fullmatch(r"(?:--editable |-e )?'?(\.|orchestrator)(?:\[([\w,]+)\])?'?", found[1])
    if wanted is None:
        return f"{found[1]} is neither this project nor a directory of it"
    unknown = set(filter(None, (wanted[2] or "").split(","))) - set(
        project["optional-dependencies"]
    )
    return f"no such extras: {sorted(unknown)}" if unknown else ""


def options(found: re.Match[str]) -> str:
    """The program must know the command and its options."""
    command = [sys.executable, "-m", "orchestrator", found[1], "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    known = set(re.findall(r"--[a-z-]+", told))
    unknown = sorted(set(re.findall(r"(?<= )--[a-z-]+", found[0])) - known)
    return f"`{found[1]}` does not know {unknown}" if unknown else ""


def script(found: re.Match[str]) -> str:
    """The script must be there, compile, and know the options that it is given."""
    path = ROOT / found[1]
    if not path.is_file():
        return f"there is no {found[1]}"
    text = "\n".join(part.read_text() for part in sorted(path.parent.glob("*.py")))
    compile(path.read_text(), str(path), "exec")
    unknown = [name for name in re.findall(r"--[\w-]+", found[2]) if f'"{name}"' not in text]
    return f"{found[1]} does not know {unknown}" if unknown else ""


CHECKS = (
    Check(
        r"make ((?:[A-Z]+=\S+ )*[a-z-]+(?: [A-Z]+=\S+)*)$", make_target,
        "It sets up an environment, or runs this suite or a benchmark. CI runs setup, check, demo "
        "and test; here `make -n` must know the target.",
    ),
    Check(
        r"(?:\S*python3? -m )?pip install (.+)$", extras,
        "It needs the network, and would change the environment of the tests. CI installs the "
        "project; here its name and extras must be right.",
    ),
    Check(
        r"\S*python3? ((?:benchmarks|docs)/\w+\.py)(.*)$", script,
        "Takes minutes, or rewrites documents. The benchmarks have tests of their own; here the "
        "script must compile and know the options.",
    ),
    Check(
        r"orchestrator (compare) .*(?:--dask|--models anthropic)", options,
        "It needs a cluster, or costs money and asks first. tests/lab and tests/ui try both; here "
        "the options must be known.",
    ),
)  # fmt: skip

SUBSTITUTIONS = (
    Substitution(
        r"^python3 -m venv \.venv$", "test -x .venv/bin/python",
        "The environment of the tests stands there already; making one anew takes the network.",
    ),
    Substitution(
        r"^cd - && (\S+) -m pytest$", r"cd - && \1 -m pytest --version",
        "This is the suite that is running now.",
    ),
    Substitution(
        r"^\. \.venv/bin/activate$", "test -f .venv/bin/activate",
        "The environment of the tests is on the path already.",
    ),
    Substitution(
        r"^(cd examples/minisql/out && \S+ -m pytest -q)$",
        r"\1 tests/test_tokens.py tests/test_types.py tests/test_scope.py",
        "The plan has its first tasks only; CI makes the whole demo by `make demo`.",
    ),
    Substitution(
        r"^sqlite3 (\S+) ('.*')$",
        r"python -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute(sys.argv[2])' \1 \2",
        "The program sqlite3 need not be installed; Python asks the same.",
    ),
    Substitution(r"(?<![\w.])/tmp/", "$STAGE/tmp/", "Nothing is left on the machine."),
    Substitution(
        r"(ANTHROPIC_API_KEY)=\S+", r"\1=dummy",
        "There is no key. The provider is llmock, a server on a local socket.",
    ),
    Substitution(r"--repeats \d+", "--repeats 1", "One shows that it works; more takes long."),
    Substitution(r"--runs \d+", "--runs 20", "The same figures, less precise."),
    Substitution(r"(orchestrator simulate (?!.*--runs).*)$", r"\1 --runs 20", "As above."),
    Substitution(r"latency=[\d.]+(-[\d.]+)?", "latency=0", "Waiting takes time and shows nothing."),
    Substitution(r"\b(approve|reject|cancel) RUN TASK\b", r'\1 "$HELD_RUN" held',
                 "A run whose task waits for a person's word."),
    Substitution(r"\bRUN\b", '"$(a_run)"',
                 "The newest run of the document, or one of examples/minisql made before."),
    Substitution(r"\bDIR\b", '"$STAGE"/examples/minisql/project', "Any directory with code."),
    Substitution(r"\bPLAN\b", '"$STAGE"/examples/minisql/plan.yaml', "Any plan."),
)  # fmt: skip

KEYED = (
    Substitution(
        r"^((?:\S*python -m )?orchestrator run \S+)", r"\1 --workers 1",
        "The answers of llmock are a queue; one worker takes them in order.",
    ),
)  # fmt: skip
"""For blocks with the mark `needs: key`, besides the others."""


def checked(text: str) -> str | None:
    """Return what is wrong with a command that is checked and not run; None: it is run."""
    for rule in CHECKS:
        found = re.match(rule.pattern, text)
        if found:
            return rule.check(found)
    return None


def substituted(text: str, *, keyed: bool) -> str:
    """Return the command as it is run."""
    for rule in (*SUBSTITUTIONS, *(KEYED if keyed else ())):
        text = re.sub(rule.pattern, rule.by, text)
    return text
