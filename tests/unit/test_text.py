"""Text from elsewhere is shown without what steers a terminal, and without secrets."""

import base64
import html
import json
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videodb_listen.text import Secrets, for_file, one_line, shorten, visible, visible_json

any_text = st.text(st.characters(codec=None, categories=None))
BIDI_CONTROLS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
BIDI_MARKS = {"\u061c", "\u200e", "\u200f"}


def steers(character: str) -> bool:
    """Whether Unicode itself calls the character a control, a bidi control, a line break or a lone surrogate."""
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character) in BIDI_CONTROLS
        or character in BIDI_MARKS
    )


ALL_STEERING = "".join(filter(steers, map(chr, range(0x110000))))


def test_every_character_that_steers_a_terminal_is_written_out() -> None:
    assert len(ALL_STEERING) > 2048 + 65
    assert not any(map(steers, visible(ALL_STEERING)))


@given(any_text)
@example("\x1b]52;c;Zm9v\x07")
@example("\u202eevil")
@example("\ud800")
def test_whatever_comes_is_safe_and_can_be_encoded(text: str) -> None:
    shown = visible(text)
    assert not any(map(steers, shown))
    shown.encode()
    assert visible(shown) == shown


@given(st.text().filter(lambda text: not any(map(steers, text))))
@example("tab-free text, ä, 漢字, 🎥, \\x1b")
def test_clean_text_is_left_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\x1b[2J", r"\x1b[2J"), ("a\nb", r"a\x0ab"), ("\x9b", r"\x9b"), ("\u202e", r"\u202e"), ("\u2028", r"\u2028")],
)
def test_an_escape_names_its_code_point(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_nothing_that_steers_a_terminal_is_left_in_json_and_it_means_the_same() -> None:
    steering = ALL_STEERING.encode(errors="ignore").decode()  # without lone surrogates: JSON has none
    value = {steering: [steering, {"a\tb": 1}]}
    shown = visible_json(json.dumps(value, ensure_ascii=False, indent="\t"))
    assert not any(map(steers, shown))
    assert json.loads(shown) == value


@given(any_text)
def test_whatever_comes_as_json_is_safe_and_can_be_encoded(text: str) -> None:
    shown = visible_json(text)
    assert not any(map(steers, shown))
    shown.encode()


# -- for a file --

MARKS_OF_DIRECTION = "".join(
    character for character in ALL_STEERING if unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"}
)


def test_what_gives_a_text_its_direction_stays_in_a_file() -> None:
    assert {"\u200e", "\u200f", "\u061c", "\u202b", "\u2067"} <= set(MARKS_OF_DIRECTION)
    assert for_file(MARKS_OF_DIRECTION) == MARKS_OF_DIRECTION
    assert for_file("\u200fשלם, 漢字 🎥\u200d\ufe0f") == "\u200fשלם, 漢字 🎥\u200d\ufe0f"


def test_everything_else_that_steers_a_terminal_is_written_out_in_a_file_too() -> None:
    others = "".join(set(ALL_STEERING) - set(MARKS_OF_DIRECTION))
    assert not any(map(steers, for_file(others)))
    assert for_file(others) == visible(others)


@given(any_text)
@example("a\rb\nc\x0bd\x0ce\x1cf\x1dg\x1eh\x85i\u2028j\u2029k")
def test_a_text_for_a_file_is_one_line_and_can_be_encoded(text: str) -> None:
    assert len(for_file(text).splitlines()) <= 1
    for_file(text).encode()


def columns_of(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("", 5, ""),
        ("abcde", 5, "abcde"),
        ("abcdef", 5, "abcd…"),
        ("漢字", 4, "漢字"),
        ("漢字漢", 4, "漢…"),
        ("a漢字", 5, "a漢字"),
        ("a漢字b", 5, "a漢…"),
        ("🎥🎥🎥", 4, "🎥…"),
    ],
)
def test_a_text_is_cut_by_columns_with_an_ellipsis(text: str, columns: int, shown: str) -> None:
    assert shorten(text, columns) == shown


@given(st.text(st.sampled_from("ab漢🎥ä")), st.integers(2, 12))
@example("漢字漢", 5)
def test_a_cut_text_never_takes_more_columns_than_it_may(text: str, columns: int) -> None:
    shown = shorten(text, columns)
    assert columns_of(shown) <= columns
    assert shown == text or (shown.endswith("…") and text.startswith(shown[:-1]) and columns_of(text) > columns)


# -- secrets --


@given(st.lists(st.text("ABCDEFGH0123", min_size=4), max_size=4), st.text("ABCDEFGH0123 "))
def test_no_secret_is_left_in_a_redacted_text(secrets: list[str], around: str) -> None:
    text = around.join(["x", *secrets, "y"])
    shown = Secrets(*secrets).redact(text)
    assert not any(secret in shown for secret in secrets)


def test_an_empty_secret_hides_nothing() -> None:
    assert Secrets("", "b").redact("abc") == "a[secret]c"
    assert Secrets("").redact("abc") == Secrets().redact("abc") == "abc"


@pytest.mark.parametrize("secrets", [("key", "key-and-more"), ("key-and-more", "key"), ("key-and", "and-more")])
def test_a_secret_that_is_part_of_another_leaves_no_rest_of_it(secrets: tuple[str, str]) -> None:
    assert "key" not in Secrets(*secrets).redact("say key-and-more")
    assert "more" not in Secrets(*secrets, "key-and-more").redact("say key-and-more")


def test_secrets_are_not_in_their_repr() -> None:
    assert "very-secret" not in repr(Secrets("very-secret"))


KEY = "sk-Ab+/c_9=xyz.0987654321"


def each(form: str) -> Callable[[str], str]:
    """Write every character in this form, which has a place for its code point."""
    return lambda text: "".join(form.format(ord(character)) for character in text)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "capitals": str.upper,
    "small letters": str.lower,
    "json": each("\\u{:04x}"),
    "json in capitals": each("\\u{:04X}"),
    "json in json": each("\\\\u{:04x}"),
    "json with a slash": lambda text: text.replace("/", "\\/"),
    "percent": each("%{:02X}"),
    "percent in small letters": each("%{:02x}"),
    "percent where needed": lambda text: quote(text, safe=""),
    "percent twice": lambda text: quote(quote(text, safe=""), safe=""),
    "html": each("&#{};"),
    "html in hex": each("&#x{:X};"),
    "html in html": each("&amp;#{};"),
    "html where needed": lambda text: html.escape(text.replace("=", "&#61;")),
    "python": each("\\x{:02x}"),
    "hex": lambda text: text.encode().hex(),
    "hex in capitals": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for urls": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 behind one byte": lambda text: base64.b64encode(b":" + text.encode()).decode(),
    "base64 behind a user": lambda text: base64.b64encode(b"me:" + text.encode() + b":too").decode(),
    "base64 in a url": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "json, then html": lambda text: html.escape(json.dumps(json.dumps(text.replace("/", "\\/")))),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_hidden_however_a_server_spells_it(spelling: str) -> None:
    written = SPELLINGS[spelling](KEY)
    shown = Secrets("another one", KEY).redact(f"<bad key {written}, {written}>")
    assert shown.count("[secret]") == 2
    assert written[6:-6] not in shown
    assert shown.startswith("<bad key ")
    assert shown.endswith(">")


@given(st.lists(st.sampled_from(["{0}", "\\u{1:04x}", "%{1:02X}", "&#{1};", "&#x{1:x};", "%25{1:02x}", "\\x{1:02X}"])))
def test_a_secret_is_hidden_also_when_each_character_is_spelled_in_its_own_way(forms: list[str]) -> None:
    written = "".join(
        form.format(character, ord(character))
        for form, character in zip([*forms, *["{0}"] * len(KEY)], KEY, strict=False)
    )
    assert Secrets(KEY).redact(f"({written})") == "([secret])"


@given(any_text)
@example("100 % & <b>&nbsp;\\d %41 \\u0041 &amp; &#65 &lt;")
def test_a_text_without_a_secret_is_left_as_it_is(text: str) -> None:
    assert Secrets("this is in no text").redact(text) == text


def test_a_secret_that_looks_like_an_escape_is_found_as_it_is() -> None:
    assert Secrets("a%41b").redact("x a%41b y") == "x [secret] y"
    assert Secrets("a%41b").redact("x aAb y") == "x [secret] y"
    assert Secrets("41bcdefgh").redact("%41bcdefgh") == "%[secret]"


def test_a_short_secret_does_not_hide_every_text_that_has_its_code() -> None:
    assert Secrets("1").redact("HTTP 31") == "HTTP 3[secret]"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  no such key \n", "no such key"),
        (f"no {KEY}\x1b[2J", r"no [secret]\x1b[2J"),
        ("x" * 300, "x" * 199 + "…"),
        (f"{KEY} " * 40, ("[secret] " * 40)[:199] + "…"),
        ("", ""),
    ],
)
def test_what_a_server_says_is_one_short_safe_line_without_secrets(text: str, shown: str) -> None:
    assert Secrets(KEY).said(text) == shown


def test_a_secret_at_the_end_of_what_is_looked_at_is_not_cut_in_two() -> None:
    secret = "s" * 40_000
    assert Secrets(secret).said(f"{secret} {secret} and more") == "[secret]"


def test_a_long_answer_is_looked_at_in_bounded_time() -> None:
    assert Secrets(KEY).said("%41 \\u0041 &amp; " * 1_000_000, columns=11) == r"%41 \u0041…"


@pytest.mark.parametrize(
    ("exc", "shown"),
    [(ValueError("a\nb"), r"a\x0ab"), (ValueError("  "), "ValueError"), (TimeoutError(), "TimeoutError")],
)
def test_an_exception_is_told_in_one_line(exc: Exception, shown: str) -> None:
    assert one_line(exc) == shown
