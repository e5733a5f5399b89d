"""Mappings of a YAML file of this project's own kind, read with every mistake and its place."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from orchestrator.errors import Problem, nearest


class Mappings:
    """Collects the mistakes of a file.

    Args:
        file: as people know it.
        code: of the kind of mistakes.

    Attributes:
        problems: the mistakes so far.
    """

    def __init__(self, file: str, code: str) -> None:
        self.file, self.code = file, code
        self.problems: list[Problem] = []

    def mapping(
        self, node: yaml.Node, what: str, known: Sequence[str] = (), needed: Sequence[str] = ()
    ) -> dict[str, yaml.Node]:
        """Return the entries of a mapping.

        Args:
            what: the mapping in words.
            known: keys that it may have; none: any.
            needed: keys that it must have.
        """
        if not isinstance(node, yaml.MappingNode):
            fix = f"write {', '.join(known)}" if known else "write `key: value` entries"
            self.mistake(node, f"{what}: not a mapping", fix)
            return {}
        entries: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in entries:
                self.mistake(key, f"{what}: {name!r} is there twice", "keep one of them")
            elif known and name not in known:
                guess = nearest(name, known)
                hint = f"did you mean {guess!r}? " if guess else ""
                fix = f"{hint}Known: {', '.join(known)}"
                self.mistake(key, f"{what}: there is no {name!r}", fix)
            else:
                entries[name] = value
        for name in needed:
            if name not in entries:
                self.mistake(node, f"{what}: {name!r} is missing", f"add {name}")
        return entries

    def mistake(self, node: yaml.Node, what: str, fix: str) -> None:
        """Take note of a mistake where `node` stands."""
        mark = node.start_mark
        self.tell(f"{self.file}:{mark.line + 1}:{mark.column + 1}", what, fix)

    def tell(self, where: str, what: str, fix: str) -> None:
        """Take note of a mistake."""
        self.problems.append(Problem(what, where, fix=fix, code=self.code))
