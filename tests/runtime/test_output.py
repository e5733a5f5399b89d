from __future__ import annotations

import random

import pytest

from orchestrator.runtime.output import BoundedOutput, readable
from orchestrator.secrets import MARK, Redactor


def collect(data: bytes, limit: int, pieces: int = 7) -> BoundedOutput:
    output = BoundedOutput(limit)
    for start in range(0, len(data), pieces):
        output.add(data[start : start + pieces])
    return output


@pytest.mark.parametrize("pieces", [1, 7, 64, 1000])
def test_output_within_the_limit_is_kept_whole(pieces: int) -> None:
    data = bytes(range(100))
    output = collect(data, 100, pieces)
    assert output.kept() == data
    assert output.total == 100


@pytest.mark.parametrize("pieces", [1, 7, 64, 1000])
def test_beginning_and_end_are_kept(pieces: int) -> None:
    data = bytes(range(250))
    output = collect(data, 101, pieces)
    assert output.kept() == data[:50] + b"\n[... 149 bytes left out ...]\n" + data[-51:]
    assert output.total == 250


def test_memory_is_bounded() -> None:
    output = BoundedOutput(1000)
    for _ in range(1000):
        output.add(b"x" * 1000)
    assert sum(map(len, output._tail)) <= 2000


def test_random_pieces_are_the_same_as_one() -> None:
    rng = random.Random(7)
    for _ in range(200):
        data = rng.randbytes(rng.randrange(300))
        limit = rng.randrange(1, 200)
        output = BoundedOutput(limit)
        rest = data
        while rest:
            size = rng.randrange(1, 60)
            output.add(rest[:size])
            rest = rest[size:]
        assert output.kept() == collect(data, limit, 10_000).kept()


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"plain \xe2\x9c\x93\n\ttab", "plain ✓\n\ttab"),
        (b"\x1b[1;31mred\x1b[m\x1b[K", "red"),
        (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\link", "xlink"),
        (b"\x1b(Bx\x1b7y\x1b=z", "xyz"),
        (b"10%\r20%\r\n", "10%\n20%\n"),
        (b"a\x00b\x08c\x7f", "abc"),
        (b"bad \xff\xfe", "bad \ufffd\ufffd"),
        (b"cut off \x1b", "cut off "),
        (b"cut off \x1b[", "cut off "),
        (b"", ""),
    ],
)
def test_output_is_made_readable(raw: bytes, text: str) -> None:
    assert readable(raw, 1000) == (text, 0)


def test_long_output_is_cut_at_line_ends() -> None:
    raw = b"".join(b"line %d\n" % n for n in range(100))
    text, cut = readable(raw, 100)
    assert text.startswith("line 0\nline 1\n")
    assert text.endswith("line 98\nline 99\n")
    head, _, tail = text.partition(f"\n[... {cut} bytes left out ...]\n")
    assert len(head) + len(tail) + cut == len(raw)


def test_one_long_line_is_cut_anyway() -> None:
    text, cut = readable(b"x" * 1000, 100)
    assert cut == 900
    assert text == "x" * 25 + "\n[... 900 bytes left out ...]\n" + "x" * 75


def test_colours_do_not_use_up_the_limit() -> None:
    assert readable(b"\x1b[31m.\x1b[0m" * 100, 100) == ("." * 100, 0)


def test_where_output_is_cut_no_word_is_cut_in_two() -> None:
    secret = b"quartz-lantern-of-seven-letters"
    for shift in range(60):
        output = BoundedOutput(200)
        output.add(b"x" * (60 + shift) + b" " + secret + b" " + b"y" * 300 + b" " + secret + b" ")
        output.add(b"z" * (60 + shift))
        kept = output.kept(margin=50)
        assert kept.replace(secret, b"").count(b"quartz") == 0
        assert kept.replace(secret, b"").count(b"letters") == 0
        head, _, rest = kept.partition(b"\n[... ")
        missing, _, tail = rest.partition(b" bytes left out ...]\n")
        assert len(head) + int(missing) + len(tail) == output.total


def test_a_secret_that_escape_sequences_hide_is_found() -> None:
    hidden = b"quartz-\x1b[1mlantern\x1b[m-7"
    shown = readable(b"it is " + hidden, 100, Redactor(["quartz-lantern-7"]))
    assert shown == (f"it is {MARK}", 0)
