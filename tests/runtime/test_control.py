"""A person's word to a run, live or stopped, from elsewhere."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from orchestrator import Context, Plan, Task, resume
from orchestrator.core.messages import Done, Refused
from orchestrator.core.states import TaskState
from orchestrator.errors import WorkspaceError
from orchestrator.runtime.control import open_tasks, tell
from orchestrator.runtime.run import Run, start, start_again

HELD = (Task(id="a", approval=True), Task(id="b", depends_on=("a",)))


def held_run(tmp_path: Path, control: bool = True) -> Run:
    plan = Plan(name="held", tasks=HELD)
    return start(plan, work=lambda c: None, run_dir=tmp_path / "run", control=control)


def test_a_live_run_hears_an_approval(tmp_path: Path) -> None:
    live = held_run(tmp_path)
    assert tell(live.folder, "approve", "a", "me") == Done()
    result = live.wait()
    assert result.status == "succeeded"
    assert not live.folder.control.exists()


def test_a_live_run_hears_a_rejection_and_refuses_nonsense(tmp_path: Path) -> None:
    live = held_run(tmp_path)
    unknown = tell(live.folder, "approve", "aa")
    assert isinstance(unknown, Refused)
    assert "no task 'aa'" in unknown.why
    assert isinstance(tell(live.folder, "retry", "a"), Refused)
    assert tell(live.folder, "reject", "a", "too risky") == Done()
    result = live.wait()
    assert result.tasks["a"].reason == "rejected: too risky"
    assert result.tasks["b"].state is TaskState.SKIPPED


def test_a_live_run_ends_a_running_task_on_cancel(tmp_path: Path) -> None:
    begun = threading.Event()

    def work(context: Context) -> None:
        begun.set()
        assert context.interrupt.wait(20)

    plan = Plan(name="p", tasks=(Task(id="a"),))
    live = start(plan, work=work, run_dir=tmp_path / "run", control=True)
    assert begun.wait(20)
    assert open_tasks(live.folder) == ["a"]
    assert tell(live.folder, "cancel", "a", "enough") == Done()
    assert live.wait().tasks["a"].state is TaskState.CANCELLED


@pytest.mark.parametrize(("word", "state"), [("approve", "succeeded"), ("reject", "skipped")])
def test_a_stopped_run_finds_the_word_when_it_is_resumed(
    tmp_path: Path, word: str, state: str
) -> None:
    live = held_run(tmp_path)
    live.halt()
    live.wait()
    assert tell(live.folder, word, "a") == Done()
    assert isinstance(tell(live.folder, word, "a"), Refused)
    result = resume(live.folder.path, work=lambda c: None)
    assert result.tasks["a"].state == state


def test_a_run_that_lives_elsewhere_is_not_gone_on_with(tmp_path: Path) -> None:
    live = held_run(tmp_path, control=False)
    with pytest.raises(WorkspaceError, match="still going on"):
        start_again(live.folder.path, work=lambda c: None)
    with pytest.raises(WorkspaceError, match="still going on"):
        tell(live.folder, "approve", "a")
    live.halt()
    assert live.wait().status == "interrupted"


def test_rubbish_on_the_socket_disturbs_nobody(tmp_path: Path) -> None:
    import json
    import socket

    live = held_run(tmp_path)
    place = json.loads(live.folder.control.read_text())["socket"]
    for rubbish in (b"\n", b"{}\n", b"\xff\n", b'{"word": "fly", "task": "a", "why": ""}\n'):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(place)
            connection.sendall(rubbish)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(10) == b""
    assert tell(live.folder, "approve", "a") == Done()
    assert live.wait().status == "succeeded"
