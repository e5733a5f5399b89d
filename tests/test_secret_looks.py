"""What counts as a secret, and that nothing else does."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from orchestrator.secrets import (
    MARK,
    Redactor,
    has_secret_look,
    is_secret_file,
    is_secret_name,
    secret_values,
    without_secret_options,
)

A = "a1B2" * 10

LOOKS = [
    "sk-ant-" + "api03-" + A,
    "sk-" + A,
    "pk-lf-" + "12345678-aaaa-bbbb-cccc-1234567890ab",
    "sk_live_" + A,
    "ghp_" + A,
    "github_pat_" + A,
    "glpat-" + A,
    "AKIA" + "A1" * 8,
    "AIza" + A,
    "ya29." + A,
    "xoxb-" + "123456789012-" + A,
    "hf_" + A,
    "npm_" + A,
    "pypi-" + A,
    "SG." + A[:22] + "." + A,
    "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
]
AROUND = ["{}", "a {} b", "key={}", '"{}"', "\n{}\n", "x\\n{}", "'{}',", "({})", "[{}]: 1"]


@pytest.mark.parametrize("secret", LOOKS)
@pytest.mark.parametrize("around", AROUND)
def test_a_key_is_known_by_its_look(secret: str, around: str) -> None:
    assert has_secret_look(around.format(secret))
    assert Redactor().text(around.format(secret)) == around.format(MARK)
    assert Redactor().data(around.format(secret).encode()) == around.format(MARK).encode()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Authorization: Bearer " + "abcdefgh", f"Authorization: Bearer {MARK}"),
        ("'authorization': 'Basic " + "dXNlcjpwYXNz'", f"'authorization': 'Basic {MARK}'"),
        ("(b'Authorization', b'Bearer " + "abcdefgh')", f"(b'Authorization', b'Bearer {MARK}')"),
        ("token: bearer " + A, f"token: bearer {MARK}"),
        ("X-Api-Key: " + "abcdefgh\nnext", f"X-Api-Key: {MARK}\nnext"),
        ('{"x-api-key": "' + 'abcdefgh"}', f'{{"x-api-key": "{MARK}"}}'),
        ("http://user:" + "pw@host:80/x", f"http://{MARK}@host:80/x"),
        ("postgres://:" + "pw@host", f"postgres://{MARK}@host"),
        (f"a -----BEGIN PRIVATE KEY-----\n{A}\n{A}=\n-----END PRIVATE KEY----- b", f"a {MARK} b"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB12\n"
            f"\n{A}\n-----END RSA PRIVATE KEY-----",
            MARK,
        ),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{A}\\n{A} cut", MARK + "..."),
    ],
)
def test_what_stands_around_a_secret_stays(text: str, left: str) -> None:
    if left.endswith("..."):  # where a key that was cut ends cannot be known: too much goes
        assert A not in Redactor().text(text)
    else:
        assert Redactor().text(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "sk-learn and task-1234567890abcdefghij",
        "class sk-folding-cube-animation-name",
        "a" * 64,
        "0123456789abcdef" * 4,
        "https://example.org:8080/a@b",
        'f"postgres://{user}:{password}@{host}/x"',
        '{"url": "http://host:80", "mail": "a@b"}',
        "the bearer of this ring, Bearer authentication",
        "eyJust.a.word",
        "import npm_config",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "AKIA is a prefix",
        "x-api-key is a header",
        "",
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    redactor = Redactor()
    assert redactor.text(text) is text
    assert not has_secret_look(text)


def test_this_package_has_no_text_that_looks_like_a_key() -> None:
    sources = list((Path(__file__).parent.parent / "orchestrator").rglob("*.py"))
    assert len(sources) > 50
    found = [path.name for path in sources if has_secret_look(path.read_text())]
    assert set(found) <= {"secrets.py"}  # its patterns


@pytest.mark.parametrize(
    "name",
    ["ANTHROPIC_API_KEY", "apiKey", "GH_TOKEN", "my_secret", "PGPASSWORD", "MYSQL_PWD", "GH_PAT",
     "GOOGLE_CREDENTIALS", "SENTRY_DSN", "BASIC_PASS", "api_key"],
)  # fmt: skip
def test_names_that_say_it(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["PWD", "OLDPWD", "KEYBOARD", "MAX_TOKENS", "TOKENIZERS_PARALLELISM", "PATH", "LANG",
             "ANTHROPIC_MODEL", "AUTHOR", "GITHUB_WORKSPACE", "COMPASS", "price_input"],
)  # fmt: skip
def test_names_that_do_not(name: str) -> None:
    assert not is_secret_name(name)


def test_known_values() -> None:
    assert secret_values(
        {
            "A_KEY": "quartz-lantern",
            "B_KEY": " with-space-around\n",
            "C_TOKEN": "Bearer inner-token-value",
            "D_PASSWORD": "changeme",
            "E_SECRET": "short",
            "F_KEY": "123456789",
            "G_KEY": "xxxxxxxxxx",
            "PLAIN": "quite ordinary",
            "BASE_URL": "http://user:pass-of-url@host",
            "CUSTOM_HEADERS": "x-one: header-value-1\nx-two: Bearer header-value-2",
        }
    ) == {
        "quartz-lantern", "with-space-around", "Bearer inner-token-value", "inner-token-value",
        "pass-of-url", "header-value-1", "Bearer header-value-2", "header-value-2",
    }  # fmt: skip


ODD = 'quo"te\\back ünd more'
LINES = "first-line-of-a-key-0\nsecond-line-of-a-key\nshort"


@pytest.mark.parametrize(
    "written",
    [
        ODD,
        json.dumps(ODD),
        json.dumps(ODD, ensure_ascii=False),
        quote(ODD, safe=""),
        LINES,
        "> second-line-of-a-key <",
        json.dumps({"a": [LINES]}),
    ],
)
def test_a_known_value_is_found_however_it_is_written(written: str) -> None:
    redactor = Redactor([ODD, LINES])
    clean = redactor.text(f"before {written} after")
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert MARK in clean
    assert "line-of-a-key" not in clean
    assert "back" not in clean
    assert redactor.known_out(written) != written


def test_the_longer_of_two_values_goes_first() -> None:
    assert Redactor(["lantern-1", "lantern-1-and-more"]).text("lantern-1-and-more") == MARK


def test_json_stays_json() -> None:
    redactor = Redactor([ODD])
    value = {"text": f'"{ODD}"', "path": ODD, "n": [1, 2.5, None, True, {"deep": LOOKS[0]}]}
    clean = json.loads(redactor.json(json.dumps(value), keep={"path"}))
    assert clean == {
        "text": f'"{MARK}"', "path": ODD, "n": [1, 2.5, None, True, {"deep": MARK}],
    }  # fmt: skip
    untouched = '{ "a" :  1 }'
    assert redactor.json(untouched) is untouched
    assert redactor.json("no json " + LOOKS[0]) == "no json " + MARK


def test_bytes_that_are_no_text_stay() -> None:
    key = LOOKS[0].encode()
    assert Redactor().data(b"\xff\x00" + key + b"\n\xfe") == b"\xff\x00" + MARK.encode() + b"\n\xfe"


def test_a_content_leaks_only_what_it_brings_in() -> None:
    redactor = Redactor(["quartz-lantern"])
    assert redactor.leaks(b"x = 'quartz-lantern'")
    assert not redactor.leaks(b"quartz-lantern, changed", b"quartz-lantern")
    assert redactor.leaks(f"x = {MARK}".encode(), b"quartz-lantern")
    assert not redactor.leaks(LOOKS[0].encode())


def test_options() -> None:
    given = {"api_key": "x", "seed": "1", "address": "http://u:" + "p@h"}
    assert without_secret_options(given) == {
        "api_key": MARK, "seed": "1", "address": f"http://{MARK}@h",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "secret"),
    [(".env", True), ("app/.env.local", True), (".ENV", True), ("id_rsa", True), (".netrc", True),
     (".env.example", False), ("id_rsa.pub", False), ("tests/server.pem", False),
     ("environment.py", False), (".npmrc", False)],
)  # fmt: skip
def test_files_that_are_made_to_hold_secrets(path: str, secret: bool) -> None:
    assert is_secret_file(path) == secret


@pytest.mark.parametrize(
    "text",
    ["sk-" * 20_000, "eyJ-" * 20_000, "://a:" * 20_000, "AKIA" * 20_000, "SG." + "a.a" * 20_000,
     "-----BEGIN PRIVATE KEY-----\n" * 2_000, "authorization: bearer " * 4_000],
)  # fmt: skip
def test_hostile_texts_take_time_in_proportion(text: str) -> None:
    # Quadratic time would take minutes here, and the run of the tests would end for it.
    clean = Redactor().text(text * 5)
    assert len(clean) < 2 * len(text) * 5
