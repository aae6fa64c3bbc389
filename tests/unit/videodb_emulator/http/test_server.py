"""Planned answers; the server itself is in tests/integration/test_emulator.py and test_emulator_chaos.py."""

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from videodb_emulator.http.server import refuse
from videodb_emulator.pure.chaos import parse

REQUEST = Request({"type": "http", "method": "GET", "path": "/rtstream", "headers": []})


@pytest.mark.parametrize(
    ("plan", "code", "headers"),
    [("api:500", 500, None), ("api:429:1500ms", 429, {"Retry-After": "2"}), ("rest:503:2s", 503, {"Retry-After": "2"})],
)
def test_a_planned_answer_says_when_to_come_back_in_whole_seconds(
    plan: str, code: int, headers: dict[str, str] | None
) -> None:
    with pytest.raises(HTTPException) as caught:
        refuse(REQUEST, parse(plan)[0])
    assert (caught.value.status_code, caught.value.headers) == (code, headers)


def test_without_a_planned_answer_nothing_is_refused() -> None:
    refuse(REQUEST, None)
