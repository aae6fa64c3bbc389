"""Envelopes and keys; what the routes do is in tests/integration/test_emulator_api.py."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.routing import Route

from videodb_emulator.http.operations import OPERATIONS
from videodb_emulator.http.routes import authenticate, routes, success
from videodb_emulator.pure.account import Account
from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.fields import Refusal


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": raw})


@pytest.mark.parametrize(("data", "envelope"), [(None, {"success": True}), ({}, {"success": True, "data": {}})])
def test_an_answer_without_data_has_no_such_key(data: dict[str, Any] | None, envelope: dict[str, Any]) -> None:
    assert json.loads(bytes(success(data).body)) == envelope


def test_a_message_stands_beside_the_data() -> None:
    assert json.loads(bytes(success(None, message="done").body)) == {"success": True, "message": "done"}


@pytest.mark.parametrize(("headers", "said"), [({}, "missing or empty"), ({"x_access_token": "st-guess"}, "unknown")])
def test_a_request_without_a_good_key_is_refused_with_401(headers: dict[str, str], said: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        authenticate(request(**headers), Account(Agenda()), 0.0)
    assert caught.value.status == 401


def test_blanks_around_a_key_are_no_part_of_it() -> None:
    authenticate(request(x_access_token=" sk-any "), Account(Agenda()), 0.0)


def test_every_path_has_both_spellings_and_one_method() -> None:
    found = routes(Account(Agenda()), lambda _request: None, lambda: 0.0, lambda: None)
    rows = [(one.path, tuple(one.methods - {"HEAD"})) for one in found if isinstance(one, Route) and one.methods]
    assert rows == [(one.path + slash, (one.method,)) for one in OPERATIONS for slash in ("", "/")]
