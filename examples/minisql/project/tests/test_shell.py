"""The shell, over an engine that only takes notes."""

import pytest

import minisql
from minisql.errors import SqlNameError
from minisql.formatter import format_result
from minisql.shell import HELP, Shell
from minisql.types import Result

ROWS = Result(("a",), ((1,),))


class Notes:
    """An engine that writes down what it is asked and answers by the first word."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, sql: str) -> list[Result]:
        self.asked.append(sql)
        word = sql.split()[0]
        if word == "fail":
            raise SqlNameError("no such thing")
        answers = {"rows": [ROWS], "nothing": [], "twice": [Result(message="x"), ROWS]}
        return answers.get(word, [Result(message=f"did {word}")])

    def table_names(self) -> list[str]:
        return ["people", "towns"]

    def schema(self, table: str) -> str:
        if table not in self.table_names():
            raise SqlNameError(f"no such table: {table}")
        return f"CREATE {table};"


@pytest.fixture
def engine() -> Notes:
    return Notes()


@pytest.fixture
def shell(engine: Notes) -> Shell:
    return Shell(engine)


def test_a_new_shell(shell: Shell):
    assert shell.mode == "table"
    assert shell.done is False
    assert shell.prompt == "sql> "


def test_a_complete_statement_is_run(shell: Shell, engine: Notes):
    assert shell.execute("insert 1;") == "did insert"
    assert engine.asked == ["insert 1"]


def test_rows_are_shown_as_a_table(shell: Shell):
    assert shell.execute("rows;") == format_result(ROWS)


def test_a_statement_may_take_several_lines(shell: Shell, engine: Notes):
    assert shell.execute("insert") == ""
    assert engine.asked == []
    assert shell.prompt == "...> "
    assert shell.execute("'a;") == ""
    assert shell.execute("b' ;") == "did insert"
    assert engine.asked == ["insert\n'a;\nb'"]
    assert shell.prompt == "sql> "


def test_several_statements_on_one_line(shell: Shell, engine: Notes):
    assert shell.execute("one; nothing; two; three") == "did one\ndid two"
    assert engine.asked == ["one", "nothing", "two"]
    assert shell.prompt == "...> "
    assert shell.execute(";") == "did three"


def test_a_text_with_several_results(shell: Shell):
    assert shell.execute("twice;") == "x\n" + format_result(ROWS)


@pytest.mark.parametrize("line", ["", "   ", ";", " ; ;"])
def test_an_empty_line_does_nothing(shell: Shell, engine: Notes, line: str):
    assert shell.execute(line) == ""
    assert engine.asked == []
    assert shell.prompt == "sql> "


def test_an_error_ends_the_line(shell: Shell, engine: Notes):
    assert shell.execute("one; fail; two; three") == "did one\nerror: no such thing"
    assert engine.asked == ["one", "fail"]
    assert shell.prompt == "sql> "
    assert shell.execute("four;") == "did four"
    assert engine.asked[-1] == "four"


def test_help(shell: Shell):
    assert shell.execute(".help") == HELP


def test_tables(shell: Shell):
    assert shell.execute("  .tables ") == "people\ntowns"


def test_schema(shell: Shell):
    assert shell.execute(".schema towns") == "CREATE towns;"
    assert shell.execute(".schema") == "CREATE people;\nCREATE towns;"


def test_mode(shell: Shell):
    assert shell.execute(".mode csv") == ""
    assert shell.mode == "csv"
    assert shell.execute("rows;") == "a\n1"
    assert shell.execute(".mode list") == ""
    assert shell.execute("rows;") == "a = 1"


def test_quit(shell: Shell):
    assert shell.execute(".quit") == ""
    assert shell.done is True


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (".mode html", "error: no such mode: html (table, csv, list)"),
        (".schema cats", "error: no such table: cats"),
        (".frob x", "error: no such command: .frob x (try .help)"),
        (".", "error: no such command: . (try .help)"),
        (".mode", "error: no such command: .mode (try .help)"),
        (".quit now", "error: no such command: .quit now (try .help)"),
    ],
)
def test_errors_of_commands(shell: Shell, line: str, message: str):
    assert shell.execute(line) == message
    assert shell.mode == "table"
    assert shell.done is False


def test_inside_a_statement_a_point_is_no_command(shell: Shell, engine: Notes):
    shell.execute("insert")
    assert shell.execute(".tables;") == "did insert"
    assert engine.asked == ["insert\n.tables"]


def test_after_a_semicolon_a_point_is_no_command(shell: Shell, engine: Notes):
    assert shell.execute("one; .tables;") == "did one\ndid .tables"


def test_commands_do_not_reach_the_engine(shell: Shell, engine: Notes):
    shell.execute(".help")
    assert engine.asked == []


def test_exported():
    assert minisql.Shell is Shell
