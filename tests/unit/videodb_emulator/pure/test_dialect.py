"""What events look like in every dialect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videodb_emulator.pure.dialect import ALERT_SHAPES, Dialect, FiredAlert, session_event

FIRED = FiredAlert("rts-1", "ix-1", "secret", "look for secrets", "a key", 1000, 3000)


@pytest.mark.parametrize("field", ["time_unit", "visual_channel", "alert_shape", "rebind", "record_order", "range_by"])
def test_a_choice_that_nobody_knows_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} is 'nonsense'"):
        Dialect(**{field: "nonsense"})  # type: ignore[arg-type]


def test_a_page_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="page_cap is 0"):
        Dialect(page_cap=0)


@given(st.floats(1e9, 2e9))
def test_a_time_can_be_told_from_its_size_in_either_unit(unix_s: float) -> None:
    assert Dialect(time_unit="s").time(unix_s) == pytest.approx(unix_s, abs=0.001)
    assert Dialect(time_unit="ms").time(unix_s) == pytest.approx(unix_s * 1000, abs=1)


@pytest.mark.parametrize("shape", ALERT_SHAPES)
def test_an_alert_says_its_label_somewhere(shape: str) -> None:
    event = Dialect(alert_shape=shape).alert(FIRED)
    found = {**event, **event.get("data", {})}
    assert event["channel"] == "alert"
    assert "secret" in [found.get(name) for name in ("label", "event_label", "event_name")]


def test_the_documented_alert() -> None:
    assert Dialect().alert(FIRED) == {
        "channel": "alert",
        "rtstream_id": "rts-1",
        "data": {"label": "secret", "triggered": True, "confidence": 0.92, "start": 1000, "end": 3000},
    }


def test_a_session_event_has_its_status_where_either_reader_looks() -> None:
    event = session_event("active", "cap-1", rtstreams=[])
    assert event["event"] == "capture_session.active"
    assert event["status"] == event["data"]["status"] == "active"
