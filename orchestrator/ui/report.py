"""`report`: a run, or an experiment, as one HTML file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.ui.files import write_text
from orchestrator.ui.output import say
from orchestrator.ui.reading import find
from orchestrator.ui.reporting.run_page import run_page
from orchestrator.ui.reporting.story import read_story
from orchestrator.ui.words import place


def write_report(run_dir: Path, output: Path) -> Path:
    """Write the report of a run, which may still be going on.

    Args:
        run_dir: directory of the run.
        output: the HTML file; what is there is replaced.

    Returns:
        The file.

    Raises:
        WorkspaceError: this is not the directory of a run, or the file cannot be written.
        LogError: the log cannot be read.
    """
    text = run_page(read_story(run_dir))
    write_text(output, text, what="the report", lossy=True)
    return output


def show_report(runs: Sequence[str], output: Path | None) -> None:
    """Write the report of a run or of an experiment and say where it is.

    Args:
        runs: the run as it is named on the command line, or the directory of an experiment.
        output: the HTML file; None: ``report.html`` in the directory of the run or experiment.

    Raises:
        UsageError: there is no such run, several are named, or the extra ``lab`` is missing.
        WorkspaceError: the data cannot be read, or the file cannot be written.
        LogError: the log cannot be read.
    """
    from orchestrator.ui.reporting.past import is_experiment

    if len(runs) != 1:
        raise UsageError(
            "a report is about one run or one experiment" if runs else "no run is named", "RUN",
            fix="name one; `orchestrator compare PLAN...` runs several and compares them",
        )  # fmt: skip
    if is_experiment(Path(runs[0])):
        written = _comparison(Path(runs[0]), output)
    else:
        folder = find(runs[0])
        written = write_report(folder.path, output or folder.path / "report.html")
    say(f"Report: {place(written)} ({written.stat().st_size / 1000:,.0f} kB)")


def _comparison(folder: Path, output: Path | None) -> Path:
    from orchestrator.lab.compare import compare
    from orchestrator.lab.statistics import require
    from orchestrator.lab.versussolo import beside_solo
    from orchestrator.ui.comparing import headline
    from orchestrator.ui.reporting.comparison_page import NAME, write_comparison
    from orchestrator.ui.reporting.past import read_past

    require()
    past = read_past(folder)
    results = beside_solo(past.results)
    comparison = compare(results, past.experiment)
    return write_comparison(
        output or folder / NAME, headline(comparison), comparison, results, past.manifest
    )
