"""The shell of a report: one file with its styles and its script inside, and no way out.

The content security policy lets only this very script and these very styles work and nothing
be fetched. So even a text that slipped through the escaping could run nothing and send nothing.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from importlib.resources import files

from orchestrator.ui.reporting.markup import Child, Markup, join, tag


def packaged(name: str) -> str:
    """Return a text file that lies beside this module."""
    return (files("orchestrator.ui.reporting") / name).read_text(encoding="utf-8")


def page(
    title: str,
    body: Iterable[Child],
    data: Iterable[Child] = (),
    *,
    styles: str = "",
    script: str = "",
) -> str:
    """Return a whole page.

    Args:
        title: for the window and the tab.
        body: what is seen.
        data: blocks that only the script reads.
        styles: a file of styles beside this module, after those that all pages have; "": none.
        script: a script beside this module; "": none, and none may run.
    """
    look = packaged("report.css") + (packaged(styles) if styles else "")
    code = packaged(script) if script else ""
    allowed = f"'{_digest(code)}'" if script else "'none'"
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src '{_digest(look)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=Markup(policy)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(look)),
    )
    run = tag("script", Markup(code)) if script else None
    inside = tag("body", join(body), join(data), run)
    return f"<!DOCTYPE html>\n{tag('html', head, inside, lang='en')}\n"


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


def section(name: str, title: str, *children: Child, lead: str = "") -> Markup:
    """Return a part of the page with its heading and, below it, one sentence."""
    heading = tag("h2", title, id=f"{name}-title")
    about = tag("p", lead, class_="lead") if lead else None
    return tag("section", heading, about, *children, id=name, aria_labelledby=f"{name}-title")


def table(
    headings: Iterable[str],
    rows: Iterable[Iterable[Child]],
    *,
    tall: bool = False,
    **attributes: str,
) -> Markup:
    """Return a table; the first cell of a row names it.

    Args:
        tall: whether it scrolls by itself, because it is long.
    """
    head = tag("tr", *(tag("th", word, scope="col") for word in headings))
    body = join(
        tag("tr", *(tag("th", cell, scope="row") if n == 0 else tag("td", cell)
                    for n, cell in enumerate(row)))
        for row in rows
    )  # fmt: skip
    whole = tag("table", tag("thead", head), tag("tbody", body), **attributes)
    return tag("div", whole, class_="scroll tall" if tall else "scroll")
