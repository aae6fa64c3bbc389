"""What a request says, read with its types; what is wrong with it becomes an answer, never a failure of ours."""

import json
import math
from collections.abc import Container, Mapping
from typing import Any


class Refusal(Exception):
    """A request that is not granted: an HTTP status from 400 to 499 and a message for the error envelope."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Fields:
    """The named values of a JSON object, a query or a path.

    A value that is null or an empty text counts as absent: clients send either for "none" (videodb 0.5.1 sends
    `"name": null` with an index and `"callback_url": ""` with an alert). Every method raises `Refusal` 400 for a
    value of another type.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = {name: value for name, value in values.items() if value not in (None, "")}

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.optional_text(name)
        if value is None:
            raise Refusal(400, f"{name} is required")
        return value

    def optional_text(self, name: str) -> str | None:
        """Return a text; None if it is absent."""
        value: str | None = self._typed(name, str, "a text")
        return value

    def one_of(self, name: str, known: Container[str], default: str | None = None) -> str:
        """Return one of the known words; absent it is `default`, or required if that is None."""
        value = self.text(name) if default is None else self.optional_text(name) or default
        if value not in known:
            raise Refusal(400, f"{name} is {value!r}, which is none of those known")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a boolean."""
        value = self._typed(name, bool, "true or false")
        return default if value is None else value

    def number(self, name: str) -> float | None:
        """Return a number, which a query spells as text; None if it is absent."""
        value = self._values.get(name)
        try:
            number = math.nan if isinstance(value, bool) else float(0 if value is None else value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            raise Refusal(400, f"{name} is {value!r}, not a number")
        return None if value is None else number

    def whole(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return an integer from `low` to `high`."""
        number = self.number(name)
        if number is None:
            return default
        if not (number.is_integer() and low <= number <= high):
            raise Refusal(400, f"{name} is {self._values[name]!r}, not an integer from {low} to {high}")
        return int(number)

    def object(self, name: str) -> dict[str, Any]:
        """Return a JSON object; an empty one if it is absent."""
        return self._typed(name, dict, "an object") or {}

    def objects(self, name: str) -> list["Fields"]:
        """Return a list of objects with at least one entry."""
        entries = self._typed(name, list, "a list") or []
        if not entries or not all(isinstance(entry, dict) for entry in entries):
            raise Refusal(400, f"{name} must be a list of objects, and not an empty one")
        return [Fields(entry) for entry in entries]

    def texts(self, name: str, known: Container[str], default: list[str]) -> list[str]:
        """Return a list of known words; `default` if it is absent."""
        entries = self._typed(name, list, "a list") or default
        if not all(isinstance(entry, str) and entry in known for entry in entries):
            raise Refusal(400, f"{name} is {entries!r}, of which not all are known")
        return entries

    def _typed(self, name: str, kind: type, what: str) -> Any:
        value = self._values.get(name)
        if value is not None and not isinstance(value, kind):
            raise Refusal(400, f"{name} is {value!r}, not {what}")
        return value


def parse(body: bytes) -> Fields:
    """Read a JSON object; no body at all is an object without fields.

    Raises `Refusal` 400, also for what could not be given back as JSON: half a surrogate pair, a number beyond a
    float, nesting without end.
    """
    try:
        document = json.loads(body or b"{}")
        json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise Refusal(400, "the body is not a JSON object")
    return Fields(document)
