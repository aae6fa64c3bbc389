"""What the journal and the state of an earlier run say of the time in which nobody listens."""

from __future__ import annotations

from typing import Any

import pytest

from videodb_listen.listener.predecessor import Blind, Predecessor
from videodb_listen.presence import State

T = 1772446530.0


def record(event: str, after_s: float, **fields: Any) -> dict[str, Any]:
    return {"event": event, "unix_ts": T + after_s, "ws_id": None} | fields


def connected(after_s: float, ws_id: str = "abc") -> dict[str, Any]:
    return record("connected", after_s, ws_id=ws_id)


def stopped(after_s: float, proof_s: float | None = None) -> dict[str, Any]:
    return record("stopped", after_s, **({} if proof_s is None else {"last_proof_unix_ts": T + proof_s}))


def state(phase: str, ws_id: str | None = None, **moments: float) -> State:
    return State(phase=phase, ws_id=ws_id, **{f"{name}_unix_ts": T + at_s for name, at_s in moments.items()})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "left", "crashed", "blind"),
    [
        # nobody was here, or nobody ever listened
        ([], None, False, None),
        ([], state("starting"), True, None),
        ([stopped(5)], state("stopped"), False, None),
        # a clean stop says when it was
        (
            [connected(0), stopped(9, 9)],
            state("stopped", connected=0, last_pong=8),
            False,
            Blind(T + 9, "abc", "stopped"),
        ),
        ([connected(0), stopped(9)], None, False, Blind(T + 9, "abc", "stopped")),
        # one without a connection: blind since that was lost
        (
            [connected(0), record("lost", 5), stopped(9, 4)],
            state("stopped", connected=0, last_pong=4),
            False,
            Blind(T + 4, "abc", "stopped"),
        ),
        # a crash: the last proof, wherever that is known from
        ([connected(0)], state("connected", "abc", connected=0), True, Blind(T, "abc", "crashed")),
        ([connected(0)], state("connected", "abc", connected=0, last_pong=7), True, Blind(T + 7, "abc", "crashed")),
        ([connected(0)], state("connected", "abc", connected=0, last_event=8), True, Blind(T + 8, "abc", "crashed")),
        ([connected(0)], state("stopping", connected=0, last_event=8), True, Blind(T + 8, "abc", "crashed")),
        ([connected(0), record("lost", 5)], state("reconnecting", connected=0), True, Blind(T, "abc", "crashed")),
        ([connected(0)], None, True, Blind(T, "abc", "crashed")),
        ([], state("connected", "abc", connected=0), True, Blind(T, "abc", "crashed")),
        # the run between never listened: what was known before it still holds
        ([connected(0), stopped(9, 9)], state("starting"), True, Blind(T + 9, "abc", "crashed")),
        (
            [connected(0), record("crashed", 20, last_proof_unix_ts=T + 8)],
            state("starting"),
            True,
            Blind(T + 8, "abc", "crashed"),
        ),
        (
            [connected(0), record("crashed", 20, last_proof_unix_ts=T + 8), stopped(21, 8)],
            state("stopped"),
            False,
            Blind(T + 8, "abc", "stopped"),
        ),
        # the newest connection counts
        ([connected(0, "old"), connected(5, "new")], None, True, Blind(T + 5, "new", "crashed")),
        # damage in the journal
        ([connected(0), {"event": "stopped"}, {"odd": 1}], None, True, Blind(T, "abc", "crashed")),
    ],
)
def test_nobody_listens_since_the_last_proof_of_life(
    records: list[dict[str, Any]], left: State | None, crashed: bool, blind: Blind | None
) -> None:
    assert Predecessor.of(records, left) == Predecessor(crashed, blind)
