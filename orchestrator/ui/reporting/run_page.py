"""The page of one run: its parts put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orchestrator.core.states import TaskState
from orchestrator.ui.reporting import charts, figures, lanes, taskgraph, transcripts
from orchestrator.ui.reporting.flows import edges_of
from orchestrator.ui.reporting.markup import Markup, data_block, join, tag
from orchestrator.ui.reporting.page import page, section, table
from orchestrator.ui.reporting.story import Story
from orchestrator.ui.reporting.timeuse import Use, total, uses
from orchestrator.ui.words import count, duration, one_line

SIZE = 990_000
"""Bytes that the page of a run of up to a hundred tasks may take."""

_SCRIPT = "report.js"
_PER_TASK = SIZE // 100  # bytes for each further task
_LEAST = 0.0005  # share of the workers' time below which a use is not shown
_MANY_ROWS = 60  # tasks from which on their table scrolls by itself
_MOST_BARS = 30  # tasks that the chart of tokens shows


def run_page(story: Story) -> str:
    """Return the report of one run as one HTML file."""
    index = {name: number for number, name in enumerate(story.record.board.history.tasks)}
    body = list(_body(story, index))
    title = f"{story.record.header.name or 'run'} {story.record.header.run}"
    replay = data_block("replay", lanes.replay_data(story, index))
    bare = len(page(title, body, [replay], script=_SCRIPT).encode())
    room = SIZE + _PER_TASK * max(0, len(index) - 100) - bare - 70 * len(index)
    contents = transcripts.Contents(story)
    blocks, most = transcripts.pack(list(transcripts.details_of(story, contents)), room)
    body.append(_footer(story, most))
    data = [replay, *(_block(number, block) for number, block in enumerate(blocks))]
    return page(title, body, data, script=_SCRIPT)


def _block(number: int, block: str) -> Markup:
    return Markup(f'<script type="text/plain" id="d{number}">{block}</script>')


def _body(story: Story, index: Mapping[str, int]) -> Iterator[Markup]:
    yield _head(story)
    yield tag("div", *(_tile(figure) for figure in figures.tiles(story.record)), class_="tiles")
    yield _lanes(story, index)
    yield _graph(story, index)
    yield _time(story)
    yield _figures(story)
    yield _tasks(story, index)
    yield _dialog()


def _head(story: Story) -> Markup:
    header = story.record.header
    facts = [
        f"Run {header.run} of {header.name}", f"mode {header.mode}",
        f"model {header.model}" if header.model else "task functions",
        count(header.workers, "worker"), f"seed {header.seed}", f"began {header.started}",
    ]  # fmt: skip
    links = [("lanes", "Lanes"), ("tasks-graph", "Task graph"), ("time-use", "Time"),
             ("figures", "Figures"), ("tasks", "Tasks")]  # fmt: skip
    nav = tag("nav", *(tag("a", words, href=f"#{name}") for name, words in links),
              aria_label="Parts of the report")  # fmt: skip
    goal = one_line(" ".join(header.goal.split()), 300)
    return tag(
        "header",
        tag("p", " · ".join(fact for fact in facts if fact), class_="meta"),
        tag("h1", figures.headline(story.record)),
        tag("p", f"Goal: {goal}", class_="quiet") if goal else None,
        nav,
    )


def _tile(figure: figures.Figure) -> Markup:
    return tag("div", tag("span", figure.name), tag("b", figure.value), tag("span", figure.meaning),
               class_="tile")  # fmt: skip


def _lanes(story: Story, index: Mapping[str, int]) -> Markup:
    told = tag(
        "div",
        tag("output", duration(story.end - story.begin), id="time-shown", for_="time"),
        tag("span", "", id="counts", aria_live="polite"),
        tag("button", "−", id="farther", type="button", aria_label="Show more time at once"),
        tag("button", "+", id="closer", type="button", aria_label="Look closer"),
        class_="controls",
    )
    return section(
        "lanes", "Who did what, when", told,
        lanes.draw_lanes(story, index), lanes.legend(story),
        lead="A lane per worker, a bar per attempt, coloured by phase; the orange edge marks the "
        "critical path. Move the slider to see the run as of a moment; open a bar to read what "
        "the agent did.",
    )  # fmt: skip


def _graph(story: Story, index: Mapping[str, int]) -> Markup:
    edges = edges_of(story)
    said = tag("p", " ".join(taskgraph.graph_words(edges)), class_="lead")
    return section(
        "tasks-graph", "Task graph", said, taskgraph.draw_graph(story, edges, index),
        taskgraph.legend(edges), _states(story),
    )  # fmt: skip


def _states(story: Story) -> Markup:
    used = {state for states in story.states.values() for _, state in states}
    parts = [
        tag("span", f"{taskgraph.GLYPHS[state]} {state}", class_=f"state s-{state}")
        for state in TaskState
        if state in used
    ]
    return tag("p", join(parts, " "), class_="legend")


def _time(story: Story) -> Markup:
    metrics, workers = story.record.metrics, story.record.header.workers
    found = [use for use in uses(story) if use.seconds > 0]
    whole = total(found)
    found = [use for use in found if use.seconds >= _LEAST * whole]
    rows = [charts.Bar(use.name, use.seconds, use.kind, use.meaning) for use in found]
    bound = max(metrics.critical_path, metrics.work / workers)
    against = [
        charts.Bar("one after another", metrics.work, "idle", "All accepted attempts, added up."),
        charts.Bar("this run", metrics.makespan, "work", "From the first start to the last end."),
        charts.Bar("longest chain", metrics.critical_path, "bound",
                   "No number of workers is faster."),
        charts.Bar(f"work over {count(workers, 'worker')}", metrics.work / workers, "bound",
                   "No order of the tasks is faster."),
    ]  # fmt: skip
    lead = f"{count(workers, 'worker')} times {duration(metrics.makespan)} makes {duration(whole)}."
    lost = _largest_loss(found, whole)
    ratio = metrics.makespan / bound if bound else 0.0
    close = f"The run took {ratio:.2f} times what the graph and the workers allow at best."
    return section(
        "time-use", "Where the time went",
        charts.waterfall(rows, "Where the workers' time went", duration) if rows else None,
        _use_table(found, whole),
        tag("h3", "Against what was possible"),
        tag("p", close, class_="lead") if bound else None,
        charts.bars(against, "The run's time against its bounds", duration),
        lead=f"{lead} {lost}".strip(),
    )  # fmt: skip


def _use_table(found: list[Use], whole: float) -> Markup:
    rows = [[use.name, f"{use.seconds / whole:.1%}", use.meaning] for use in found]
    return tag("details", tag("summary", "What these mean"),
               table(["use", "share", "meaning"], rows, class_="figures"))  # fmt: skip


def _largest_loss(found: list[Use], whole: float) -> str:
    lost = [use for use in found if use.kind != "work"]
    if not lost or not whole:
        return ""
    most = max(lost, key=lambda use: use.seconds)
    return f"The largest part that was not work: {most.name}, {most.seconds / whole:.0%}."


def _figures(story: Story) -> Markup:
    record = story.record
    rows = [[one.name, one.value, one.meaning] for one in figures.figures(record)]
    allowed = [[one.name, one.value, one.meaning] for one in figures.limits_of(record)]
    return section(
        "figures", "Figures and limits",
        table(["figure", "value", "meaning"], rows, class_="figures"),
        tag("h3", "Limits"), table(["limit", "allowed", "used"], allowed, class_="figures"),
        _tokens(story),
    )  # fmt: skip


def _tokens(story: Story) -> Markup | None:
    tasks = story.record.board.history.tasks
    spent = sorted(
        ((task.input + task.output, name, task.usd) for name, task in tasks.items()), reverse=True
    )
    spent = [one for one in spent if one[0]]
    if not spent:
        return None
    rows = [
        charts.Bar(name, tokens, "work", _cost(name, tokens, usd))
        for tokens, name, usd in spent[:_MOST_BARS]
    ]
    more = f"; the {_MOST_BARS} largest of {len(spent)}" if len(spent) > _MOST_BARS else ""
    chart = charts.bars(rows, "Model tokens per task", lambda value: f"{value:,.0f}")
    return join([tag("h3", f"Model tokens per task{more}"), chart])


def _cost(name: str, tokens: int, usd: float | None) -> str:
    dollars = "at an unknown price" if usd is None else f"{usd:.4f} US dollars"
    return f"{name}: {tokens:,} model tokens, {dollars}"


def _tasks(story: Story, index: Mapping[str, int]) -> Markup:
    board = story.record.board
    rows = []
    for name, number in index.items():
        task, attempts = board.task(name), story.of(name)
        refused = sum(m.kind in ("stale", "scope", "refused") for a in attempts for m in a.marks)
        rows.append([
            tag("button", name, class_="link", type="button", data_task=number),
            tag("span", str(board.states[name]), class_=f"state s-{board.states[name]}"),
            len(attempts) or "", task.turns or "",
            duration(sum(one.seconds for one in attempts)) if attempts else "",
            f"{task.input + task.output:,}" if task.input + task.output else "",
            refused or "",
            one_line(task.reason, 200) or ", ".join(task.files),
        ])  # fmt: skip
    find = tag("input", type="search", id="find", placeholder="find a task, a state, a file",
               aria_label="Find a task")  # fmt: skip
    return section(
        "tasks", "Tasks", find,
        table(["task", "state", "attempts", "turns", "time", "tokens", "refused",
               "files written, or why not"], rows, tall=len(rows) > _MANY_ROWS, class_="tasks"),
        lead="Open a task to read its attempts: transcript with tool calls, changes, test output, "
        "refusals.",
    )  # fmt: skip


def _dialog() -> Markup:
    return tag(
        "dialog",
        tag("header", tag("h2", "", id="task-name"),
            tag("button", "Close (Esc)", id="task-close", type="button", class_="screen")),
        tag("div", "", id="task-inside"),
        id="task", aria_labelledby="task-name",
    )  # fmt: skip


def _footer(story: Story, most: int) -> Markup:
    header = story.record.header
    versions = ", ".join(f"{name} {version}" for name, version in header.packages.items())
    facts = [
        f"Made from {count(len(story.events), 'event')} of the run's log.",
        f"Plan {header.plan_digest[:12]}." if header.plan_digest else "",
        f"Git commit {header.git[:12]}." if header.git else "",
        f"Versions: {versions}." if versions else "",
        f"Single texts of transcripts longer than {most:,} characters are cut in the middle, "
        "so that this file stays small; the run's folder has them whole.",
    ]  # fmt: skip
    return tag("footer", tag("p", " ".join(fact for fact in facts if fact), class_="meta"))
