"""Indexes of a stream, and the alerts that fire in them.

Nothing ever moves an index or an alert to another connection id: no request of the API can. If the connection is
closed, its events are lost and the records stay.
"""

from dataclasses import dataclass, field
from typing import Any

from videodb_emulator.pure.fields import Fields, Refusal
from videodb_emulator.pure.pipeline import Pipeline, Source
from videodb_emulator.pure.script import SCENES, SUMMARIES, Segment

_OF_SOUND = "transcript"
_EXTRACTIONS = frozenset({"time", "time_based", "shot", _OF_SOUND})  # "time_based" is the node SDK's word for "time"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to look out for, in words."""

    event_id: str
    event_prompt: str
    label: str


@dataclass(slots=True)
class Alert:
    """An event that is looked for in one index, for a connection or nobody (None); the callback is never called."""

    alert_id: str
    event: Event
    callback_url: str
    connection_id: str | None
    enabled: bool = True

    def body(self) -> dict[str, Any]:
        """Return what a listing says of it."""
        return {
            "alert_id": self.alert_id,
            "event_id": self.event.event_id,
            "prompt": self.event.event_prompt,
            "label": self.event.label,
            "callback_url": self.callback_url,
            "status": "enabled" if self.enabled else "disabled",
        }


@dataclass(slots=True)
class SceneIndex:
    """An index of the picture, or of the sound if the extraction type is `transcript`."""

    source: Source
    index_id: str
    extraction_type: str
    extraction_config: dict[str, str]
    prompt: str | None
    name: str | None
    sandbox_id: str | None
    connection_id: str | None
    alerts: dict[str, Alert] = field(default_factory=dict, init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        lines = SUMMARIES if self.extraction_type == _OF_SOUND else SCENES
        self.pipeline = Pipeline(self.source, lines, self._publish, newest_first=True)

    @property
    def channel(self) -> str:
        """The channel of its events."""
        return "audio_index" if self.extraction_type == _OF_SOUND else self.source.dialect.visual_channel

    def body(self) -> dict[str, Any]:
        """Return what REST says of it; the connection id is no part of that."""
        return {
            "rtstream_index_id": self.index_id,
            "extraction_type": self.extraction_type,
            "extraction_config": self.extraction_config,
            "prompt": self.prompt,
            "name": self.name,
            "sandbox_id": self.sandbox_id,
            "status": "running" if self.pipeline.running else "stopped",
        }

    def page(self, query: Fields) -> dict[str, Any]:
        """Return a page of records, newest first as in recorded answers unless the dialect says otherwise."""
        page = self.pipeline.records.page(query)
        records = [{"start": one.start_s, "end": one.end_s, "description": one.text} for one in page.records]
        return {"scene_index_records": records, "next_page": page.more}

    def switch_alert(self, alert_id: str, *, enabled: bool) -> None:
        """Enable or disable an alert; raise `Refusal` 404 if there is none of that id."""
        if alert_id not in self.alerts:
            raise Refusal(404, f"alert {alert_id} not found")
        self.alerts[alert_id].enabled = enabled

    def _publish(self, segment: Segment) -> None:
        if not segment.is_final:
            return
        agenda = self.source.agenda
        agenda.send(self.connection_id, self.source.event(self.channel, segment))
        for alert in self.alerts.values():
            if segment.fires_alerts and alert.enabled:
                fired = self.source.alert(self.index_id, alert.event.label, alert.event.event_prompt, segment)
                agenda.send(alert.connection_id, fired)


def index_of(source: Source, index_id: str, request: Fields) -> SceneIndex:
    """Make the index that a request describes; raise `Refusal` 400 if it describes none."""
    config = request.object("extraction_config")
    return SceneIndex(
        source=source,
        index_id=index_id,
        extraction_type=request.one_of("extraction_type", _EXTRACTIONS, "time"),
        extraction_config={name: str(value) for name, value in config.items()},  # recorded answers hold texts
        prompt=request.optional_text("prompt"),
        name=request.optional_text("name"),
        sandbox_id=request.optional_text("sandbox_id"),
        connection_id=request.optional_text("ws_connection_id"),
    )
