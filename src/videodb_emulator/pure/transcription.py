"""The transcription of a stream.

The connection id that it is given is never checked: if that connection is closed, or never was, the events are lost
and the records stay.
"""

from typing import Any

from videodb_emulator.pure.dialect import REBINDS
from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.ids import iso
from videodb_emulator.pure.pipeline import Pipeline, Source
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import SPEECH, Segment

_ONE_ENGINE = frozenset({"default", "assemblyai", "AAIS"})
"""Names that openapi.yaml, the SDK's docstrings and the node SDK use for the same engine."""


class Transcription:
    """It exists with its stream, and runs when it is started."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._pipeline = Pipeline(source, SPEECH, self._publish)
        self._connection_ids: list[str] = []
        self._engine = "assemblyai"
        self._created_at: str | None = None
        self._updated_at: str | None = None

    @property
    def status(self) -> str:
        """Running, stopped, or not_configured if it never ran."""
        if self._pipeline.running:
            return "running"
        return "stopped" if self._created_at else "not_configured"

    def start(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Start, or do what the dialect says about a second start; raise `Refusal` 400 if that is to refuse.

        A second start without a connection id moves nothing.
        """
        connection_id, rebind = request.optional_text("ws_connection_id"), REBINDS[self._source.dialect.rebind]
        if not self._pipeline.running:
            self._connection_ids = [connection_id] if connection_id else []
            self._engine = request.optional_text("engine") or self._engine
            self._created_at = self._created_at or iso(now_s)
        elif rebind is None:
            raise Refusal(400, "transcription is running already")
        elif connection_id is not None:
            self._connection_ids = rebind(self._connection_ids, connection_id)
        self._pipeline.start(now_s)
        return self._changed(now_s)

    def stop(self, now_s: float) -> dict[str, Any]:
        """Stop; the records stay."""
        self._pipeline.stop()
        return self._changed(now_s)

    def _changed(self, now_s: float) -> dict[str, Any]:
        self._updated_at = iso(now_s)
        return {"status": self.status, "engine": self._engine, "updated_at": self._updated_at}

    def state(self) -> dict[str, Any]:
        """Return the answer to a question for its status."""
        times = {"created_at": self._created_at, "updated_at": self._updated_at}
        return {"status": self.status, "engine": self._engine, "language": "en", **times}

    def page(self, query: Fields) -> dict[str, Any]:
        """Return a page of final lines, oldest first unless the dialect says otherwise; another engine has none."""
        engine = query.optional_text("engine") or self._engine
        mine = engine == self._engine or {engine, self._engine} <= _ONE_ENGINE
        page = (self._pipeline.records if mine else Records(self._source.dialect)).page(query)
        return {
            "transcription_records": [_record(segment) for segment in page.records],
            "next_page": page.more,
            "total_count": page.total,
            "page": page.number,
            "page_size": page.size,
        }

    def _publish(self, segment: Segment) -> None:
        event = self._source.event("transcript", segment, is_final=segment.is_final)
        for connection_id in self._connection_ids:
            self._source.agenda.send(connection_id, event)


def _record(segment: Segment) -> dict[str, Any]:
    """Return what REST says of a final line; its words share its time evenly."""
    words = segment.text.split()
    each_s = (segment.end_s - segment.start_s) / len(words)
    begins_s = [round(segment.start_s + number * each_s, 3) for number in range(len(words) + 1)]
    timestamps = [
        {"word": word, "start": start_s, "end": end_s}
        for word, start_s, end_s in zip(words, begins_s, begins_s[1:], strict=False)
    ]
    return {"start": segment.start_s, "end": segment.end_s, "text": segment.text, "word_timestamps": timestamps}
