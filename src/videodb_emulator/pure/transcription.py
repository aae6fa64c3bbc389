"""The transcription of a stream.

The connection id that it is given is never checked: if that connection is closed, or never was, the events are lost
and the records stay.
"""

from typing import Any

from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.ids import iso
from videodb_emulator.pure.player import Player, Studio
from videodb_emulator.pure.records import Records
from videodb_emulator.pure.script import SPEECH, Moment

_ONE_ENGINE = frozenset({"default", "assemblyai", "AAIS"})
"""Names that openapi.yaml, the SDK's docstrings and the node SDK use for the same engine."""


class Transcription:
    """It exists with its stream, and runs when it is started."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._player = Player(studio.agenda, SPEECH, self._hear)
        self._records = Records()
        self._connection_id: str | None = None
        self._engine = "assemblyai"
        self._created_at: str | None = None
        self._updated_at: str | None = None

    def __repr__(self) -> str:
        return f"<Transcription of {self._studio.rtstream_id}: {self.status}>"

    @property
    def status(self) -> str:
        """Running, stopped, or not_configured if it never ran."""
        if self._player.running:
            return "running"
        return "stopped" if self._created_at else "not_configured"

    def start(self, request: Fields, now_s: float) -> dict[str, Any]:
        """Start, or do what the dialect says about a second start; raise `Refusal` 400 if that is to refuse.

        A second start without a connection id moves nothing.
        """
        connection_id = request.optional_text("ws_connection_id")
        rebind = self._studio.dialect.rebind
        if not self._player.running:
            self._connection_id = connection_id
            self._engine = request.optional_text("engine") or self._engine
        elif rebind == "reject":
            raise Refusal(400, "transcription is running already")
        elif rebind == "allow" and connection_id is not None:
            self._connection_id = connection_id
        self._player.start(now_s)
        return self._changed(now_s)

    def stop(self, now_s: float) -> dict[str, Any]:
        """Stop; the records stay."""
        self._player.stop()
        return self._changed(now_s)

    def _changed(self, now_s: float) -> dict[str, Any]:
        self._updated_at = iso(now_s)
        self._created_at = self._created_at or self._updated_at
        return {"status": self.status, "engine": self._engine, "updated_at": self._updated_at}

    def state(self) -> dict[str, Any]:
        """Return the answer to a question for its status."""
        times = {"created_at": self._created_at, "updated_at": self._updated_at}
        return {"status": self.status, "engine": self._engine, "language": "en", **times}

    def page(self, query: Fields) -> dict[str, Any]:
        """Return a page of final lines, oldest first; another engine has none. Raises `Refusal` 400."""
        engine = query.optional_text("engine") or self._engine
        mine = engine == self._engine or {engine, self._engine} <= _ONE_ENGINE
        page = (self._records if mine else Records()).page(query)
        return {
            "transcription_records": [_record(moment) for moment in page.records],
            "next_page": page.more,
            "total_count": page.total,
            "page": page.number,
            "page_size": page.size,
        }

    def _hear(self, moment: Moment) -> None:
        if moment.is_final:
            self._records.add(moment)
        said = self._studio.event("transcript", moment, is_final=moment.is_final)
        self._studio.agenda.send(self._connection_id, said)


def _record(moment: Moment) -> dict[str, Any]:
    """Return what REST says of a final line; its words share its time evenly."""
    words = moment.text.split()
    each_s = (moment.end_s - moment.start_s) / len(words)
    begins_s = [round(moment.start_s + number * each_s, 3) for number in range(len(words) + 1)]
    timestamps = [
        {"word": word, "start": start_s, "end": end_s}
        for word, start_s, end_s in zip(words, begins_s, begins_s[1:], strict=False)
    ]
    return {"start": moment.start_s, "end": moment.end_s, "text": moment.text, "word_timestamps": timestamps}
