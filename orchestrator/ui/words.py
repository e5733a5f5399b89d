"""Figures, lists and paths as people read them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

_MINUTE, _HOUR = 60, 3600
_THOUSAND, _MILLION = 1_000, 1_000_000


def duration(seconds: float) -> str:
    """Return a duration in the two units that matter, for example ``3.2 s`` or ``4 min 05 s``."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def clock(seconds: float) -> str:
    """Return a duration for a column, for example ``3.2s``, ``4:05``, ``1:02:03``."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    minutes, rest = divmod(whole, _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def short(number: int) -> str:
    """Return a number in three digits or so, for example ``840``, ``12.3k``, ``1.2M``."""
    if number < _THOUSAND:
        return str(number)
    if number < _MILLION - 500:
        return f"{number / _THOUSAND:.1f}k" if number < 100_000 else f"{number / _THOUSAND:.0f}k"
    return f"{number / _MILLION:.1f}M"


def limit(name: str, value: float) -> str:
    """Return a limit of a run, for example ``2,000,000 model tokens``."""
    if name == "wall":
        return f"{duration(value)} of wall time"
    if name == "usd":
        return f"{value:,.2f} US dollars"
    nouns = {
        "tokens": "model tokens",
        "total_attempts": "attempts",
        "total_turns": "model turns",
        "turns": "model turns",
    }
    return f"{value:,.0f} {nouns.get(name, name)}"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun, for example ``1 task`` or ``3 tasks``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(items: Sequence[str], most: int = 6) -> str:
    """Return names as a phrase, for example ``a, b and 3 more``."""
    if len(items) > most + 1:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    if len(items) > 1:
        return f"{', '.join(items[:-1])} and {items[-1]}"
    return items[0] if items else "nothing"


def one_line(text: str, most: int = 100) -> str:
    """Return the first line of a text that says something, cut to `most` characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= most else line[: most - 1] + "…"


def place(path: str | Path) -> str:
    """Return a path as it can be typed here: from the current directory when it is below."""
    whole = Path(path).absolute()
    try:
        return str(whole.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(whole)


def run_name(run_dir: Path) -> str:
    """Return the shortest way to name a run on the command line from the current directory."""
    home = Path.cwd() / ".orchestrator" / "runs"
    return shlex.quote(run_dir.name if run_dir.parent == home else place(run_dir))
