"""Draws the state diagram in DESIGN_DOC.md from the table in core/states.py."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator.core.states import diagram

DOCUMENT = Path(__file__).resolve().parent.parent / "DESIGN_DOC.md"
PLACE = re.compile(r"(<!-- states -->\n```mermaid\n).*?(```)", re.DOTALL)


def redrawn(text: str) -> str:
    """Return the document with the diagram as the table has it."""
    drawn, count = PLACE.subn(lambda found: found[1] + diagram() + "\n" + found[2], text)
    if count != 1:
        raise SystemExit(f"{DOCUMENT} has {count} places for the state diagram, not one")
    return drawn


if __name__ == "__main__":
    DOCUMENT.write_text(redrawn(DOCUMENT.read_text()))
