"""What the API sends of a thing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar, overload

from videodb_listen.api.blocking import blocking
from videodb_listen.api.http import Api
from videodb_listen.errors import Unavailable

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
        self.api = api
        self.data = dict(data)
        self.id = text_in(data, *self.ID_KEYS)

    def __repr__(self) -> str:
        said = [f"{name}={self.data[name]!r}" for name in ("name", "status") if self.data.get(name) is not None]
        return f"<{type(self).__name__} {' '.join([self.id, *said])}>"


class Switched(Resource):
    """A thing that works until it is stopped. `_switch` is the path of its status."""

    @property
    def _switch(self) -> tuple[str, ...]:
        raise NotImplementedError

    @blocking
    async def start(self) -> None:
        """Go on: connect to the source, describe it."""
        await self._act("start", "connected")

    @blocking
    async def stop(self) -> None:
        """Work no more; what there is stays."""
        await self._act("stop", "stopped")

    async def _act(self, action: str, status: str) -> None:
        await self.api.patch(*self._switch, body={"action": action})
        self.data["status"] = status  # the answer names none; these are the words of the official SDK


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
