"""Text from elsewhere is shown without what steers a terminal, and without secrets."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from videodb_listen.text import one_line, redact, shorten, visible

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


@given(st.lists(st.text("ABCDEFGH0123", min_size=4), max_size=4), st.text("ABCDEFGH0123 "))
def test_no_secret_is_left_in_a_redacted_text(secrets: list[str], around: str) -> None:
    text = around.join(["x", *secrets, "y"])
    shown = redact(text, secrets)
    assert not any(secret in shown for secret in secrets)


def test_an_empty_secret_hides_nothing() -> None:
    assert redact("abc", ["", "b"]) == "a[secret]c"


@pytest.mark.parametrize("secrets", [("key", "key-and-more"), ("key-and-more", "key")])
def test_a_secret_that_is_part_of_another_leaves_no_rest_of_it(secrets: tuple[str, str]) -> None:
    assert redact("say key-and-more", secrets) == "say [secret]"


@pytest.mark.parametrize(
    ("exc", "shown"),
    [(ValueError("a\nb"), r"a\x0ab"), (ValueError("  "), "ValueError"), (TimeoutError(), "TimeoutError")],
)
def test_an_exception_is_told_in_one_line(exc: Exception, shown: str) -> None:
    assert one_line(exc) == shown
