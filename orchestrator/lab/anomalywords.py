"""Anomalies in words: one plain sentence or two, with tasks, files, versions and times."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.lab.serialisation import Edge
from orchestrator.lab.transactions import FileVersion, Key, Read, Transactions, Zombie

_SKEW = "Each built on what another was about to replace, so none of them can come first."
_MEANING = {
    "dirty write": "Each overwrote what another had written, so none of them can come last.",
    "circular flow": "Each built on what another wrote, so none of them can come first.",
    "write skew": _SKEW,
    "phantom": _SKEW,
}


def unjudged(path: str) -> str:
    """Say that a file was left out."""
    return (
        f"{path} was edited by several attempts at once; who overwrote whose lines could not be "
        "judged, because the contents are not at hand or are no text"
    )


def zombie(history: Transactions, found: Zombie) -> str:
    """Tell of a write that came too late."""
    version = found.version
    if found.ended is None:
        end = "which was never granted to it"
    else:
        end = f"which had ended at {_s(found.ended)} ({found.why})"
    return (
        f"{_who(history, version.author)} wrote {version.path} at {_s(version.at)} (version "
        f"{version.number}) under token {found.token}, {end}."
    )


def dirty_read(history: Transactions, read: Read, version: FileVersion) -> str:
    """Tell of work built on what came to nothing."""
    author = history.all[version.author]
    undo = history.undone(version.path, version.author)
    did = "read" if read.write is None else f"wrote version {read.write.number} of"
    on = "as" if read.write is None else "on top of what"
    left = (
        f"had left it at {_s(version.at)}"
        if read.write is None
        else f"had left at {_s(version.at)}"
    )
    end = f"That attempt ended at {_s(author.ended)} ({author.why})"
    if undo is None:
        end += " and could not be told from what had been built on it, so it stays"
    elif read.write is not None:
        end += f" and was undone at {_s(undo.at)}; this brought it back"
    else:
        end += (
            f" and was undone at {_s(undo.at)}, but {_who(history, read.reader)} never looked again"
        )
    return (
        f"{_who(history, read.reader)} {did} {version.path} {on} {_who(history, version.author)} "
        f"{left} (version {version.number}). {end}."
    )


def lost_update(history: Transactions, before: FileVersion, after: FileVersion) -> str:
    """Tell of a write that was overwritten unseen."""
    made = f"from version {after.base}" if after.base else "as a new file"
    return (
        f"{_who(history, after.author)} wrote {after.path} at {_s(after.at)} (version "
        f"{after.number}), made {made}; what {_who(history, before.author)} had written there at "
        f"{_s(before.at)} (version {before.number}) was lost."
    )


def intermediate(history: Transactions, edge: Edge) -> str:
    """Tell of work that knew a file as its writer did not leave it."""
    reader, writer = _who(history, edge.source), _who(history, edge.target)
    return (
        f"{reader} was accepted{_accepted(history, edge.source)} knowing version {edge.before} of "
        f"{edge.path}, which {writer} itself replaced at {_s(edge.at)} by version {edge.after}."
    )


def stale(history: Transactions, edge: Edge, way: Sequence[Edge]) -> str:
    """Tell of a read that was stale, and why its reader cannot come before its writer."""
    steps = ", and ".join(describe(history, step) for step in way)
    return (
        f"{describe(history, edge)}. So {_who(history, edge.source)} must come before "
        f"{_who(history, edge.target)}; but {steps}."
    )


def around(history: Transactions, kind: str, cycle: Sequence[Edge]) -> str:
    """Tell of a cycle, edge by edge."""
    steps = "; ".join(describe(history, edge) for edge in cycle)
    return f"{steps}. {_MEANING[kind]}"


def overtaken(history: Transactions, edge: Edge, later: FileVersion) -> str:
    """Tell of work that went on with what had been replaced."""
    reader, writer = _who(history, edge.source), _who(history, edge.target)
    return (
        f"{describe(history, edge)}. {reader} still wrote {later.path} at {_s(later.at)} and was "
        f"accepted{_accepted(history, edge.source)}, after {writer}"
        f"{_accepted(history, edge.target)}, without having looked again. Only {reader} before "
        f"{writer} explains that, not the order in which they were accepted."
    )


def describe(history: Transactions, edge: Edge) -> str:
    """Say what an edge rests on."""
    source, target = _who(history, edge.source), _who(history, edge.target)
    match edge.kind:
        case "ww":
            return (
                f"{target} wrote {edge.path} at {_s(edge.at)} (version {edge.after}) over what "
                f"{source} had written (version {edge.before})"
            )
        case "wr":
            return (
                f"{target} knew {edge.path} as {source} had left it (version {edge.after}, read by "
                f"{_s(edge.at)})"
            )
        case "after":
            began = history.all[edge.source].ended
            return f"{target} began at {_s(edge.at)}, after {source} had ended at {_s(began)}"
        case _:
            return _missed(history, edge, source, target)


def _missed(history: Transactions, edge: Edge, source: str, target: str) -> str:
    known, now = (history.version(edge.path, number) for number in (edge.before, edge.after))
    if edge.before == 0 or (known is not None and known.digest is None):
        read, did = f"found no {edge.path}", f"made at {_s(edge.at)} (version {edge.after})"
    else:
        gone = now is not None and now.digest is None
        read = f"read version {edge.before} of {edge.path}"
        how = "deleted" if gone else "replaced"
        did = f"{how} at {_s(edge.at)} (version {edge.after})"
    return f"{source} {read}, which {target} {did}"


def _who(history: Transactions, key: Key) -> str:
    task, attempt = key
    if not task:
        return "somebody outside the run"
    one = history.all.get(key)
    return f"`{task}`" if one is not None and one.accepted else f"attempt {attempt} of `{task}`"


def _accepted(history: Transactions, key: Key) -> str:
    ended = history.all[key].ended
    return "" if ended is None else f" at {_s(ended)}"


def _s(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"
