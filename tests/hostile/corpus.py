"""Tool calls that no agent should make, as data: what is sent, and what must come of it.

The tree that they are sent into is made in `conftest.py`. There `mine/` is what the attempt may
write, `shared/` what it may read besides, and everything else is out of bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, Literal

Expect = Literal["out of bounds", "invalid", "harmless"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a tool.

    Attributes:
        kind: what is hostile about it.
        tool: the tool's name, as a model sends it; a text, but for the worst of models.
        given: its arguments.
        expect: `out of bounds`: it must be refused, and recorded as overstepping; `invalid`: it
            must be refused; `harmless`: it may be carried out, and touches nothing it should not.
        says: one of these must stand in the refusal: the rule, or what is allowed instead.
    """

    kind: str
    tool: Any
    given: Any
    expect: Expect = "invalid"
    says: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind}: {shown(self.tool)} {shown(self.given)}"


class _Short(Repr):
    """Writes values of any size and depth in a few hundred characters."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 120
        self.maxlevel = 4

    def repr_int(self, x: int, level: int) -> str:
        """Python refuses to write numbers of thousands of digits."""
        return repr(x) if x.bit_length() < 1000 else f"a number of {x.bit_length()} bits"


shown = _Short().repr


HUGE = "x" * 50_000_000

LEFT = ("as seen from the top of the workspace", "with '/'", "internal")
BOUND = ("keep to ", "Allowed: ")

# kind -> paths, all of which leave the bounds
OUTSIDE: Mapping[str, tuple[str, ...]] = {
    "absolute": (
        "/etc/passwd",
        "//etc/passwd",
        "/",
        "///",
        "/mine/a.py",
        "/proc/self/environ",
        "/dev/zero",
        "~/.ssh/id_rsa",
        "~root/.bashrc",
        "./~/x",
        "C:/Windows/win.ini",
        "c:secret.txt",
    ),
    "climbing": (
        "..",
        "../decoy/secret.txt",
        "../../../../../../etc/passwd",
        "mine/../../decoy/secret.txt",
        "./../decoy/secret.txt",
        "mine/..",
        "mine/sub/../../../decoy/secret.txt",
        "../work/mine/a.py",
    ),
    "a/../b": ("mine/../theirs/secret.py", "mine/../mine/a.py", "a/../mine/a.py"),
    "git internals": (
        ".git",
        ".git/config",
        ".git/hooks/pre-commit",
        ".GIT/config",
        ".Git/HEAD",
        "mine/.git/config",
        "./.git//config",
        ".git/",
    ),
    "event log": (
        ".orchestrator/runs/r/events.db",
        ".orchestrator/runs/r/events.db-wal",
        ".ORCHESTRATOR/runs/r/events.db",
        "mine/../.orchestrator/runs/r/events.db",
        ".orche\u017ftrator/runs/r/events.db",
        ".orchestrator/tmp/x",
    ),
    "another's file": ("theirs/secret.py", "./theirs//secret.py", "secrets.txt", "theirs"),
}
MANGLED: Mapping[str, tuple[str, ...]] = {
    "backslash": ("mine\\a.py", "mine\\sub\\a.py", "mine/a\\.py"),
    "NUL": ("mine/a.py\0", "mine/a.py\0.txt", "\0", "mine/\0/a.py"),
    "newline": ("mine/a.py\n", "\nmine/a.py", "mine/a.py\r\n", "mine/\n/a.py"),
    "control character": ("mine/\x1b[2Ja.py", "mine/a\tb", "mine/a\x7f.py", "mine/\x85", "\x08"),
    "bidirectional character": (
        "mine/\u202eyp.a",
        "mine/a\u2066.py",
        "mine/\u200fa.py",
        "\u061cmine/a.py",
    ),
    "invisible character": (
        "mine/a\u200b.py",
        "mine/\ufeffa.py",
        ".g\u200dit/config",
        "mine/a\u00ad.py",
        "mine/a\U000e0041.py",
        "mine/a\u2028.py",
    ),
    "un-normalised form": ("mine/cafe\u0301.txt", "mine/\u212b.txt", "mine/\u1100\u1161.txt"),
    "lone surrogate": ("mine/\ud800.py", "\udcff", "mine/a.py\udc80"),
    "very long name": ("mine/" + "n" * 256, "mine/" + "\u00e9" * 128, "a/" * 3000 + "b"),
    "trailing space": ("mine/a.py ", "mine /a.py"),
    "no name": ("", ".", "./", "././."),
}
SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "./": ("./mine/a.py", "mine/./a.py", "././mine/././a.py"),
    "doubled slashes": ("mine//a.py", "mine////a.py", ".//mine//a.py"),
    "trailing slash": ("mine/a.py/",),
}
LOOK_ALIKES = (
    "mine/\u0430.py",  # Cyrillic a
    "\u2024\u2024/decoy/secret.txt",  # one dot leaders
    "\uff0e\uff0e/decoy/secret.txt",  # full-width dots
    "mine\u2215..\u2215..\u2215decoy",  # division slashes
    "\uff0fetc\uff0fpasswd",  # full-width slashes
    "\uff0egit/config",
    "%2e%2e/decoy/secret.txt",
    "..%2fdecoy%2fsecret.txt",
    "mine/%00",
    "$HOME/.ssh/id_rsa",
    "file:///etc/passwd",
    "...",
)
# In `mine/`, where the role may write; what stands there is no file that anybody may touch.
OBSTACLES: Mapping[str, tuple[str, ...]] = {
    "symlink that points out": (
        "mine/out/secret.txt",
        "mine/out",
        "mine/out.md",
        "mine/up/decoy/secret.txt",
        "mine/root/etc/passwd",
        "mine/sub/out.md",
        "mine/tests/out.md",
    ),
    "symlink": ("mine/inside.md", "mine/loop", "mine/nowhere", "mine/folder-link/x.txt"),
    "environment": ("mine/node_modules/x.js", "mine/node_modules/new.js", "mine/node_modules"),
    "FIFO": ("mine/pipe", "mine/tests/pipe.md", "mine/pipe/x"),
    "device": ("mine/device", "mine/tests/device.md", "mine/zero"),
    "socket": ("mine/socket",),
    "directory in place of a file": ("mine/folder", "mine/folder/", "mine/tests", "mine"),
    "file in place of a directory": ("mine/a.py/x", "mine/a.py/x/y"),
    "case twin": (
        "mine/A.PY",
        "mine/CAF\u00c9.txt",
        "mine/Node_Modules/x.js",
        "mine/OUT/x.md",
        "MINE/new.md",
        "mine/TESTS/new.md",
        "mine/Folder/new.md",
        "mine/Sub",
    ),
    "secret": ("mine/.env", ".env", "mine/.ENV", "mine/.env.local", "mine/__pycache__/a.pyc"),
}

WRITE = {"content": "owned\n"}
EDIT = {"old": "a", "new": "owned"}


def _on_paths() -> Iterator[Call]:
    """Yield the calls whose path is hostile, for the tools that take one."""
    for kind, paths in OUTSIDE.items():
        says = (*LEFT, *BOUND)
        for path in paths:
            yield Call(kind, "read_file", {"path": path}, "out of bounds", says)
            yield Call(kind, "write_file", {"path": path, **WRITE}, "out of bounds", says)
        yield Call(kind, "edit_file", {"path": paths[0], **EDIT}, "out of bounds", says)
        yield Call(kind, "delete_file", {"path": paths[1]}, "out of bounds", says)
    for kind, paths in MANGLED.items():
        for path in paths:
            yield Call(kind, "read_file", {"path": path}, "invalid", ("`path`", "argument"))
            yield Call(kind, "write_file", {"path": path, **WRITE}, "invalid", ("`path`",))
        yield Call(kind, "edit_file", {"path": paths[0], **EDIT}, "invalid", ("`path`",))
        yield Call(kind, "delete_file", {"path": paths[0]}, "invalid", ("`path`",))
    for kind, paths in SPELLINGS.items():
        for path in paths:
            yield Call(kind, "read_file", {"path": path}, "harmless")
            yield Call(kind, "write_file", {"path": path, **WRITE}, "harmless")
    for path in LOOK_ALIKES:
        there = (*BOUND, *LEFT, "list_files")
        yield Call("look-alike", "read_file", {"path": path}, "invalid", there)
        yield Call("look-alike", "write_file", {"path": path, **WRITE}, "harmless")
        yield Call("look-alike", "delete_file", {"path": path}, "harmless")
    for kind, paths in OBSTACLES.items():
        for path in paths:
            yield Call(kind, "read_file", {"path": path}, "invalid", ("list_files", *BOUND))
            yield Call(kind, "write_file", {"path": path, **WRITE}, "invalid")
            yield Call(kind, "delete_file", {"path": path}, "invalid")
            yield Call(kind, "edit_file", {"path": path, **EDIT}, "invalid")
    for path in ("mine/hard.md", "mine/tests/hard.md"):
        yield Call("hard link", "read_file", {"path": path}, "harmless")
        yield Call("hard link", "write_file", {"path": path, **WRITE}, "harmless")
        yield Call("hard link", "edit_file", {"path": path, "old": "o", "new": "x"}, "harmless")
        yield Call("hard link", "delete_file", {"path": path}, "harmless")


GLOBS: Mapping[str, tuple[tuple[str, Expect], ...]] = {
    "absolute": (("/etc/*", "out of bounds"), ("~/**", "out of bounds")),
    "climbing": (("../**", "out of bounds"), ("mine/../../decoy/**", "out of bounds")),
    "git internals": (
        (".git/**", "harmless"),
        ("**/.git/*", "harmless"),
        ("{.git,a}/*", "harmless"),
    ),
    "event log": ((".orchestrator/**", "harmless"), ("**/events.db*", "harmless")),
    "another's file": (("theirs/**", "harmless"), ("**", "harmless"), ("**/secret*", "harmless")),
    "symlink that points out": (("mine/out/**", "harmless"), ("mine/root/etc/*", "harmless")),
    "NUL": (("mine/\0*", "invalid"),),
    "bidirectional character": (("\u202e*", "invalid"),),
    "lone surrogate": (("\ud800*", "invalid"),),
    "backslash": (("mine\\*", "invalid"),),
    "bomb": (
        ("{a,b}" * 400, "invalid"),
        ("{a,b}" * 80, "harmless"),
        ("{a," * 100 + "b" + "}" * 100, "invalid"),
        ("**/" * 1300 + "x", "invalid"),
        ("**/" * 132 + "x", "invalid"),
        ("**/" * 12 + "x", "harmless"),
        ("**/*a/" * 12 + "x", "harmless"),
        ("*a" * 2000, "invalid"),
        ("*a" * 200, "harmless"),
        ("[" * 50, "invalid"),
        ("*" * 5000, "invalid"),
    ),
    "50 MB body": ((HUGE, "invalid"),),
}


def _on_globs() -> Iterator[Call]:
    for kind, globs in GLOBS.items():
        for glob, expect in globs:
            says = ("glob",)
            yield Call(kind, "list_files", {"glob": glob}, expect, says)
            given = {"pattern": "CANA[R]Y", "glob": glob}
            yield Call(kind, "search_files", given, expect, says)
    for pattern in ("(", "(?R)", "x" * 1001, "(" * 900, "\\", "(?P<n>(?&n))", "[", "*"):
        yield Call("bad pattern", "search_files", {"pattern": pattern}, "invalid", ("pattern",))
    for pattern in ("CANA[R]Y", "(?i)cana.y", "root:", ".", "\0", "$^"):
        yield Call("search everything", "search_files", {"pattern": pattern}, "harmless")


def _with_wrong_bodies() -> Iterator[Call]:
    """Yield calls whose arguments are not what the tool takes."""
    wrong: tuple[Any, ...] = (
        None, 7, 1.5, True, [], {}, ["mine/a.py"], {"path": "mine/a.py"}, b"mine/a.py",
        float("nan"), 10**5000, {"a"}, ("mine/a.py",), object,
    )  # fmt: skip
    for value in wrong:
        yield Call("wrong type", "read_file", {"path": value}, "invalid", ("`path`",))
        yield Call("wrong type", "write_file", {"path": "mine/a.py", "content": value})
    lines: tuple[Any, ...] = (0, -1, True, "1", 1.0, None, 10**5000, [1])
    for value in lines:
        yield Call("wrong type", "read_file", {"path": "mine/a.py", "start_line": value})
    bodies: tuple[Any, ...] = (None, [], "mine/a.py", 7, True, [["path", "mine/a.py"]], b"{}")
    for given in bodies:
        yield Call("wrong type", "read_file", given, "invalid", ("one object with: path",))
        yield Call("wrong type", "submit", given, "invalid", ("one object with: summary",))
    for tool in ("read_file", "write_file", "edit_file", "delete_file", "search_files", "submit",
                 "give_up", "run_command", "send_message", "write_note", "split_task",
                 "widen_scope"):  # fmt: skip
        yield Call("missing field", tool, {}, "invalid", ("is missing",))
        extra = {"mode": "0777", "follow_symlinks": True}
        yield Call("extra field", tool, extra, "invalid", ("There is no argument `mode`",))
    for key in ("pth", "path ", "PATH", "__class__", "self", "context", "\ud800", "", "a" * 500,
                "path\0", "\u202epath", HUGE):  # fmt: skip
        yield Call("extra field", "read_file", {"path": "mine/a.py", key: "x"})
    many = {f"k{n}": n for n in range(2000)}
    yield Call("extra field", "read_file", {"path": "mine/a.py", **many})
    deep: Any = "x"
    for _ in range(50_000):
        deep = [deep]
    for given in (deep, {"path": deep}, {"path": "mine/a.py", "x": deep}, {"tasks": deep}):
        yield Call("deep nesting", "read_file", given)
        yield Call("deep nesting", "split_task", given)
    yield Call("many values", "run_tests", {"tests": ["mine/t.py"] * 100_000})
    yield Call("many values", "split_task", {"tasks": [{}] * 100_000, "reason": "x"})
    yield Call("many values", "widen_scope", {"globs": [7] * 4000, "reason": "x"})


def _with_huge_bodies() -> Iterator[Call]:
    long = {
        "read_file": {"path": HUGE},
        "write_file": {"path": "mine/a.py", "content": HUGE},
        "edit_file": {"path": "mine/a.py", "old": HUGE, "new": "x"},
        "delete_file": {"path": HUGE},
        "search_files": {"pattern": HUGE},
        "run_tests": {"tests": [HUGE]},
        "run_command": {"command": HUGE},
        "submit": {"summary": HUGE},
        "give_up": {"reason": HUGE},
        "send_message": {"to": "all", "kind": "note", "text": HUGE},
        "write_note": {"title": HUGE, "text": "x"},
        "read_notes": {"query": HUGE},
        "widen_scope": {"globs": [HUGE], "reason": "x"},
        "split_task": {"tasks": [HUGE], "reason": HUGE},
        HUGE: {},
    }
    for tool, given in long.items():
        yield Call("50 MB body", tool, given, "invalid", ("characters", "one of", "bytes"))
    six = "x" * 6_000_000
    given = {"path": "mine/new.md", "content": six}
    yield Call("50 MB body", "write_file", given, "invalid", ("are allowed", *BOUND))
    lone = "text \udcff"  # what invalid UTF-8 becomes on its way through JSON
    for tool, given in {
        "write_file": {"path": "mine/a.py", "content": lone},
        "edit_file": {"path": "mine/a.py", "old": "a", "new": lone},
        "send_message": {"to": "all", "kind": "note", "text": lone},
        "write_note": {"title": lone, "text": "x"},
        "read_notes": {"query": lone},
        "submit": {"summary": lone},
        "give_up": {"reason": lone},
        "run_command": {"command": lone},
        "run_tests": {"tests": [lone]},
        "widen_scope": {"globs": [lone], "reason": "x"},
        lone: {},
    }.items():
        yield Call("invalid UTF-8", tool, given, "invalid", ("surrogate", "one of"))


def _on_commands() -> Iterator[Call]:
    for command in (
        "cat /etc/passwd", "sh -c 'cat /etc/passwd'", "python -c 'print(1)'", "rm -rf /",
        "python -m pytest; cat /etc/passwd", "python -m pytest && id", "python -m pytest | sh",
        "python -m pytest > /tmp/x", "python -m pytest $(id)", "python -m pytest `id`",
        "python -m pytest ../decoy", "python -m pytest /etc", "python -m pytest --rootdir=/etc",
        "python -m pytest\nid", "python -m pytest mine\0", "ruff check --fix ../..",
        "python -m pip install x", " python -m pytest", "git config core.hooksPath x", " ", "",
    ):  # fmt: skip
        yield Call("command", "run_command", {"command": command}, "invalid", ("Allowed: ",))
    for name in ("../decoy/test_x.py", "/etc/passwd", "~/x"):
        given = {"tests": [name]}
        yield Call("command", "run_tests", given, "out of bounds", LEFT)
    for name in ("-p", "--collect-only", "-c", "./--rootdir=.", "mine/t\n.py", "mine/t\0.py"):
        says = ("name test files only", "leave that character out")
        yield Call("command", "run_tests", {"tests": [name]}, "invalid", says)
    for name in ("mine/t.py; id", "mine/$(id).py", "mine/`id`", "mine/'t'.py"):
        yield Call("command", "run_tests", {"tests": [name]}, "harmless")


PART: Mapping[str, Any] = {
    "id": "p", "title": "A part", "instructions": "Do it.", "writes": ["mine/part.py"],
}  # fmt: skip


def _on_reshaping() -> Iterator[Call]:
    parts: tuple[tuple[Mapping[str, Any], tuple[str, ...]], ...] = (
        ({"test": "cat /etc/passwd"}, ("run_command",)),
        ({"test": "python -m pytest; id"}, ("run_command",)),
        ({"test": "python -m pytest {tests} && id"}, ("run_command",)),
        ({"test": "$(id)"}, ("run_command",)),
        ({"test": "python -m pytest --x={tests}"}, ("run_command",)),
        ({"test": "'"}, ("run_command",)),
        ({"test": "{tests}"}, ("run_command",)),
        ({"tests": ["../decoy/t.py"]}, LEFT),
        ({"tests": ["--collect-only"]}, ("test files only",)),
        ({"id": "../up"}, ("letters",)),
        ({"id": "x" * 200}, ("letters",)),
        ({"id": "a\nb"}, ("letters",)),
        ({"writes": ["theirs/**"]}, ("among the files",)),
        ({"writes": ["**"]}, ("among the files",)),
        ({"writes": ["/etc/**"]}, LEFT),
        ({"writes": ["mine/../theirs/x.py"]}, LEFT),
        ({"reads": ["**"]}, ("leave `reads` out",)),
        ({"reads": ["theirs/secret.py"]}, ("leave `reads` out",)),
        ({"reads": ["../**"]}, LEFT),
        ({"reads": ["["]}, ("close",)),
        ({"role": "integrator"}, ("no argument",)),
        ({"depends_on": ["p"]}, ("wait for one another",)),
        ({"depends_on": ["nobody"]}, ("does not exist",)),
    )
    for change, says in parts:
        given = {"tasks": [{**PART, **change}], "reason": "x"}
        yield Call("part beyond the whole", "split_task", given, "invalid", says)
    for globs in (
        ["a"] * 101,
        ["**/" * 1300 + "x"],
        ["../**"],
        ["/etc/**"],
        ["["],
        ["!mine/a.py"],
        ["\ud800"],
        ["a\\b"],
        ["a\0"],
    ):
        given = {"globs": globs, "reason": "x"}
        yield Call("widening", "widen_scope", given, "invalid")
    for to in ("task:nobody", "role:nobody", "", "all\n", "../x", "task:", "everyone"):
        given = {"to": to, "kind": "note", "text": "x"}
        yield Call("message", "send_message", given, "invalid")


def _with_unknown_tools() -> Iterator[Call]:
    for name in ("fly", "", "read_file ", "READ_FILE", "__class__", "_no_such_tool", "use",
                 "read_file\0", "\u202e", "read\u200b_file", "os.system", "x" * 10_000, None, 7,
                 "exec", "../read_file"):  # fmt: skip
        yield Call("unknown tool", name, {"path": "/etc/passwd"}, "invalid", ("use one of",))


CALLS: tuple[Call, ...] = (
    *_on_paths(),
    *_on_globs(),
    *_with_wrong_bodies(),
    *_with_huge_bodies(),
    *_on_commands(),
    *_on_reshaping(),
    *_with_unknown_tools(),
)

PIECES: tuple[Any, ...] = (
    *(path for group in (OUTSIDE, MANGLED, SPELLINGS, OBSTACLES) for paths in group.values()
      for path in paths),
    *LOOK_ALIKES,
    *(glob for globs in GLOBS.values() for glob, _ in globs if len(glob) < 1000),
    "mine/a.py", "mine/new.md", "mine/tests/test_new.py", "shared/lib.py", "**", "mine/**", "a",
    "owned\n", "all", "note", "task:work", "python -m pytest", "python -m pytest -q {tests}",
    None, True, False, 0, 1, 10**30, -1, 1.5, dict(PART), [dict(PART)], ["mine/**"], [], {},
)  # fmt: skip
"""Values of which a fuzzer mixes the arguments of a call."""
