"""Chains: names as a file writes them, with what is known of their types.

A chain is a text of names and steps: ``a.b`` an attribute, ``()`` a call, ``[]`` an item, ``@`` an
instance of, ``*`` many of. What stands before ``!`` only says of which type something is; it was
not mentioned at this place. So ``x.run()`` after ``x = pkg.Engine(1)`` is ``pkg.Engine()!.run()``,
and with a parameter ``xs: list[Engine]``, ``xs[0].run()`` is ``Engine@*![].run()``.
"""

from __future__ import annotations

import re

STEP = re.compile(r"[^.()\[\]@*!]+|\(\)|\[\]|[@*!]")
"""One step of a chain; dots only separate."""

FIXTURE = "fixture:"
"""Stands before the name of a parameter that pytest fills in."""

LONGEST = 240
"""Longer chains are dropped: nobody's types are known that deep."""
