"""What was handed out to whom, and what of it is done. Pure: rules over one small state, no file and no clock.

The places of the two histories stand before the first item that is not done. Behind them, in a group, `done` says which
items are, and each batch in `out` which ones somebody has. Whatever is in neither was never handed out.

| rule | why |
|---|---|
| a batch is done when it is acknowledged, and never because it was shown | what a harness cut off was not read |
| who asks again without a word of its batch gets that very batch | it was lost on its way, or its reader was |
| a batch of somebody else comes free when its lease is over, under another token | the dead do not acknowledge |
| in a group, a stream of which somebody has items is left alone | else what comes later would be done first |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from videodb_listen.errors import Usage
from videodb_listen.reader.history import Place

VERSION = 1

_REMEMBERED = 64  # tokens: an acknowledgement that is said twice, since its answer was lost, is no mistake


@dataclass(slots=True)
class Out:
    """A batch that somebody called `name` has until `until_unix_ts`.

    In a group all of it is of one `stream`. Otherwise nobody else has anything, and `ends` are the places behind it.
    """

    token: str
    name: str
    until_unix_ts: float
    stream: str | None
    spots: list[str]
    ends: list[Place] | None


@dataclass(slots=True)
class Ledger:
    """The state of one feed."""

    places: list[Place]
    done: set[str] = field(default_factory=set)
    out: list[Out] = field(default_factory=list)
    acked: list[str] = field(default_factory=list)  # tokens, the newest last

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Ledger:
        """The ledger that `as_dict` made `content` of. Raises ValueError, KeyError or TypeError when it did not."""
        out = [Out(**{**batch, "ends": batch["ends"] and _places(batch["ends"])}) for batch in content["out"]]
        return cls(_places(content["places"]), set(content["done"]), out, list(content["acked"]))

    def as_dict(self) -> dict[str, Any]:
        """The object in the file."""
        return {
            "version": VERSION,
            "places": [asdict(place) for place in self.places],
            "done": sorted(self.done),
            "out": [asdict(batch) for batch in self.out],
            "acked": self.acked,
        }

    @property
    def handed(self) -> set[str]:
        """The spots of what somebody has."""
        return {spot for batch in self.out for spot in batch.spots}

    def owed(self, name: str, now_s: float) -> Out | None:
        """The batch that `name` is to get before anything else: its own, or one whose lease is over; None: none is."""
        mine = [batch for batch in self.out if batch.name == name]
        free = [batch for batch in self.out if batch.until_unix_ts <= now_s]
        return next(iter([*mine, *free]), None)

    def lend(self, batch: Out, name: str, token: str, until_s: float) -> None:
        """Let `name` have `batch` until then. Somebody else's gets the new token: the old one is worth nothing more."""
        if batch.name != name:
            batch.token, batch.name = token, name
        batch.until_unix_ts = until_s

    def acknowledge(self, name: str, token: str) -> bool:
        """Whether the batch of this token is done now; False: it was already.

        Raises Usage for a token that is not `name`'s, or no more.
        """
        if token in self.acked:
            return False
        batch = next((batch for batch in self.out if (batch.token, batch.name) == (token, name)), None)
        if batch is None:
            raise Usage(
                f"the token {token!r} is unknown, or its lease was over and another has the batch",
                fix=f"ask without --ack for what is not done: videodb-listen feed {name}",
            )
        self.out.remove(batch)
        if batch.ends is None:
            self.done.update(batch.spots)
        else:
            self.places = batch.ends  # what the filters left out among it is passed as well
        self.acked = [*self.acked, token][-_REMEMBERED:]
        return True


def _places(content: Iterable[Mapping[str, Any]]) -> list[Place]:
    return [Place(place["after"], place["head"], int(place["offset"])) for place in content]
