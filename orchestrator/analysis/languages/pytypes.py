"""Types of a Python file's names, as chains (``chains.py``)."""

from __future__ import annotations

import ast
from collections.abc import Callable

_FIRST_OF = {
    "list", "List", "tuple", "Tuple", "set", "Set", "frozenset", "FrozenSet", "Sequence",
    "Iterable", "Iterator", "Collection", "MutableSequence", "MutableSet", "AbstractSet",
    "Generator", "AsyncIterator", "AsyncIterable", "AsyncGenerator", "deque", "Deque", "Reversible",
}  # fmt: skip
_LAST_OF = {
    "dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict",
    "WeakValueDictionary", "ValuesView", "ItemsView",
}  # fmt: skip
_TRANSPARENT = {
    "Optional", "Annotated", "ClassVar", "Final", "Required", "NotRequired", "ReadOnly",
    "InitVar", "Awaitable", "Unpack",
}  # fmt: skip

Dotted = Callable[[ast.expr], str | None]


def type_chain(node: ast.expr | None, dotted: Dotted, owner: str = "") -> str | None:
    """Return the chain of an instance of what an annotation says, or None.

    Args:
        node: the annotation.
        dotted: returns the chain of a plain expression.
        owner: qualified name of the class around it, for ``Self``.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return type_chain(ast.parse(node.value, mode="eval").body, dotted, owner)
        except (SyntaxError, ValueError):
            return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return type_chain(node.left, dotted, owner) or type_chain(node.right, dotted, owner)
    if isinstance(node, ast.Name | ast.Attribute):
        if owner and (node.id if isinstance(node, ast.Name) else node.attr) == "Self":
            return f"{owner}@"
        chain = dotted(node)
        return f"{chain}@" if chain else None
    if isinstance(node, ast.Subscript):
        return _of_subscript(node, dotted, owner)
    return None


def _of_subscript(node: ast.Subscript, dotted: Dotted, owner: str) -> str | None:
    head = node.value.attr if isinstance(node.value, ast.Attribute) else None
    head = node.value.id if isinstance(node.value, ast.Name) else head
    arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if head in _FIRST_OF | _LAST_OF and arguments:
        inner = type_chain(arguments[0 if head in _FIRST_OF else -1], dotted, owner)
        return f"{inner}*" if inner else None
    if head == "Union":
        found = (type_chain(argument, dotted, owner) for argument in arguments)
        return next((chain for chain in found if chain), None)
    if head in _TRANSPARENT and arguments:
        return type_chain(arguments[0], dotted, owner)
    if head in {"type", "Type"}:
        inner = type_chain(arguments[0], dotted, owner)
        return inner.removesuffix("@") if inner else None
    return type_chain(node.value, dotted, owner)
