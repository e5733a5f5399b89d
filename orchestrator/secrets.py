"""What a secret is, and how it is taken out of what is written.

A secret is either known or has a known look.

*Known* is the exact value of

- an environment variable whose name says so (``…KEY``, ``…TOKEN``, ``…SECRET``, ``…PASSWORD``,
  ``…CREDENTIAL…`` and the like: `is_secret_name`),
- an option ``-M name=value`` whose name does,
- the password in an environment variable that is an address with ``user:password@``, and what
  follows the names in one that holds headers (``ANTHROPIC_CUSTOM_HEADERS``),

if it has at least `SHORTEST` characters, is not a number, a placeholder (``changeme``) or the
path of something that exists. It is found as it is, in JSON, and quoted for a URL; of a value of
several lines, each long line is found too.

*Looks* are well-known formats, `_LOOKS`: keys of providers (``sk-…``, ``ghp_…``, ``AKIA…``,
``AIza…``, ``xoxb-…`` and the like), JSON web tokens, PEM private keys, ``user:password@`` in a
URL, and what follows ``Authorization: Bearer`` or ``x-api-key:``.

Either is replaced by `MARK`. What is encoded on purpose (base64, reversed, spelt out) is not
found: this guards against accidents, the walls around commands and the missing environment guard
against intent.

This module knows texts only. Where it is applied is in `runtime.redaction`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from urllib.parse import quote

MARK = "[secret removed]"
"""What stands in the place of a secret."""

SHORTEST = 8
"""Characters. A known value that is shorter would blot out ordinary words."""

_LEAST = 5  # characters of the shortest thing that has a look: `://:p@` has six
_SHORT = 64  # characters of texts that are worth remembering
_LINE = 16  # characters of a line of a secret with several lines that give it away alone

_NAME = re.compile(
    r"KEY(?!BOARD|MAP|STROKE|WORD)|TOKEN(?!S\b|S_|IZ)|SECRET|PASSW|PASSPHRASE|PASSCODE|CREDENTIAL"
    r"|COOKIE|SIGNATURE|CONNECTION_STRING|(?:^|_)(?:PASS|AUTH|PAT|SAS|DSN)(?:_|$)|(?<=_)PWD$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[-+]?[0-9]{1,11}(?:\.[0-9]*)?")
_PLACEHOLDERS = frozenset(
    {
        "anonymous", "change-me", "change_me", "changeme", "disabled", "localhost", "minioadmin",
        "passw0rd", "password", "postgres", "postgresql", "required", "undefined", "username",
        "your-api-key", "your_api_key",
    }
)  # fmt: skip

# A key does not begin in the middle of a word; the n of an escape that was printed is no word.
_HERE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
_ALONE = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
_VALUE = r"[A-Za-z0-9._~+/=:-]{8,}"

# Each look with its signs, of which every text that holds it holds one: most texts hold none, and
# looking for a word is a hundred times quicker than trying a pattern. What is captured stays.
# All repetitions are bounded, or cannot fail once they have begun: texts may be hostile, and the
# time must be proportional to their length.
_LOOKS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sk-", "pk-", "rk-"),
        _HERE + r"(?:sk|pk|rk)-(?=[A-Za-z_-]{0,100}[0-9])[A-Za-z0-9_-]{16,}",
    ),
    (("k_live_", "k_test_"), _HERE + r"(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{10,}"),
    (("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _HERE + r"gh[pousr]_[A-Za-z0-9]{20,}"),
    (("github_pat_",), _HERE + r"github_pat_[A-Za-z0-9_]{20,}"),
    (("glpat-",), _HERE + r"glpat-[A-Za-z0-9_-]{16,}"),
    (("AKIA", "ASIA"), _HERE + r"(?:AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"),
    (("AIza",), _HERE + r"AIza[A-Za-z0-9_-]{30,}"),
    (("ya29.",), _HERE + r"ya29\.[A-Za-z0-9_-]{20,}"),
    (("xox",), _HERE + r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    (("hf_",), _HERE + r"hf_[A-Za-z0-9]{20,}"),
    (("npm_",), _HERE + r"npm_[A-Za-z0-9]{30,}"),
    (("pypi-",), _HERE + r"pypi-[A-Za-z0-9_-]{30,}"),
    (("SG.",), _HERE + r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    (
        ("eyJ",),
        _ALONE + r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    (
        ("PRIVATE KEY",),
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:\s|\\[nr])*(?:Proc-Type|DEK-Info): ?[A-Za-z0-9,.-]{1,200})*"
        r"[A-Za-z0-9+/=\s\\:,]*(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
    ),
    (("://",), r"(://)[^/\s:@\"'\\{}<>]{0,100}:[^/\s@\"'\\{}<>]{1,200}(?=@)"),
    (
        ("horization", "HORIZATION"),
        r"((?i:authorization[\"']?,?\s{0,4}[:=]?\s{0,4}b?[\"']?(?:bearer|basic|token)\s{1,4}))"
        + _VALUE,
    ),
    (
        ("earer", "EARER"),
        r"((?i:\bbearer)\s{1,4})(?=[A-Za-z._~+/=-]{0,200}[0-9])[A-Za-z0-9._~+/=-]{16,}",
    ),
    (
        ("pi-key", "pi-Key", "PI-KEY", "PI-Key"),
        r"((?i:\b(?:x-)?api-key[\"']?\s{0,4}[:=,]\s{0,4}b?[\"']?))" + _VALUE,
    ),
)

_FILES = (
    ".env", ".env.*", ".envrc", ".netrc", ".pypirc", ".git-credentials",
    "id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk",
)  # fmt: skip
_EXAMPLES = ("*.example", "*.sample", "*.template", "*.dist")


def is_secret_name(name: str) -> bool:
    """Whether a variable or an option holds a secret, by its name."""
    return _NAME.search(name) is not None


def is_secret_file(path: str) -> bool:
    """Whether a file exists to hold secrets, by its name: ``.env``, ``id_rsa`` and the like.

    Certificates and keys under other names (``*.pem``) are not among them: most of those in a
    code base belong to its tests.
    """
    name = path.rpartition("/")[2].casefold()
    return any(fnmatchcase(name, one) for one in _FILES) and not any(
        fnmatchcase(name, one) for one in _EXAMPLES
    )


def has_secret_look(text: str) -> bool:
    """Whether something in a text has the look of a secret."""
    return any(
        pattern.search(text) for signs, pattern in _COMPILED if any(sign in text for sign in signs)
    )


def secret_values(settings: Mapping[str, str]) -> set[str]:
    """Return what environment variables or options hold that must not be told.

    Args:
        settings: names and values.
    """
    found: set[str] = set()
    for name, value in settings.items():
        if is_secret_name(name):
            found.add(value.strip())
            found.update(_AFTER_SCHEME.findall(value))
        elif name.upper().endswith("HEADERS"):
            found.update(part.strip() for part in re.findall(r"[:=]([^\n,]*)", value))
            found.update(_AFTER_SCHEME.findall(value))
        found.update(_PASSWORD.findall(value))
    return {value for value in found if _is_telling(value)}


_PASSWORD = re.compile(r"://[^/\s:@]{0,100}:([^/\s@]{1,200})@")
_AFTER_SCHEME = re.compile(r"(?i:bearer|basic|token)\s+(\S+)")


def _is_telling(value: str) -> bool:
    return (
        len(value) >= SHORTEST
        and len(set(value)) > 2
        and value.casefold() not in _PLACEHOLDERS
        and not _NUMBER.fullmatch(value)
        and value != MARK
    )


def without_secret_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return options without the values of those whose name or value says that it is secret."""
    return {
        name: MARK if is_secret_name(name) and value else _without_looks(value)
        for name, value in options.items()
    }


class Redactor:
    """Takes secrets out of texts. Safe for any number of threads.

    Args:
        values: the known secrets; see `secret_values`.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = {form for value in values for form in _forms(value)}
        self._known = tuple(sorted(known, key=lambda form: (-len(form), form)))  # longest first
        self._signs = (*_SIGNS, *self._known)
        self._signs_in_bytes = tuple(sign.encode(errors="replace") for sign in self._signs)
        # What a coordinator sees most often is short and comes again: names of tools.
        self._short = lru_cache(4096)(self._look)

    def may_hold(self, text: str) -> bool:
        """Whether a closer look at a text is needed; quick, and right about a no.

        It may be a text of JSON: a secret's sign is the same in it.
        """
        length = len(text)
        if length <= _SHORT:
            return length >= _LEAST and self._short(text)
        return self._look(text)

    def _look(self, text: str) -> bool:
        for sign in self._signs:  # noqa: SIM110  (half the time of any() with a generator)
            if sign in text:
                return True
        return False

    def text(self, text: str) -> str:
        """Return a text without secrets; the same object if there are none."""
        return _without_looks(self.known_out(text)) if self.may_hold(text) else text

    def data(self, data: bytes) -> bytes:
        """Return bytes, such as the output of a command, without secrets.

        Bytes that are not UTF-8 stay as they are.
        """
        if any(sign in data for sign in self._signs_in_bytes):
            text = data.decode("utf-8", "surrogateescape")
            return self.text(text).encode("utf-8", "surrogateescape")
        return data

    def known_out(self, text: str) -> str:
        """Return a text without known secrets; what only looks like one stays.

        For contents of files, whose lines a reader must be able to quote.
        """
        for form in self._known:
            text = text.replace(form, MARK)
        return text

    def holds_known(self, text: str) -> bool:
        """Whether a text holds a known secret."""
        return any(form in text for form in self._known)

    def leaks(self, new: bytes, old: bytes = b"") -> bool:
        """Whether a content brings in a known secret, or the mark of one, that the old one had
        not."""
        forms = (form.encode(errors="replace") for form in (*self._known, MARK))
        return any(form in new and form not in old for form in forms)

    def value(self, value: Any, keep: Collection[str] = ()) -> Any:
        """Return a value as JSON has them without secrets in its texts.

        Args:
            value: a text, a number, a list, a mapping, or None.
            keep: names in mappings whose values stay as they are.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                self.text(name): item if name in keep else self.value(item, keep)
                for name, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.value(item, keep) for item in value]
        return value

    def json(self, text: str, keep: Collection[str] = ()) -> str:
        """Return a text of JSON without secrets; it stays JSON.

        Args:
            keep: names in objects whose values stay as they are.
        """
        if not self.may_hold(text):
            return text
        try:
            value = json.loads(text)
        except ValueError:
            return self.text(text)
        clean = self.value(value, keep)
        if clean == value:
            return text
        return json.dumps(clean, ensure_ascii=False, separators=(",", ":"))


def _forms(value: str) -> Iterator[str]:
    """Yield the ways in which a value may be written."""
    yield value
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="", errors="replace")
    lines = value.splitlines()
    if len(lines) > 1:
        yield from (line for line in map(str.strip, lines) if len(line) >= _LINE)


def _marked(match: re.Match[str]) -> str:
    """Return what replaces a match: what was captured before the secret, and the mark."""
    return "".join(filter(None, match.groups())) + MARK


def _without_looks(text: str) -> str:
    for signs, pattern in _COMPILED:
        if any(sign in text for sign in signs):
            text = pattern.sub(_marked, text)
    return text


_COMPILED = tuple((signs, re.compile(look)) for signs, look in _LOOKS)
_SIGNS = tuple(sign for signs, _ in _LOOKS for sign in signs)
