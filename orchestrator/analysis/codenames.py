"""Files and symbols of a code graph, by the names that people write."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orchestrator.analysis.codemodel import Module
from orchestrator.errors import UsageError, nearest


def find_node(modules: Mapping[str, Module], data: Collection[str], what: str) -> str:
    """Return the id that a text means.

    Args:
        modules: path to source file.
        data: paths of other files.
        what: a path, a dotted module name, ``path::symbol``, or ``module:symbol``.

    Raises:
        UsageError: there is no such file or symbol, or several have that name.
    """
    path, _, symbol = what.removeprefix("./").partition("::")
    if not symbol and ":" in path:
        path, _, symbol = path.partition(":")
    if path not in modules and path not in data:
        named = [one for one, module in modules.items() if module.name == path]
        if len(named) != 1:
            raise _unknown(modules, what, named)
        path = named[0]
    if not symbol:
        return path
    symbols = sorted(one.name for one in modules[path].symbols) if path in modules else []
    if symbol not in symbols:
        close = nearest(symbol, symbols)
        raise UsageError(
            f"{path} has no class or function {symbol!r}",
            what,
            fix=f"did you mean {close!r}?" if close else "name one that is in the file",
        )
    return f"{path}::{symbol}"


def _unknown(modules: Mapping[str, Module], what: str, several: Sequence[str]) -> UsageError:
    if several:
        fix = f"write the path: {', '.join(several)}"
        return UsageError(f"{what!r} names {len(several)} files", what, fix=fix)
    close = nearest(what, [*modules, *(one.name for one in modules.values())])
    fix = f"did you mean {close!r}?" if close else "write a path relative to the directory"
    return UsageError(f"the code graph has no file {what!r}", what, fix=fix)
