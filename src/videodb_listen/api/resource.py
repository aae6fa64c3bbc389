"""What the API sends of a thing, and the pages in which it sends many."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar, overload

import orjson

from videodb_listen.api.http import Api
from videodb_listen.errors import Unavailable

MAX_STALE_PAGES = 10
"""Pages in a row with nothing new. A few are records that moved on; so many are a server that counts no pages."""

T = TypeVar("T")


class Sent(Generic[T]):
    """A field as the server sent it, None when it sent none. The type is what its documents promise, not a check."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, resource: None, owner: type) -> Sent[T]: ...
    @overload
    def __get__(self, resource: Resource, owner: type) -> T | None: ...
    def __get__(self, resource: Resource | None, owner: type) -> Sent[T] | T | None:
        """The value in what was sent last."""
        return self if resource is None else resource.data.get(self._name)


class Resource:
    """A thing that the API knows by an id. `data` is everything it sent, fields that we know nothing of included."""

    ID_KEYS: ClassVar[tuple[str, ...]] = ("id",)

    def __init__(self, api: Api, data: Mapping[str, Any]) -> None:
        self._api = api
        self.data = dict(data)
        self.id = text_in(data, *self.ID_KEYS)

    def __repr__(self) -> str:
        said = [f"{name}={self.data[name]!r}" for name in ("name", "status") if self.data.get(name) is not None]
        return f"<{type(self).__name__} {' '.join([self.id, *said])}>"


def text_in(data: object, *keys: str) -> str:
    """The first of these fields that is a text. Raises Unavailable when none is: the API did not keep its word."""
    found = (data.get(key) for key in keys) if isinstance(data, Mapping) else ()
    for value in found:
        if isinstance(value, str) and value:
            return value
    raise Unavailable(f"the API sent no {keys[0]}")


def list_in(data: object, key: str) -> list[dict[str, Any]]:
    """The objects in the list `key`; empty when there is no such list."""
    found = data.get(key) if isinstance(data, Mapping) else None
    return [dict(one) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def given(**fields: Any) -> dict[str, Any]:
    """The fields that hold something: the API takes an empty one for a value, the official SDK leaves it out."""
    return {name: value for name, value in fields.items() if value}


def pages(fetch: Callable[[int], Any], key: str, page: int | None) -> dict[str, Any]:
    """One page as the API sends it, or with None all of them as one, with every record of the list `key`.

    Records that come while we read push earlier ones to the next page (the newest are first): one that was on a page
    before is left out. Give an end in time to read what cannot change.
    """
    if page is not None:
        return dict(fetch(page) or {})
    whole: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    seen: set[bytes] = set()
    stale = 0
    for number in itertools.count(1):
        answer = fetch(number) or {}
        marked = [(orjson.dumps(record, option=orjson.OPT_SORT_KEYS), record) for record in list_in(answer, key)]
        fresh = [(mark, record) for mark, record in marked if mark not in seen]
        seen.update(mark for mark, _ in fresh)
        records += [record for _, record in fresh]
        whole = whole or dict(answer)
        stale = 0 if fresh else stale + 1
        if not answer.get("next_page") or not marked or stale == MAX_STALE_PAGES:
            break
    return {**whole, key: records, "next_page": False}
