"""What the API sent of a thing: its id by any of its names, its fields, and nothing that it did not send."""

from __future__ import annotations

from typing import Any

import pytest

from videodb_listen.api.http import Api
from videodb_listen.api.resource import Resource, Sent, given, list_in, text_in
from videodb_listen.errors import Unavailable


class Thing(Resource):
    """A thing with two names for its id."""

    ID_KEYS = ("thing_id", "id")
    size = Sent[int]()


@pytest.mark.parametrize("sent", [{"thing_id": "t-1"}, {"id": "t-1"}, {"thing_id": None, "id": "t-1"}])
def test_an_id_goes_by_any_of_its_names(api: Api, sent: dict[str, Any]) -> None:
    assert Thing(api, sent).id == "t-1"


@pytest.mark.parametrize("sent", [{}, {"thing_id": ""}, {"id": 7}])
def test_a_thing_without_an_id_is_none(api: Api, sent: dict[str, Any]) -> None:
    with pytest.raises(Unavailable, match="the API sent no thing_id"):
        Thing(api, sent)


def test_a_field_is_what_was_sent_and_none_when_it_was_not(api: Api) -> None:
    assert Thing(api, {"id": "t-1"}).size is None
    thing = Thing(api, {"id": "t-1", "size": 3, "new": "field"})
    assert thing.size == 3
    assert thing.data["new"] == "field"


def test_a_thing_shows_its_id_its_name_and_its_state(api: Api) -> None:
    assert repr(Thing(api, {"id": "t-1", "name": "n", "status": None})) == "<Thing t-1 name='n'>"


def test_only_objects_are_listed() -> None:
    assert list_in({"a": [{"b": 1}, None, 7]}, "a") == [{"b": 1}]
    assert list_in({"a": {"b": 1}}, "a") == list_in({}, "a") == list_in(None, "a") == []
    with pytest.raises(Unavailable):
        text_in(None, "a")


def test_an_empty_field_is_not_given() -> None:
    assert given(a="x", b="", c=None, d={}) == {"a": "x"}
