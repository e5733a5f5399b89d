"""Whatever goes wrong, in words and an exit code; a traceback only for a bug of ours."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import click

from orchestrator.errors import InternalError, OrchestratorError, Problem
from orchestrator.ui import output

BUG = 4
INTERRUPTED = 130

TRACEBACK = "traceback.txt"
"""File in the run directory with the traceback of a bug."""


@dataclass(slots=True)
class Session:
    """What is known of the command that runs, should it fail.

    Attributes:
        run_dir: directory of the run that it has to do with; None: there is none.
        words: the command line, whose options may hold a secret; None: that of this process.
    """

    run_dir: Path | None = None
    words: Sequence[str] | None = None

    def complain(self, text: str) -> None:
        """Write a text to standard error, without secrets."""
        output.complain(self._clean(text))

    def _clean(self, text: str) -> str:
        # Only on the way to an error: `--help` must be quick.
        from orchestrator.runtime.redaction import make_redactor, options_among

        words = sys.argv[1:] if self.words is None else self.words
        return make_redactor(options_among(words)).text(text)

    def note(self, error: BaseException, what: str) -> None:
        """Say that something of ours failed, and keep its traceback."""
        self.complain(f"error: {what}: {type(error).__name__}: {error}{self._traceback(error)}")

    def _traceback(self, error: BaseException) -> str:
        text = "".join(traceback.format_exception(error))
        if os.environ.get("ORCHESTRATOR_DEBUG"):
            return f"\n{text}"
        where = self._keep(text)
        if where is not None:
            return f"\n  fix: report it, with {where}"
        return "\n  fix: report it, with the traceback that ORCHESTRATOR_DEBUG=1 shows"

    def _keep(self, text: str) -> Path | None:
        if self.run_dir is None:
            return None
        place = self.run_dir / TRACEBACK
        try:
            with place.open("a", encoding="utf-8") as file:
                file.write(self._clean(text) + "\n")
        except OSError:
            return None
        return place


def guarded(command: Callable[[], int | None], session: Session) -> int:
    """Carry out a command and return its exit code, whatever happens.

    Args:
        session: what the command tells about itself while it runs.
    """
    try:
        return command() or 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        shown = StringIO()
        error.show(shown)
        session.complain(shown.getvalue().rstrip("\n"))
        return error.exit_code
    except OrchestratorError as error:
        return _refused(error, session)
    except (KeyboardInterrupt, click.Abort):
        output.complain("\nInterrupted.")
        return INTERRUPTED
    except output.ReaderGoneError:
        return output.READER_GONE
    except BrokenPipeError:
        output.mute(sys.stdout)
        return output.READER_GONE
    except Exception as error:
        session.note(error, "this is a bug of orchestrator, not of what you asked for")
        return BUG


def _refused(error: OrchestratorError, session: Session) -> int:
    if isinstance(error, InternalError) and error.__cause__ is not None:
        session.note(error.__cause__, error.what)
    else:
        session.complain(f"error: {in_words(error)}")
    return error.exit_code


def in_words(error: OrchestratorError) -> str:
    """Return everything that an error has to say, nothing of it twice."""
    headline = str(Problem(error.what, error.where, error.why, error.fix))
    return "\n".join(dict.fromkeys([headline, *(str(problem) for problem in error.problems)]))
