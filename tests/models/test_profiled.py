"""The agent with behaviours, as a function of what it has been told."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from orchestrator.errors import ModelError
from orchestrator.models.base import Briefing, Exchange, ToolCall, ToolResult, ToolSpec, Turn
from orchestrator.models.behaviour import Behaviour, Profile
from orchestrator.models.cost import FREE, asks_no_provider
from orchestrator.models.profiled import ProfiledOracle
from orchestrator.runtime.watching import Watch

TOOLS = (
    *("read_file", "write_file", "edit_file", "run_tests", "submit", "give_up"),
    "send_message",
)
ALPHA = "def area(width, height):\n    return width * height\n"
OLD_ALPHA = "def area(width, height_v0):\n    raise NotImplementedError\n"
BETA = "from alpha import area\n\n\ndef volume(w, h, d):\n    return area(w, h) * d\n"
OLD_BETA = BETA.replace("(w, h) *", "(w, height_v0=h) *")
GAMMA = "from beta import volume\n\nX = volume(1, 2, 3)\n"
SOLUTION = {"alpha.py": ALPHA, "beta.py": BETA, "gamma.py": GAMMA}


@dataclass
class Tree:
    """Files that others change, too, and the tools over them."""

    files: dict[str, str]
    verdicts: list[bool] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    refused: tuple[str, ...] = ()
    history: list[Exchange] = field(default_factory=list)

    def use(self, call: ToolCall) -> ToolResult:
        path = str(call.input.get("path", ""))
        self.log.append(f"{call.name} {path}".strip())
        if self.log[-1] in self.refused:
            return ToolResult(call.id, "Refused: it is outside of your files.", True)
        text = "Done."
        if call.name == "read_file":
            if path not in self.files:
                return ToolResult(call.id, "no such file", True)
            count = len(self.files[path].splitlines())
            text = f"{path} (version 3, lines 1-{count} of {count}):\n{self.files[path]}"
        elif call.name == "write_file":
            self.files[path] = str(call.input["content"])
        elif call.name == "edit_file":
            old, new = str(call.input["old"]), str(call.input["new"])
            assert self.files[path].count(old) == 1
            self.files[path] = self.files[path].replace(old, new)
        elif call.name == "run_tests":
            text = "PASSED" if not self.verdicts or self.verdicts.pop(0) else "FAILED 1"
        return ToolResult(call.id, text)

    def tell(self, notice: str) -> None:
        """Append to what the agent is told after its last turn."""
        last = self.history[-1]
        self.history[-1] = Exchange(last.turn, last.results, notice)


def oracle(folder: Path, seed: int = 1, **figures: float) -> ProfiledOracle:
    (folder / "solution").mkdir(exist_ok=True)
    for path, text in SOLUTION.items():
        (folder / "solution" / path).write_text(text)
    behaviour = Behaviour(**figures)  # type: ignore[arg-type]
    return ProfiledOracle(folder / "solution", Profile("t", behaviour, {}), seed=seed)


def briefing(
    files: Iterable[str] = ("beta.py",), tools: Iterable[str] = TOOLS, task: str = "beta"
) -> Briefing:
    return Briefing(
        task=task,
        attempt=1,
        seed=1,
        system="You are an agent.",
        opening="Write beta.",
        tools=tuple(ToolSpec(name, "", {"type": "object"}) for name in tools),
        files=tuple(files),
        allows=lambda path: path == "beta.py",
    )


def turn(model: ProfiledOracle, tree: Tree, brief: Briefing | None = None) -> Turn:
    """Let the agent take one turn; asked twice, it says the same."""
    brief = brief or briefing()
    taken = model.next_turn(brief, tree.history, threading.Event())
    assert model.next_turn(brief, tree.history, threading.Event()) == taken
    tree.history.append(Exchange(taken, tuple(tree.use(call) for call in taken.calls)))
    return taken


def play(model: ProfiledOracle, tree: Tree, brief: Briefing | None = None) -> list[str]:
    """Let the agent work to its end and return the calls of its turns."""
    for _ in range(99):
        done = turn(model, tree, brief)
        if not done.calls or done.calls[-1].name in ("submit", "give_up"):
            return tree.log
    raise AssertionError(f"no end: {tree.log}")


def start(**others: str) -> dict[str, str]:
    return {"alpha.py": OLD_ALPHA, "beta.py": "", **others}


def test_it_reads_what_it_uses_and_writes_against_it(tmp_path: Path) -> None:
    tree = Tree(start())
    assert play(oracle(tmp_path), tree) == [
        *("read_file alpha.py", "read_file beta.py"),
        *("write_file beta.py", "run_tests", "submit"),
    ]
    assert tree.files["beta.py"] == OLD_BETA


def test_what_it_has_not_read_it_writes_as_in_the_reference(tmp_path: Path) -> None:
    tree = Tree(start())
    assert "read_file alpha.py" not in play(oracle(tmp_path, reads=0.0), tree)
    assert tree.files["beta.py"] == BETA


def test_a_refused_read_is_not_repeated(tmp_path: Path) -> None:
    tree = Tree(start(), verdicts=[False, False], refused=("read_file alpha.py",))
    log = play(oracle(tmp_path), tree)
    assert log.count("read_file alpha.py") == 1
    assert tree.files["beta.py"] == BETA


def test_after_red_tests_it_looks_again_and_writes_anew(tmp_path: Path) -> None:
    tree = Tree(start(), verdicts=[False])
    model = oracle(tmp_path)
    for _ in range(2):
        turn(model, tree)
    tree.files["alpha.py"] = ALPHA
    assert play(model, tree)[3:] == [
        *("run_tests", "read_file alpha.py", "read_file beta.py"),
        *("write_file beta.py", "run_tests", "submit"),
    ]
    assert tree.files["beta.py"] == BETA


def test_what_others_have_taken_out_of_its_file_it_writes_again(tmp_path: Path) -> None:
    tree = Tree(start(), verdicts=[False])
    model = oracle(tmp_path)
    for _ in range(2):
        turn(model, tree)
    tree.files.update({"alpha.py": ALPHA, "beta.py": ""})
    play(model, tree)
    assert tree.files["beta.py"] == BETA


def test_who_is_told_of_a_change_looks_and_writes_anew(tmp_path: Path) -> None:
    tree = Tree(start())
    model = oracle(tmp_path)
    for _ in range(3):
        turn(model, tree)
    tree.files["alpha.py"] = ALPHA
    tree.tell("alpha.py was changed by task alpha since you read it. Read it again if it matters.")
    assert play(model, tree)[4:] == [
        *("read_file alpha.py", "write_file beta.py", "run_tests", "submit")
    ]
    assert tree.files["beta.py"] == BETA


def test_who_is_not_told_submits_what_was_written(tmp_path: Path) -> None:
    tree = Tree(start())
    model = oracle(tmp_path)
    for _ in range(2):
        turn(model, tree)
    tree.files["alpha.py"] = ALPHA
    play(model, tree)
    assert tree.files["beta.py"] == OLD_BETA


def test_it_gives_up_when_nothing_it_reads_says_why(tmp_path: Path) -> None:
    tree = Tree(start(), verdicts=[False] * 9)
    log = play(oracle(tmp_path, patience=2), tree)
    assert log.count("run_tests") == 2
    assert log[-1] == "give_up"


def test_a_draft_has_provisional_signatures_until_the_tests_have_run(tmp_path: Path) -> None:
    tree = Tree(start(**{"alpha.py": ALPHA}))
    model = oracle(tmp_path, drafts=1.0)
    for _ in range(2):
        turn(model, tree)
    assert "def volume(w, h, d_v0):\n    d = d_v0\n" in tree.files["beta.py"]
    assert play(model, tree)[3:] == ["run_tests", "write_file beta.py", "run_tests", "submit"]
    assert tree.files["beta.py"] == BETA


def test_a_mistake_stays_until_the_tests_are_red(tmp_path: Path) -> None:
    caught, missed = Tree(start(**{"alpha.py": ALPHA}), verdicts=[False]), Tree({"alpha.py": ALPHA})
    play(oracle(tmp_path, mistakes=1.0), caught)
    assert caught.files["beta.py"] == BETA
    play(oracle(tmp_path, mistakes=1.0), missed, briefing(files=()))
    assert missed.files["beta.py"] != BETA


def test_the_same_mistake_again_and_again(tmp_path: Path) -> None:
    tree = Tree(start(), verdicts=[False] * 99)
    log = play(oracle(tmp_path, mistakes=1.0, repeats=1.0), tree)
    assert log.count("write_file beta.py") >= 20
    assert log[-1] == "give_up"
    wrong = {
        str(call.input["content"])
        for exchange in tree.history[:30]
        for call in exchange.turn.calls
        if call.name == "write_file"
    }
    assert len(wrong) == 1
    watch = Watch(repeats=3, unchanged=4)
    for _ in range(8):
        watch.tested(False, "FAILED 1")
    assert "8 times in a row" in watch.stuck()  # long before the agent itself gives up


@pytest.mark.parametrize("refused", [(), ("write_file alpha.py",)])
def test_it_writes_a_neighbours_file_back_as_it_was_read(
    tmp_path: Path, refused: tuple[str, ...]
) -> None:
    tree = Tree(start(), refused=refused)
    model = oracle(tmp_path, oversteps=1.0)
    turn(model, tree)
    tree.files["alpha.py"] = ALPHA
    log = play(model, tree)
    assert log[2:] == ["write_file beta.py", "write_file alpha.py", "run_tests", "submit"]
    assert tree.files["alpha.py"] == (ALPHA if refused else f"{OLD_ALPHA}# checked by beta\n")


def test_a_message_of_so_many_words(tmp_path: Path) -> None:
    tree = Tree(start())
    play(oracle(tmp_path, messages=1.0, words=90), tree)
    [sent] = [
        call for entry in tree.history for call in entry.turn.calls if call.name == "send_message"
    ]
    assert sent.input["to"] == "all"
    assert len(str(sent.input["text"]).split()) == 90
    assert "beta.py" in str(sent.input["text"])


@pytest.mark.parametrize("rewrites", [0.0, 1.0])
def test_a_shared_file_is_edited_or_written_whole(tmp_path: Path, rewrites: float) -> None:
    text = "# region: x\n# endregion: x\n# region: beta\n# endregion: beta\n"
    done = text.replace("# region: beta\n", "# region: beta\nB = 1\n")
    model = oracle(tmp_path, rewrites=rewrites)
    (tmp_path / "solution/beta.py").write_text(done)
    tree = Tree({"beta.py": text})
    assert f"{'write' if rewrites else 'edit'}_file beta.py" in play(model, tree)
    assert tree.files["beta.py"] == done


def test_probabilities_are_kept_over_seeds(tmp_path: Path) -> None:
    model = oracle(tmp_path, oversteps=0.3)
    happened = [
        model.happens(briefing(task=f"t{number}"), "overstep", 0.3) for number in range(2000)
    ]
    assert 0.26 < sum(happened) / len(happened) < 0.34


def test_tokens_are_counted_by_length_and_what_was_sent_is_cached(tmp_path: Path) -> None:
    tree = Tree(start())
    model = oracle(tmp_path, verbosity=2.0)
    play(model, tree)
    usages = [exchange.turn.usage for exchange in tree.history]
    assert usages[0].cache_read == 0
    for before, after in pairwise(usages):
        prompt = before.input + before.cache_read
        assert prompt - 1 <= after.cache_read <= prompt
    single = oracle(tmp_path).next_turn(briefing(), (), threading.Event())
    assert usages[0].output == 2 * single.usage.output


def test_prices_are_those_of_the_named_model(tmp_path: Path) -> None:
    free = oracle(tmp_path)
    assert free.price is FREE
    priced = ProfiledOracle(
        tmp_path / "solution", Profile("t", Behaviour(price="claude-sonnet-5-5"), {})
    )
    assert priced.price is not None
    assert priced.price.input == 2
    assert asks_no_provider(priced)


class Clock:
    """An interrupt that notes how long it was waited on."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return False


def test_time_is_lognormal_and_grows_with_what_is_written(tmp_path: Path) -> None:
    clock = Clock()
    model = oracle(tmp_path, thinking=6.0, spread=1.0)
    for number in range(200):
        model.next_turn(briefing(task=f"t{number}"), (), clock)
    median = sorted(clock.waited)[100]
    assert 4.6 < median < 7.8
    assert sorted(clock.waited)[180] > 2.5 * median
    writing = Clock()
    tree = Tree(start())
    slow = oracle(tmp_path, speed=10.0)
    turn(slow, tree)
    slow.next_turn(briefing(), tree.history, writing)
    assert writing.waited == [pytest.approx(10.0 * (len(OLD_BETA) + len("beta.py")) / 1000)]


def test_a_failure_of_the_provider_passes(tmp_path: Path) -> None:
    model = oracle(tmp_path, provider_failures=0.6)
    failures: list[ModelError] = []
    for number in range(40):
        for _ in range(100):
            try:
                model.next_turn(briefing(task=f"t{number}"), (), threading.Event())
                break
            except ModelError as failure:
                failures.append(failure)
    assert 30 < len(failures) < 110
    assert all(failure.retryable for failure in failures)


def test_it_works_with_few_tools(tmp_path: Path) -> None:
    few: Mapping[str, tuple[str, ...]] = {
        "write_file beta.py": ("write_file",),
        "edit_file beta.py": ("read_file", "edit_file", "submit"),
    }
    for expected, tools in few.items():
        tree = Tree({"beta.py": "old\n", "alpha.py": ALPHA})
        brief = briefing(tools=tools)
        assert expected in play(oracle(tmp_path, mistakes=1.0, oversteps=1.0), tree, brief)
        assert tree.files["beta.py"] == BETA
