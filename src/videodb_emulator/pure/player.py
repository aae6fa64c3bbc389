"""A script on its way through the agenda, for one stream."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect, Event, stream_event
from videodb_emulator.pure.script import Line, Moment, moments


class Studio(NamedTuple):
    """Where a pipeline works: the agenda and the dialect of the backend, and the stream as events name it."""

    agenda: Agenda
    dialect: Dialect
    rtstream_id: str
    rtstream_name: str

    def event(self, channel: str, moment: Moment, **data: Any) -> Event:
        """Return the event that tells of a moment."""
        window = {"start": self.dialect.time(moment.start_s), "end": self.dialect.time(moment.end_s)}
        return stream_event(channel, self.rtstream_id, self.rtstream_name, text=moment.text, **data, **window)


class Player:
    """Plays the lines again and again while it runs; `hear` gets every moment when it is ready."""

    def __init__(self, agenda: Agenda, lines: Sequence[Line], hear: Callable[[Moment], None]) -> None:
        self._agenda = agenda
        self._lines = lines
        self._hear = hear
        self._run: Iterator[Moment] | None = None

    def __repr__(self) -> str:
        return f"<Player: {'running' if self.running else 'stopped'}>"

    @property
    def running(self) -> bool:
        """Whether moments are coming."""
        return self._run is not None

    def start(self, now_s: float) -> None:
        """Play from the first line on, unless it plays already."""
        if self._run is None:
            self._run = moments(self._lines, now_s, self._agenda.speed)
            self._plan(self._run)

    def stop(self) -> None:
        """Play no more; the line that is being said is lost."""
        self._run = None

    def _plan(self, run: Iterator[Moment]) -> None:
        moment = next(run)

        def happen(_due_s: float) -> None:
            if self._run is run:  # otherwise it was stopped, and perhaps started anew, since this was planned
                self._hear(moment)
                self._plan(run)

        self._agenda.at(moment.end_s, happen)
