"""What the run before ours left behind: how it ended, and since when nobody listens.

Between two runs lies an interval in which events went to nobody. A clean stop says when it began. A crash says nothing,
so it began when that run last gave a proof of life; earlier than the truth is always safe. The journal has what was
known when something changed, the state what was known a second before the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from videodb_listen.event import seconds
from videodb_listen.presence import State


@dataclass(frozen=True, slots=True)
class Blind:
    """Nobody listens since `since_s` (unix seconds), the last proof that the connection `ws_id` lived.

    `why`: it was `lost`, we were `stopped`, or we `crashed`. `ws_id` is None where it is not known any more.
    """

    since_s: float
    ws_id: str | None
    why: str


@dataclass(frozen=True, slots=True)
class Predecessor:
    """The run before ours. `blind` is None when nobody ever listened."""

    crashed: bool
    blind: Blind | None

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], state: State | None) -> Self:
        """What the newest `records` of the journal and the last state say; None: there is none that can be read."""
        ended = records[-1].get("event") if records else "stopped"
        if state is not None:  # nearer to the end
            ended = state.phase
        blind: Blind | None = None
        for record in records:
            blind = _followed(blind, record)
        if state is not None and (proof_s := _proof_s(state)):
            known = blind or Blind(proof_s, None, "stopped")
            blind = replace(known, since_s=max(known.since_s, proof_s), ws_id=state.ws_id or known.ws_id)
        if blind is not None and ended != "stopped":
            blind = replace(blind, why="crashed")
        return cls(ended != "stopped", blind)


def _followed(blind: Blind | None, record: Mapping[str, Any]) -> Blind | None:
    """What is known after one more record of the journal."""
    kind, at_s = record.get("event"), seconds(record.get("unix_ts"))
    if kind == "connected" and at_s is not None:
        return Blind(at_s, str(record.get("ws_id")), "lost")
    if blind is not None and at_s is not None and kind in ("stopped", "crashed"):
        return replace(blind, since_s=seconds(record.get("last_proof_unix_ts")) or at_s, why=str(kind))
    return blind


def _proof_s(state: State) -> float:
    """When a connection of that run was last known to live; 0: never."""
    return max(state.connected_unix_ts or 0.0, state.last_pong_unix_ts or 0.0, state.last_event_unix_ts or 0.0)
