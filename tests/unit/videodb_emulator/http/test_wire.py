"""Messages as frames; what happens to them on a connection is in tests/integration/test_emulator_chaos.py."""

from videodb_emulator.http.wire import encode


def test_an_event_is_a_text_and_anything_else_is_a_frame_as_it_is() -> None:
    assert [encode({"t": "Zoë"}), encode("{ }"), encode(b"\xff")] == ['{"t": "Zoë"}', "{ }", b"\xff"]


def test_half_a_surrogate_pair_travels_as_an_escape() -> None:
    assert encode({"t": "\ud83d"}) == '{"t": "\\ud83d"}'
