"""Where the lines of a listener's last run begin, in any file of a history.

Within one run no stamp is smaller than the one before. Bisection and the search for damage both rest on that, so both
have to know which lines those are. A listener publishes two facts when it begins: the newest generation that is there
(`run_after`), and how far the events file behind it is filled (`run_from`). Afterwards the files move on under it: its
file becomes a generation, more of them follow, and the oldest are removed, `run_after` itself among them. What holds
through all of that is the order of the stamps in their names, and it is all that the rule below looks at.
"""

from __future__ import annotations

from dataclasses import dataclass

from videodb_listen.presence import State


@dataclass(frozen=True, slots=True)
class Run:
    """Where a listener's run began: `offset` bytes into the first file after the generation `after`."""

    after: str | None
    offset: int

    @classmethod
    def of(cls, state: State | None) -> Run | None:
        """The run that the state file tells of; None when it tells of none."""
        return None if state is None or state.run_from is None else cls(state.run_after, state.run_from)

    def begins_in(self, stamp: str | None, after: str | None) -> int | None:
        """Where its lines begin in one file, in bytes; None when the file is older than the run.

        The file is the generation `stamp` (None: the events file); the one before it is `after`, as far as that was
        still there (None: there was none). The run has to be known before the file was opened: what is the events file
        now can be an old generation to a run that begins later.
        """
        if stamp is not None and self.after is not None and stamp <= self.after:
            return None
        is_first = after is None or (self.after is not None and after <= self.after)
        return self.offset if is_first else 0
