"""Keys are planted everywhere, then every byte that a run leaves behind is searched for them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import anthropic
import click
import httpx2
import pytest
import yaml

from orchestrator import Context, Limits, Plan, Task, run
from orchestrator.errors import InternalError, UsageError
from orchestrator.models.anthropic import AnthropicModel
from orchestrator.models.scripted import ScriptedModel
from orchestrator.secrets import MARK
from orchestrator.ui.failures import Session, guarded

A = "a1B2c3D4" * 5

KNOWN = {
    "ANTHROPIC_API_KEY": "zebra-anchor-known-by-name",
    "SHIP_ANCHOR_TOKEN": "yonder.anchor/known+by=name",
    "PGPASSWORD": 'xylo"phone\\anchör known',
    "myApiKey": "willow anchor in several words",
    "DEPLOY_PRIVATE_KEY": "violet-anchor-first-line-of-key\nviolet-anchor-second-line-of-key\n",
    "ANTHROPIC_CUSTOM_HEADERS": "x-odd: umbrella-anchor-in-a-header",
    "ANTHROPIC_BASE_URL": "http://somebody:tundra-anchor-in-a-url@127.0.0.1:9",
}
"""Names and values of variables; no value has the look of a key."""

WORDS = ("zebra-anchor", "yonder.anchor", "phone\\anch", "willow anchor", "violet-anchor",
         "umbrella-anchor", "tundra-anchor")  # fmt: skip
"""A part of each of the above that must be found nowhere."""

LOOKS = {
    "anthropic": "sk-ant-api03-" + A,
    "openai": "sk-proj-" + A,
    "github": "ghp_" + A,
    "aws": "AKIA" + "QR" * 8,
    "slack": "xoxb-" + "777777777777-" + A,
    "google": "AIza" + A,
    "token": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiI3NzcifQ.c2lnbmF0dXJlNzc3",
    "bearer": "Authorization: Bearer " + "plumage777plumage",
    "header": "x-api-key: " + "plumage888plumage",
    "url": "https://somebody:" + "plumage999@example.org",
    "pem": f"-----BEGIN PRIVATE KEY-----\n{A}\n-----END PRIVATE KEY-----",
}
"""Texts that this process does not know, but whose look gives them away."""

SECRETS = [*LOOKS.values(), "plumage777", "plumage888", "plumage999", A]
NAME = KNOWN["ANTHROPIC_API_KEY"]  # which could be the name of a file or a task
EVERYTHING = [*KNOWN.values(), *LOOKS.values()]
ALL = " and ".join(EVERYTHING)


def traces(data: bytes) -> list[str]:
    """Return which secrets bytes hold, as they are, in JSON, or in base64."""
    forms = [base64.b64encode(b"somebody:tundra-anchor-in-a-url").decode()]
    for secret in [*KNOWN.values(), *WORDS, *SECRETS]:
        forms += [secret, *(json.dumps(secret, ensure_ascii=only)[1:-1] for only in (True, False))]
    return [form for form in dict.fromkeys(forms) if form.encode() in data]


def search(*folders: Path, leave_out: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Return the files below folders that hold secrets, in their names or their bytes."""
    found = {}
    seen = 0
    for folder in folders:
        for path in folder.rglob("*"):
            if path.name in leave_out:
                continue
            data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            seen += len(data)
            held = traces(os.fsencode(path.relative_to(folder)) + b"\n" + data)
            if held:
                found[str(path)] = held
    assert seen > 1000
    return found


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plant keys in the environment of this process."""
    for name, value in KNOWN.items():
        monkeypatch.setenv(name, value)


def call(tool: str, **given: Any) -> dict[str, Any]:
    return {"tool": tool, "input": given}


PRINTS = "import os; print(dict(os.environ)); " + "; ".join(
    f"print({text[:4]!r} + {text[4:]!r})" for text in LOOKS.values()
)
"""A program that prints its environment, and keys that it holds in pieces."""

TALK = [
    {"text": f"I know {ALL}.", "calls": [call("write_note", title=ALL[:100], text=ALL)]},
    {"calls": [call("send_message", to="all", kind="note", text=ALL)]},
    {"calls": [call("send_message", to=f"task:{NAME}", kind="note", text="x")]},
    {"calls": [call(f"no_such_tool_{NAME}", text=ALL)]},
    {"calls": [call("write_file", path="a.py")]},
    {"calls": [call("write_file", path=f"{NAME}.py", content="x")]},
    {"calls": [call("write_file", path=f"lib/{NAME}", content="x")]},
    {"calls": [call("widen_scope", globs=[NAME], reason=ALL)]},
    {"calls": [call("widen_scope", globs=["lib/more/**"], reason=ALL)]},
    {"calls": [call("run_command", command=f"python -m pytest {LOOKS['github']}")]},
    {"calls": [call("run_tests")]},
    *({"calls": [call("write_file", path="lib/a.py", content=f"KEY = {value!r}\n{value}")]}
      for value in KNOWN.values() if "://" not in value and "x-odd" not in value),
    {"calls": [call("write_file", path="lib/a.py", content=f"KEY = '{MARK}'")]},
    {"calls": [call("write_file", path="lib/a.py", content="KEY = None\n")]},
    {"calls": [call("read_notes", query="")]},
    {"calls": [call("read_file", path=".env")]},
    {"calls": [call("search_files", pattern="anchor")]},
]  # fmt: skip
SCRIPT = {
    "talk": [*TALK, {"calls": [call("submit", summary=ALL)]}],
    "quits": [{"calls": [call("give_up", reason=ALL)]}],
    "silent": [{"text": ALL, "stop": "refusal"}],
    "*": [{"calls": [call("submit", summary=ALL)]}],
}


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A plan, its project and its script; what the user wrote is in a folder of its own."""
    user = tmp_path / "user"
    (user / "project" / "lib").mkdir(parents=True)
    (user / "project" / "lib" / "b.py").write_text("x = 1\n")
    (user / "project" / ".env").write_text(ALL)
    (user / "project" / "show.py").write_text(PRINTS)
    subprocess.run(["git", "init", "-q", str(user / "project")], check=True)
    tasks = [
        {"id": "talk", "writes": ["lib/**"], "test": "python show.py", "instructions": ALL},
        {"id": "listens", "writes": ["b.py"], "depends_on": ["talk"]},
        {"id": "quits", "writes": ["c.py"], "title": "A task"},
        {"id": "silent", "writes": ["d.py"]},
        {"id": "fails", "writes": ["e.py"], "test": "python show.py && false"},
    ]
    plan = {
        "version": 1, "name": "planted", "workspace": "project", "goal": ALL,
        "model": "scripted:script.yaml", "limits": {"workers": 2, "attempts": 1, "turns": 60},
        "defaults": {"role": "implementer"}, "tasks": tasks,
    }  # fmt: skip
    (user / "plan.yaml").write_text(yaml.safe_dump(plan))
    (user / "script.yaml").write_text(yaml.safe_dump(SCRIPT))
    (tmp_path / "tmp").mkdir()
    return tmp_path


OWN = ("plan.yaml", "script.yaml", ".env", "show.py")
"""What the user wrote."""


def command_line(here: Path, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Carry out a real command line with keys in its environment."""
    odd = ("FORCE_COLOR", "COLUMNS", "ORCHESTRATOR_DEBUG")
    kept = {name: value for name, value in os.environ.items() if name not in odd}
    environment = kept | KNOWN | {"TMPDIR": str(here / "tmp")} | more
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *words],
        cwd=here / "user", env=environment, capture_output=True, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_nothing_that_a_run_leaves_behind_holds_a_secret(here: Path) -> None:
    run_dir = here / "run"
    words = ("--into", str(here / "out"), "--run-dir", str(run_dir), "--allow-dirty")
    done = command_line(here, "run", "plan.yaml", *words, "--json")
    assert done.returncode == 1, done.stderr.decode()
    states = {name: task["state"] for name, task in json.loads(done.stdout)["tasks"].items()}
    assert states == {
        "talk": "succeeded", "listens": "succeeded", "quits": "failed", "silent": "failed",
        "fails": "failed",
    }  # fmt: skip
    assert b".env is made to hold secrets" in done.stderr
    said = done.stdout + done.stderr
    for command in (["events"], ["events", "--json"], ["status"], ["status", "--json"], ["replay"]):
        told = command_line(here, command[0], str(run_dir), *command[1:])
        assert told.returncode in (0, 1), told.stderr
        said += told.stdout + told.stderr
    again = command_line(here, "resume", str(run_dir), "--retry-failed")
    assert again.returncode == 1, again.stderr
    said += again.stdout + again.stderr
    assert traces(said) == []
    assert MARK.encode() in said
    assert search(here, leave_out=OWN) == {}
    assert not (here / "out" / ".env").exists()
    assert (here / "out" / "lib" / "a.py").read_text() == "KEY = None\n"
    rows = command_line(here, "events", str(run_dir), "--json").stdout.splitlines()
    kinds = {json.loads(row)["kind"] for row in rows}
    assert kinds >= {"noted", "sent", "ended", "refused", "succeeded"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["-M", "api_key=" + KNOWN["myApiKey"]],
        ["-M", "api_key=rosebud-anchor-only-here"],
        ["-M", "seed=" + LOOKS["anthropic"]],
        ["-M", LOOKS["anthropic"]],
        ["--model", "scripted:" + KNOWN["SHIP_ANCHOR_TOKEN"]],
        ["--mode", LOOKS["github"]],
    ],
)
def test_a_wrong_command_line_is_told_without_secrets(here: Path, words: list[str]) -> None:
    done = command_line(here, "run", "plan.yaml", "--allow-dirty", *words)
    assert done.returncode == 2
    assert traces(done.stdout + done.stderr) == []
    assert b"rosebud-anchor" not in done.stdout + done.stderr
    assert search(here, leave_out=OWN) == {}


class Echo(BaseHTTPRequestHandler):
    """A server that repeats what it was sent, credentials included, and accepts nobody."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Answer."""
        headers = "; ".join(f"{name}: {value}" for name, value in self.headers.items())
        self.asked.append(headers)
        error = {"type": "authentication_error", "message": f"refused: {headers} {ALL}"}
        body = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("request-id", KNOWN["ANTHROPIC_API_KEY"])
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that repeats what it is sent."""
    Echo.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.slow
def test_a_provider_that_echoes_the_key(here: Path, echo: int) -> None:
    address = KNOWN["ANTHROPIC_BASE_URL"].replace(":9", f":{echo}")
    done = command_line(
        here, "run", "plan.yaml", "--model", "anthropic", "--run-dir", str(here / "run"),
        "--allow-dirty", ANTHROPIC_BASE_URL=address,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr.decode()
    assert traces("\n".join(Echo.asked).encode()) != []
    assert b"does not accept the key" in done.stdout
    assert traces(done.stdout + done.stderr) == []
    assert search(here, leave_out=OWN) == {}


@pytest.mark.slow
def test_a_run_whose_test_command_held_a_secret_cannot_be_resumed(here: Path) -> None:
    plan = (here / "user" / "plan.yaml").read_text()
    test = f"python show.py {LOOKS['github']} && false"
    changed = plan.replace("python show.py && false", test)
    assert changed != plan
    (here / "user" / "plan.yaml").write_text(changed)
    run_dir = str(here / "run")
    done = command_line(here, "run", "plan.yaml", "--allow-dirty", "--run-dir", run_dir)
    assert done.returncode == 1
    again = command_line(here, "resume", run_dir, "--retry-failed")
    assert again.returncode == 2
    assert b"the test of task fails held a secret" in again.stderr
    assert traces(done.stdout + done.stderr + again.stdout + again.stderr) == []
    assert search(here, leave_out=OWN) == {}


# --- in process -------------------------------------------------------------------------------


def one_task(**more: Any) -> Plan:
    return Plan(name="p", tasks=(Task(id="a", **more),), limits=Limits(workers=1, attempts=1))


@pytest.mark.usefixtures("planted")
def test_a_task_function_that_crashes_with_a_secret(tmp_path: Path) -> None:
    def crash(context: Context) -> None:
        raise RuntimeError(ALL)

    result = run(one_task(), work=crash, run_dir=tmp_path / "run")
    assert result.status == "failed"
    assert traces(repr(result.tasks).encode()) == []
    assert MARK in repr(result.tasks)
    assert search(tmp_path) == {}


@pytest.mark.usefixtures("planted")
def test_a_worker_that_dies_with_a_secret(tmp_path: Path) -> None:
    def die(context: Context) -> None:
        raise SystemExit(ALL)

    run(one_task(), work=die, run_dir=tmp_path / "run")
    assert search(tmp_path) == {}


@pytest.mark.usefixtures("planted")
def test_what_others_are_told_and_what_listeners_see(tmp_path: Path) -> None:
    heard: list[str] = []
    told: list[str] = []

    def work(context: Context) -> None:
        if context.task.id == "a":
            context.send("task:b", "note", ALL)
            context.note(ALL, ALL)
        else:
            context.report()
            told.extend(mail.text for mail in context.take_mail())

    plan = Plan(
        name="p",
        tasks=(Task(id="a"), Task(id="b", depends_on=("a",))),
        limits=Limits(workers=1),
    )
    run(plan, work=work, run_dir=tmp_path / "run", listeners=[lambda e: heard.append(repr(e))])
    assert len(told) == 1
    assert traces("".join([*heard, *told]).encode()) == []
    assert search(tmp_path) == {}


@pytest.mark.parametrize(
    "error",
    [RuntimeError(ALL), UsageError(ALL, ALL, ALL, ALL), click.UsageError(ALL), InternalError("x")],
)
@pytest.mark.parametrize("debug", ["", "1"])
@pytest.mark.usefixtures("planted")
def test_whatever_ends_a_command_is_told_without_secrets(
    error: Exception,
    debug: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_DEBUG", debug)

    def command() -> int:
        raise error from ValueError(ALL + "rosebud-anchor-only-here")

    words = ["run", "-M", "api_key=rosebud-anchor-only-here"]
    assert guarded(command, Session(tmp_path, words)) == getattr(error, "exit_code", 4)
    said = "".join(capsys.readouterr())
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert MARK in said
    assert "rosebud-anchor" not in said + kept.decode()
    assert traces(said.encode() + kept) == []


Requests = list[dict[str, Any]]


def answering(requests: Requests) -> Callable[[httpx2.Request], httpx2.Response]:
    """Return a provider that notes what it is asked: it reads three files, then gives up."""
    reads = [("read_file", {"path": name}) for name in ("own.py", ".env", "looks.py")]
    calls = iter([*reads, ("run_tests", {}), ("give_up", {"reason": ALL})])

    def handle(request: httpx2.Request) -> httpx2.Response:
        requests.append(json.loads(request.content))
        name, given = next(calls)
        block = {"type": "tool_use", "id": f"t{len(requests)}", "name": name, "input": given}
        usage = {"input_tokens": 1, "output_tokens": 1}
        return httpx2.Response(200, json={
            "id": "m", "type": "message", "role": "assistant", "model": "served",
            "content": [{"type": "text", "text": "Going on."}, block],
            "stop_reason": "tool_use", "stop_sequence": None, "usage": usage,
        })  # fmt: skip

    return handle


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
def test_what_a_model_is_told(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    own = f"KEY = {KNOWN['SHIP_ANCHOR_TOKEN']!r}\n"
    looks = f"FAKE = {LOOKS['github']!r}\n"
    for name, text in {"own.py": own, ".env": ALL, "looks.py": looks, "show.py": PRINTS}.items():
        (work / name).write_text(text)
    requests: Requests = []
    transport = httpx2.MockTransport(answering(requests))
    network = httpx2.Client(transport=transport)
    with anthropic.Anthropic(base_url="http://here", http_client=network) as client:
        result = run(
            Plan(
                name="p", goal=ALL, workspace=work,
                tasks=(Task(id="a", role="implementer", instructions=ALL, writes=("a.py",),
                            test="python show.py"),),
                limits=Limits(workers=1, attempts=1),
            ),
            model=AnthropicModel("m", stream=False, client=client), run_dir=tmp_path / "run",
        )  # fmt: skip
    assert result.tasks["a"].state == "failed"
    assert len(requests) == 5
    told = json.dumps(requests, ensure_ascii=False)
    assert "FAKE" in told
    assert LOOKS["github"] in told  # the user's own text, which an agent must be able to edit
    assert traces(told.replace(LOOKS["github"], "").encode()) == []
    assert search(tmp_path / "run") == {}
    assert (work / "own.py").read_text() == own


@pytest.mark.usefixtures("planted")
def test_a_file_of_the_users_own_stays_as_it_is(tmp_path: Path) -> None:
    """What was there may be edited; only bringing a secret in, or losing one, is refused."""
    work = tmp_path / "work"
    work.mkdir()
    secret = KNOWN["SHIP_ANCHOR_TOKEN"]
    (work / "a.py").write_text(f"KEY = {secret!r}\nx = 1\n")
    (work / "plain.py").write_text("x = 1\n")
    turns = [
        ("read_file", {"path": "a.py"}),
        ("write_file", {"path": "a.py", "content": f"KEY = {MARK!r}\nx = 2\n"}),
        ("edit_file", {"path": "a.py", "old": "x = 1", "new": "x = 2"}),
        ("edit_file", {"path": "plain.py", "old": "x = 1", "new": f"x = {secret!r}"}),
        ("submit", {"summary": "done"}),
    ]
    script = tmp_path / "script.yaml"
    script.write_text(
        yaml.safe_dump({"a": [{"calls": [call(name, **given)]} for name, given in turns]})
    )
    plan = Plan(
        name="p", workspace=work,
        tasks=(Task(id="a", role="implementer", writes=("*.py",)),),
        limits=Limits(workers=1, attempts=1),
    )  # fmt: skip
    model = ScriptedModel.from_options(str(script), {}, tmp_path)
    result = run(plan, model=model, run_dir=tmp_path / "run")
    assert result.status == "succeeded"
    assert (work / "a.py").read_text() == f"KEY = {secret!r}\nx = 2\n"
    assert (work / "plain.py").read_text() == "x = 1\n"


@pytest.mark.usefixtures("planted")
def test_a_command_has_no_secret_in_its_environment(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    seen: list[str] = []

    def look(context: Context) -> None:
        seen.append(context.run(["env"]).result.output)

    run(
        Plan(name="p", workspace=work, tasks=(Task(id="a", writes=("a",)),),
             limits=Limits(workers=1)),
        work=look, run_dir=tmp_path / "run",
    )  # fmt: skip
    assert "HOME=" in seen[0]
    assert traces(seen[0].encode()) == []
    assert not any(f"{name}=" in seen[0] for name in KNOWN)
