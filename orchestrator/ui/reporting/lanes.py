"""Swim lanes: a lane per worker with its attempts, phases, waits, refusals and messages.

Times are given in per cent of the run, so the page may make the picture wider to look closer
without drawing it again; names are cut to the bars' widths by the page's script, and here for a
page without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestrator.core.states import TaskState
from orchestrator.ui.lines import CAUSES
from orchestrator.ui.reporting.markup import Markup, join, number, tag
from orchestrator.ui.reporting.scales import time_ticks
from orchestrator.ui.reporting.story import Attempt, Blocking, Mark, Story, Wait
from orchestrator.ui.words import clock, count, duration, listed, one_line

LANE = 40
_BAR, _TOP, _BLOCK = 24, 26, 20
_NARROWEST = 0.0006  # share of the run; shorter phases are drawn as part of their neighbour
_PIXELS = 1000  # width for which names are cut here
_MOST_ROWS = 14  # rows of tasks that wait for files
_MOST_MESSAGES = 40  # messages whose lines are drawn
_DENSE = 300  # attempts from which on bars are drawn without gaps

_SYMBOLS: Mapping[str, str] = {
    "stale": "M0,-5 L5,0 L0,5 L-5,0Z",
    "scope": "M0,-5 L5,4 L-5,4Z",
    "refused": "M0,-5 L5,4 L-5,4Z",
    "merged": "M-3.5,-3.5 H3.5 V3.5 H-3.5Z",
    "tests_failed": "M-4,-4 L4,4 M4,-4 L-4,4",
    "sent": "M-4,0 A4,4 0 1 1 4,0 A4,4 0 1 1 -4,0Z",
    "noted": "M-4,0 A4,4 0 1 1 4,0 A4,4 0 1 1 -4,0Z",
}
MARKS: Mapping[str, str] = {
    "tests_failed": "tests failed",
    "stale": "stale write refused",
    "merged": "write merged with others' changes",
    "scope": "refused: outside the scope",
    "refused": "refused",
    "sent": "message",
    "noted": "note",
}
"""What the marks of a lane mean."""


def draw_lanes(story: Story, index: Mapping[str, int]) -> Markup:
    """Return the lanes of a run: names on the left, the picture on the right.

    Args:
        index: task to its number on the page.
    """
    frame = _Frame(story, index)
    height = _TOP + LANE * len(story.workers) + 4
    lanes = [_lane(frame, number, worker) for number, worker in enumerate(story.workers)]
    picture = tag(
        "svg",
        _patterns(),
        _grid(frame, height),
        join(lanes),
        _messages(frame),
        _curtain(_TOP),
        tag("line", class_="now", id="now", x1="100%", x2="100%", y1=_TOP - 6, y2=height),
        width="100%", height=height, class_=f"lanes{_dense(story)}", role="group",
        aria_label=f"Swim lanes of {count(len(story.workers), 'worker')}; arrow keys move between "
        "attempts, Enter opens a task",
    )  # fmt: skip
    waiting = _waiting(frame)
    names = [_name(story, worker) for worker in story.workers]
    if waiting:
        names.append(tag("div", tag("b", "waiting for files"), class_="lane-name waits"))
    play = tag("div", tag("button", "▶ Replay", id="play", type="button"), class_="play")
    slider = tag("input", type="range", id="time", min="0", max="1000", value="1000", step="1",
                 aria_label="Time in the run", class_="slider")  # fmt: skip
    plot = tag("div", tag("div", picture, waiting, id="plot", class_="plot"), class_="plot-scroll",
               id="plot-scroll")  # fmt: skip
    left = tag("div", join(names), class_="lane-names")
    return tag("div", play, slider, left, plot, class_="lanes-box")


def _curtain(top: float) -> Markup:
    """What covers all that is later than the time of the slider."""
    return tag("rect", class_="curtain", x="100%", y=top, width="100%", height="100%")


def _dense(story: Story) -> str:
    return " dense" if len(story.attempts) > _DENSE else ""


def legend(story: Story) -> Markup:
    """Return what colours and marks mean, for those that are there."""
    kinds = {mark.kind for attempt in story.attempts for mark in attempt.marks}
    phases = [("ph-reason", "reason"), ("ph-write", "write"), ("ph-test", "test")]
    parts = [tag("span", _box(kind), words, class_="key") for kind, words in phases]
    if any(not attempt.accepted for attempt in story.attempts):
        parts.append(tag("span", _box("edge-lost"), "attempt not accepted", class_="key"))
    if story.blockings or any(attempt.waits for attempt in story.attempts):
        parts.append(tag("span", _box("hatched"), "waiting", class_="key"))
    for kind, words in MARKS.items():
        if kind in kinds:
            symbol = tag("path", d=_SYMBOLS[kind], transform="translate(8 7)", class_=f"m-{kind}")
            icon = tag("svg", symbol, width=16, height=14, aria_hidden="true")
            parts.append(tag("span", icon, words, class_="key"))
    return tag("p", join(parts), class_="legend")


def _box(kind: str) -> Markup:
    rect = tag("rect", x=1, y=1, width=14, height=11, rx=2, class_=kind)
    return tag("svg", rect, width=16, height=13, aria_hidden="true")


class _Frame:
    """From times to per cent of the picture's width."""

    def __init__(self, story: Story, index: Mapping[str, int]) -> None:
        self.story, self.index = story, index
        self.lane = {worker: number for number, worker in enumerate(story.workers)}
        self.whole = (story.end - story.begin) or 1.0

    def share(self, seconds: float) -> float:
        return seconds / self.whole

    def x(self, at: float) -> str:
        return f"{100 * self.share(at - self.story.begin):.3f}%"

    def wide(self, begin: float, end: float) -> str:
        return f"{100 * self.share(end - begin):.3f}%"

    def middle(self, worker: str) -> float:
        return _TOP + LANE * self.lane[worker] + LANE / 2


# --- lanes ----------------------------------------------------------------------------------------


def _patterns() -> Markup:
    stripe = tag("path", d="M-2,2 L2,-2 M0,8 L8,0 M6,10 L10,6", class_="stripe")
    pattern = tag("pattern", stripe, id="hatch", width=8, height=8, patternUnits="userSpaceOnUse")
    return tag("defs", pattern)


def _grid(frame: _Frame, height: float) -> Markup:
    parts = []
    for second in time_ticks(frame.whole):
        x = frame.x(second + frame.story.begin)
        parts.append(tag("line", x1=x, x2=x, y1=_TOP - 4, y2=height, class_="rule"))
        last = frame.share(second) > 0.96
        words = _tick(second)
        parts.append(tag("text", words, x=x, y=14, class_="tick end" if last else "tick"))
    return tag("g", join(parts), aria_hidden="true")


def _tick(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.4g} s"
    return clock(seconds)


def _name(story: Story, worker: str) -> Markup:
    mine = [attempt for attempt in story.attempts if attempt.worker == worker]
    busy = sum(attempt.seconds for attempt in mine) / ((story.end - story.begin) or 1.0)
    return tag(
        "div",
        tag("b", worker),
        tag("span", f"busy {busy:.0%}", class_="doing", data_worker=worker),
        class_="lane-name",
    )


def _lane(frame: _Frame, number: int, worker: str) -> Markup:
    top = _TOP + LANE * number
    mine = [attempt for attempt in frame.story.attempts if attempt.worker == worker]
    parts = [tag("rect", x=0, y=top, width="100%", height=LANE, class_="lane-back")]
    parts += [_attempt(frame, attempt, top) for attempt in mine]
    label = f"Worker {worker}: {count(len(mine), 'attempt')}"
    return tag("g", join(parts), role="group", aria_label=label)


def _attempt(frame: _Frame, attempt: Attempt, top: float) -> Markup:
    """Return one bar. It is an inner picture, so that per cents count from its own ends and
    nothing sticks out."""
    words = _words(attempt)
    seconds = attempt.seconds or 1e-9
    inside = [tag("title", words)]
    for begin, end, phase in _merged(attempt, frame.whole * _NARROWEST):
        inside.append(
            tag("rect", x=_percent((begin - attempt.begin) / seconds),
                width=_percent((end - begin) / seconds), height="100%", class_=f"ph-{phase}")
        )  # fmt: skip
    inside += [_wait(attempt, wait, seconds) for wait in attempt.waits]
    critical = attempt.accepted and attempt.task in frame.story.record.metrics.critical_tasks
    lost = "" if attempt.outcome in ("succeeded", "running") else " lost"
    if critical:
        inside.append(tag("rect", width="100%", height=3, class_="critical-top"))
    if lost:
        inside.append(tag("rect", y=_BAR - 4, width="100%", height=4, class_="lost-foot"))
    again = f" · {attempt.number}" if attempt.number > 1 else ""
    label = attempt.task + again
    fitted = fit(label, frame.share(attempt.seconds) * _PIXELS)
    inside.append(tag("text", fitted, x=5, y=16.5, class_="bar-name", data_full=label))
    inside.append(tag("rect", width="100%", height="100%", class_="frame"))
    bar = tag(
        "svg", join(inside), x=frame.x(attempt.begin), y=top + 9,
        width=frame.wide(attempt.begin, attempt.end), height=_BAR,
        class_=f"bar{lost}", tabindex="-1", role="button", aria_label=words,
        data_task=frame.index[attempt.task], data_lane=frame.lane[attempt.worker],
        data_begin=f"{attempt.begin:.3f}", data_end=f"{attempt.end:.3f}",
    )  # fmt: skip
    return join([bar, *(_mark(frame, mark, top + 7) for mark in _shown(attempt))])


def fit(label: str, pixels: float) -> str:
    """Return as much of a name as a bar of this width can show."""
    most = int((pixels - 9) / 6.3)
    if most >= len(label):
        return label
    return label[: most - 1] + "…" if most >= 4 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _words(attempt: Attempt) -> str:
    outcome = CAUSES.get(attempt.outcome, attempt.outcome)
    said = (
        f"{attempt.task}, attempt {attempt.number} on {attempt.worker}, {outcome}: "
        f"{duration(attempt.begin)} to {duration(attempt.end)} ({duration(attempt.seconds)})"
    )
    counts = dict.fromkeys(MARKS, 0)
    for mark in attempt.marks:
        counts[mark.kind] += 1
    if attempt.turns:
        said += f", {count(attempt.turns, 'turn')}"
    marks = [f"{MARKS[kind]} {n}×" for kind, n in counts.items() if n]
    return said + (f"; {listed(marks)}" if marks else "")


def _merged(attempt: Attempt, shortest: float) -> list[tuple[float, float, str]]:
    """Return the phases, those too short to be seen joined to the one before."""
    found: list[tuple[float, float, str]] = []
    for span in attempt.spans:
        if found and (span.end - span.begin < shortest or found[-1][2] == span.phase):
            found[-1] = (found[-1][0], span.end, found[-1][2])
        else:
            found.append((span.begin, span.end, span.phase))
    return found


def _wait(attempt: Attempt, wait: Wait, seconds: float) -> Markup:
    words = f"{attempt.task} waited {duration(wait.end - wait.begin)} {wait.why}"
    place = {
        "x": _percent((wait.begin - attempt.begin) / seconds),
        "width": _percent((wait.end - wait.begin) / seconds),
        "height": "100%",
    }
    back = tag("rect", **place, class_="wait-back")
    return tag("g", tag("title", words), back, tag("rect", **place, class_="hatched"))


def _shown(attempt: Attempt) -> list[Mark]:
    """Return the marks worth a place; of many alike in one attempt, the first few."""
    found, seen = list[Mark](), dict[str, int]()
    for mark in attempt.marks:
        seen[mark.kind] = seen.get(mark.kind, 0) + 1
        if seen[mark.kind] <= 12:
            found.append(mark)
    return found


def _mark(frame: _Frame, mark: Mark, y: float) -> Markup:
    words = f"{duration(mark.at)}: {MARKS[mark.kind]}"
    words += f" to {mark.to}" if mark.to else ""
    if mark.text != MARKS[mark.kind]:
        words += f": {one_line(mark.text, 160)}"
    symbol = tag("path", tag("title", words), d=_SYMBOLS[mark.kind], class_=f"m-{mark.kind}")
    return tag("svg", symbol, x=frame.x(mark.at), y=number(y), overflow="visible", class_="mark")


# --- messages -------------------------------------------------------------------------------------


def _messages(frame: _Frame) -> Markup:
    """Return a line from each message's sender to the lanes where it is heard; none when there
    are so many that they would hide the bars."""
    sent = [
        (attempt, mark)
        for attempt in frame.story.attempts
        for mark in attempt.marks
        if mark.kind == "sent"
    ]
    shown = sent if len(sent) <= _MOST_MESSAGES else []
    return tag("g", join(_message(frame, attempt, mark) for attempt, mark in shown))


def _message(frame: _Frame, sender: Attempt, mark: Mark) -> Markup | None:
    heard = [
        frame.middle(other.worker)
        for other in frame.story.attempts
        if other is not sender
        and other.begin <= mark.at < other.end
        and mark.to in ("all", f"task:{other.task}", f"role:{_role(frame, other)}")
    ]
    if not heard:
        return None
    x, y = frame.x(mark.at), frame.middle(sender.worker) - LANE / 2 + 7
    ends = tag("line", x1=x, x2=x, y1=min(*heard, y), y2=max(*heard, y), class_="message")
    dots = [tag("circle", cx=x, cy=one, r=2.4, class_="heard-at") for one in heard]
    return tag("g", ends, *dots)


def _role(frame: _Frame, attempt: Attempt) -> str:
    return frame.story.record.board.task(attempt.task).task.role


# --- tasks that wait for files before they start --------------------------------------------------


def _waiting(frame: _Frame) -> Markup | None:
    rows = _packed(frame.story.blockings)
    if not rows:
        return None
    shown = rows[:_MOST_ROWS]
    left = sum(len(row) for row in rows[_MOST_ROWS:])
    bars = [
        _blocking(frame, blocking, number) for number, row in enumerate(shown) for blocking in row
    ]
    height = _BLOCK * len(shown) + 8
    picture = tag("svg", join(bars), _curtain(0), width="100%", height=height, class_="lanes",
                  role="group", aria_label="Tasks that waited for files")  # fmt: skip
    more = tag("p", f"and {count(left, 'more wait')}", class_="quiet") if left else None
    return join([picture, more])


def _packed(blockings: Sequence[Blocking]) -> list[list[Blocking]]:
    """Return rows in which no two waits overlap."""
    rows: list[list[Blocking]] = []
    for blocking in sorted(blockings, key=lambda one: one.begin):
        row = next((row for row in rows if row[-1].end <= blocking.begin), None)
        if row is None:
            rows.append([blocking])
        else:
            row.append(blocking)
    return rows


def _blocking(frame: _Frame, blocking: Blocking, row: int) -> Markup:
    words = (
        f"{blocking.task} waited {duration(blocking.end - blocking.begin)} for files that "
        f"{listed(blocking.by, 4)} held"
    )
    label = f"{blocking.task} ← {listed(blocking.by, 2)}"
    fitted = fit(label, frame.share(blocking.end - blocking.begin) * _PIXELS)
    return tag(
        "svg",
        tag("title", words),
        tag("rect", width="100%", height=_BLOCK - 3, rx=2, class_="wait-back"),
        tag("rect", width="100%", height=_BLOCK - 3, rx=2, class_="hatched"),
        tag("text", fitted, x=5, y=12.5, class_="bar-name halo", data_full=label),
        x=frame.x(blocking.begin), y=row * _BLOCK + 4, height=_BLOCK - 3,
        width=frame.wide(blocking.begin, blocking.end), class_="bar", tabindex="-1",
        role="button", aria_label=words, data_task=frame.index[blocking.task],
        data_lane=len(frame.lane) + row, data_begin=f"{blocking.begin:.3f}",
        data_end=f"{blocking.end:.3f}",
    )  # fmt: skip


def replay_data(story: Story, index: Mapping[str, int]) -> dict[str, object]:
    """Return what the page's script needs to show the run as of a time."""
    letters = {state: place for place, state in enumerate(TaskState)}
    return {
        "begin": round(story.begin, 4),
        "end": round(story.end, 4),
        "states": [str(state) for state in TaskState],
        "tasks": list(index),
        "changes": [
            [[round(at, 4), letters[state]] for at, state in story.states[name]] for name in index
        ],
        "attempts": [
            [
                story.workers.index(a.worker), index[a.task], a.number,
                round(a.begin, 4), round(a.end, 4),
                [[round(span.begin, 3), span.phase] for span in a.spans],
            ]
            for a in story.attempts
        ],
        "workers": list(story.workers),
    }  # fmt: skip
