"""What works on a stream: plays a script through the agenda, keeps what is final, sends what is ready."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from videodb_emulator.pure.agenda import Agenda
from videodb_emulator.pure.dialect import Dialect, Event, FiredAlert, stream_event
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import Line, Segment, segments


class Source(NamedTuple):
    """One stream as its pipelines know it: the agenda and the dialect of the backend, and what events call it."""

    agenda: Agenda
    dialect: Dialect
    rtstream_id: str
    rtstream_name: str

    def event(self, channel: str, segment: Segment, **data: Any) -> Event:
        """Return the event of a segment."""
        start, end = self._window(segment)
        data = {"text": segment.text, **data, "start": start, "end": end}
        return stream_event(channel, self.rtstream_id, self.rtstream_name, **data)

    def alert(self, index_id: str, label: str, prompt: str, segment: Segment) -> Event:
        """Return the event of an alert that fires at a segment."""
        fired = FiredAlert(self.rtstream_id, index_id, label, prompt, segment.text, *self._window(segment))
        return self.dialect.alert(fired)

    def _window(self, segment: Segment) -> tuple[float, float]:
        return self.dialect.time(segment.start_s), self.dialect.time(segment.end_s)


class Pipeline:
    """Plays the lines again and again while it runs; `publish` gets every segment, `records` keeps the final ones.

    Which comes first, and how much later the other one, is a matter of the dialect.
    """

    def __init__(
        self,
        source: Source,
        lines: Sequence[Line],
        publish: Callable[[Segment], None],
        *,
        newest_first: bool = False,
    ) -> None:
        self.records = Records(source.dialect, newest_first=newest_first)
        self._source = source
        self._lines = lines
        self._publish = publish
        self._playing: Iterator[Segment] | None = None

    @property
    def running(self) -> bool:
        """Whether segments are coming."""
        return self._playing is not None

    def start(self, now_s: float) -> None:
        """Play from the first line on, unless it runs already."""
        if self._playing is None:
            self._playing = segments(self._lines, now_s, self._source.agenda.speed)
            self._plan_next(self._playing)

    def stop(self) -> None:
        """Play no more; the line that is being said is lost."""
        self._playing = None

    def _plan_next(self, playing: Iterator[Segment]) -> None:
        segment = next(playing)

        def finish(due_s: float) -> None:
            if self._playing is playing:  # otherwise it was stopped, and perhaps started anew, since this was planned
                self._finish(segment, due_s)
                self._plan_next(playing)

        self._source.agenda.at(segment.end_s, finish)

    def _finish(self, segment: Segment, now_s: float) -> None:
        agenda, lag_s = self._source.agenda, self._source.dialect.record_lag_s
        if segment.is_final:
            agenda.after(max(0.0, lag_s), now_s, lambda _due_s: self.records.add(segment))
        agenda.after(max(0.0, -lag_s), now_s, lambda _due_s: self._publish(segment))
