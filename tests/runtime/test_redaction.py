"""Requests, rows and headers without secrets; files that are not versions."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.encoding import encode
from orchestrator.core.events import KINDS, Event
from orchestrator.core.messages import (
    Approve,
    Cancel,
    Claim,
    GiveUp,
    Halt,
    Lost,
    Note,
    Overstep,
    Refused,
    Reject,
    Renew,
    Report,
    Request,
    Send,
    Split,
    Submit,
    Tick,
    Widen,
    Write,
)
from orchestrator.core.task import Task
from orchestrator.runtime.blobs import BlobStore
from orchestrator.runtime.eventlog import SqliteLog
from orchestrator.runtime.header import Header, pack, unpack
from orchestrator.runtime.redaction import (
    _ROW_TEXT,
    admit,
    clean_header,
    clean_row,
    lost_with_secrets,
    make_redactor,
    options_among,
)
from orchestrator.runtime.scan import named_plainly, scan_tree, withheld_notice
from orchestrator.secrets import MARK, Redactor

KNOWN = "quartz-lantern-7"
LOOK = "sk-ant-" + "a1B2" * 10
REDACTOR = Redactor([KNOWN])
SAID = f"first {KNOWN}, then {LOOK}."
CLEAN = f"first {MARK}, then {MARK}."


@pytest.mark.parametrize(
    "make",
    [
        lambda text: Report(1, detail=text),
        lambda text: Submit(1, summary=text),
        lambda text: GiveUp(1, "error", text),
        lambda text: Widen(1, ("a",), text),
        lambda text: Send(1, "all", "note", text),
        lambda text: Note(1, text, text),
        lambda text: Overstep(1, text, text, text, text),
        lambda text: Split(1, (Task(id="a", title=text, instructions=text, test=text),)),
        lambda text: Approve("a", text),
        lambda text: Reject("a", text),
        lambda text: Cancel("a", text),
        lambda text: Lost("w1", text),
        lambda text: Halt(text),
    ],
)
def test_texts_of_requests(make: Any) -> None:
    assert admit(make(SAID), REDACTOR) == make(CLEAN)
    assert admit(make("harmless"), REDACTOR) == make("harmless")


@pytest.mark.parametrize("request_", [Claim("w"), Renew(1), Write(1, "a", 0, "d"), Tick()])
def test_requests_without_texts_pass_untouched(request_: Request) -> None:
    assert admit(request_, REDACTOR) is request_


@pytest.mark.parametrize(
    "request_",
    [
        Widen(1, (f"src/{KNOWN}/**",)),
        Send(1, f"task:{KNOWN}", "note", "x"),
        Split(1, (Task(id=KNOWN),)),
        Split(1, (Task(id="a", writes=(f"{KNOWN}.py",)),)),
    ],
)
def test_a_name_with_a_known_secret_is_refused(request_: Request) -> None:
    refusal = admit(request_, REDACTOR)
    assert isinstance(refusal, Refused)
    assert refusal.fix
    assert KNOWN not in str(refusal)


NAMES = {"token", "worker", "by", "path", "number", "digest", "base", "reads", "rebased", "globs",
         "expects", "cut", "evidence", "phase", "turn", "spent", "transcript", "commands",
         "waited", "limits"}  # fmt: skip
"""Fields of events that are numbers, digests, or names that the state hangs on."""


def row(kind: str, **body: Any) -> tuple[float, str, str, int, str]:
    return (1.0, kind, "a", 1, json.dumps(body))


@pytest.mark.parametrize(
    ("kind", "body", "clean"),
    [
        ("ended", {"reason": SAID, "token": 1}, {"reason": CLEAN, "token": 1}),
        ("noted", {"title": "t", "text": SAID}, {"title": "t", "text": CLEAN}),
        ("sent", {"to": f"task:{LOOK}", "text": SAID}, {"to": f"task:{LOOK}", "text": CLEAN}),
        ("refused", {"why": SAID, "path": SAID}, {"why": CLEAN, "path": CLEAN}),
        ("reported", {"detail": SAID, "token": 1}, {"detail": CLEAN, "token": 1}),
        ("succeeded", {"summary": SAID}, {"summary": CLEAN}),
        (
            "added",
            {"tasks": [{"id": "b", "title": SAID, "writes": [LOOK]}]},
            {"tasks": [{"id": "b", "title": CLEAN, "writes": [LOOK]}]},
        ),
        ("of a later version", {"text": SAID}, {"text": CLEAN}),
    ],
)
def test_texts_of_rows(kind: str, body: dict[str, Any], clean: dict[str, Any]) -> None:
    found = clean_row(row(kind, **body), REDACTOR)
    assert found[:4] == (1.0, kind, "a", 1)
    assert json.loads(found[4]) == clean


@pytest.mark.parametrize("kind", [kind for kind, text in _ROW_TEXT.items() if not text])
def test_rows_that_pass_unseen_have_names_only(kind: str) -> None:
    """A field for text in such a kind would get past: whoever adds one must add it there."""
    own = set(KINDS[kind].__dataclass_fields__) - {"at", "task", "attempt"}
    assert own <= NAMES, own - NAMES


@pytest.mark.parametrize(("kind", "text"), [(k, t.strip('":')) for k, t in _ROW_TEXT.items() if t])
def test_rows_are_looked_at_where_their_text_begins(kind: str, text: str) -> None:
    own = list(KINDS[kind].__dataclass_fields__)[3:]
    assert set(own) - {text} <= NAMES
    assert own.count(text) == 1


def test_a_row_without_secrets_is_the_same_object() -> None:
    events: list[Event] = [
        KINDS["granted"](1.0, "a", 1, 1, "w1"),
        KINDS["noted"](1.0, "a", 1, 1, "t", "x"),
    ]
    for one in map(encode, events):
        assert clean_row(one, REDACTOR) is one


def test_a_log_holds_no_secret(tmp_path: Path) -> None:
    header = {"goal": SAID, "options": {"api_key": "short", "seed": "1"}, "workspace": f"/{KNOWN}"}
    path = tmp_path / "events.db"
    log = SqliteLog.create(path, header, "normal", REDACTOR)
    log.append([row("noted", text=SAID)] * 100)
    log.append([row("ended", reason=SAID)])
    log.close()
    log = SqliteLog.open(path, "normal", REDACTOR)
    log.append([row("cancelled", why=SAID)])
    assert dict(log.header) == {
        "goal": CLEAN, "options": {"api_key": MARK, "seed": "1"}, "workspace": f"/{KNOWN}",
        "format": 1,
    }  # fmt: skip
    assert {record.body for record in log.read()} == {
        json.dumps({name: CLEAN}, separators=(",", ":")) for name in ("text", "reason", "why")
    }
    log.close()
    assert LOOK.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())


def test_a_header_keeps_what_the_run_hangs_on() -> None:
    header = Header(
        run="r", name="n", goal=SAID, workspace=f"/home/{LOOK}", base=f"/{LOOK}",
        options={"api_key": KNOWN, "x": "1"},
        tasks=(
            Task(id=LOOK, instructions=SAID, writes=(LOOK,), test=f"KEY={KNOWN} pytest"),
            Task(id="b"),
        ),
    )  # fmt: skip
    values = json.loads(json.dumps(clean_header(pack(header), REDACTOR)))
    back = unpack(values)
    assert (back.workspace, back.base) == (header.workspace, header.base)
    assert back.goal == CLEAN
    assert back.options == {"api_key": MARK, "x": "1"}
    first = back.tasks[0]
    assert (first.id, first.writes, first.instructions) == (LOOK, (LOOK,), CLEAN)
    assert first.test == f"KEY={MARK} pytest"
    assert lost_with_secrets(values) == ["option api_key", f"the test of task {LOOK}"]
    assert lost_with_secrets(pack(Header(run="r", name="n"))) == []


def test_transcripts_become_blobs_without_secrets(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path, durable=False, redactor=REDACTOR)
    kept = blobs.get(blobs.put_json(json.dumps({"text": SAID, "n": 1})))
    assert json.loads(kept) == {"text": CLEAN, "n": 1}
    assert blobs.get(blobs.put(SAID.encode())) == SAID.encode()  # a file stays as it is


def test_what_a_process_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = tmp_path / "agent-socket"
    socket.touch()
    monkeypatch.setenv("ODD_TOKEN", KNOWN)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
    redactor = make_redactor({"api_key": "from-an-option", "seed": "12345678"})
    said = f"{KNOWN} {socket} from-an-option 12345678"
    assert redactor.text(said) == f"{MARK} {socket} {MARK} 12345678"
    monkeypatch.delenv("ODD_TOKEN")
    assert make_redactor().text(KNOWN) == KNOWN


def test_options_among_words() -> None:
    words = ["run", "-M", "api_key=a=b", "-Mtoken=c", "--password=d", "plan.yaml"]
    assert options_among(words) == {"api_key": "a=b", "token": "c", "password": "d"}


@pytest.mark.parametrize("git", [True, False])
def test_files_of_secrets_are_no_versions(tmp_path: Path, git: bool) -> None:
    for name in (".env", "app/.env.local", "id_rsa", ".env.example", "a.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    if git:
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
        subprocess.run(["git", "-C", str(tmp_path), "add", ".env"], check=True)
    scan = scan_tree(tmp_path)
    assert ".env.example" in scan.files
    assert "a.py" in scan.files
    assert not {".env", "app/.env.local", "id_rsa"} & {*scan.files, *scan.links}
    if git:
        assert scan.withheld == [".env", "app/.env.local", "id_rsa"]
        assert ".env" in scan_tree(tmp_path, named={".env"}).files


def test_what_a_plan_names_plainly() -> None:
    tasks = (Task(id="a", writes=("src/*.py",)), Task(id="b", reads=("**", ".env"), writes=("x",)))
    assert named_plainly(tasks) == {".env", "x"}
    assert withheld_notice([]) == ()
    assert ".env" in withheld_notice([".env"])[0]
