"""A meeting, as its owner's script has it recorded: a session, its streams, and what is said and shown."""

from __future__ import annotations

from dataclasses import dataclass

from faults.simulation.ledger import Pipeline, Session
from faults.simulation.service import Service

SAID = (
    "yes", "no", "let us begin", "I see", "could you say that again", "the numbers are in the second table",
    "we have shipped it", "who takes this one", "next week then", "that was the plan", "I am not sure about that",
    "the customer called", "it is on my screen now", "thanks", "any other topics", "then we are done",
)  # fmt: skip
SHOWN = ("a slide with a table", "a slide with a table", "a terminal", "a browser", "a person who speaks")

LOOK_S = 0.5
"""How often an owner's script looks whether the listener is connected."""


@dataclass(frozen=True)
class Meeting:
    """What is recorded. Times are seconds after the beginning of the world.

    By default somebody speaks every four seconds, and one of two indexes has something every five.
    """

    listener: str = "laptop"  # whose connection everything is bound to
    begins: float = 1.0
    minutes: float = 30.0
    speaks_every_s: float = 8.0  # on each of the two audio streams
    shows_every_s: float = 10.0  # in each of the two indexes of the screen
    quiet: tuple[float, float] | None = None  # nothing is said between these times; None: it goes on
    stops_transcription: float | None = None  # when the owner stops that of the microphone; None: never
    rebinds_after: float | None = None  # how long after a reconnect its owner starts transcriptions anew; None: never
    owner: str = "us"

    def begin(self, service: Service) -> Occasion:
        """Have it take place."""
        play = Occasion(self, service)
        service.world.at(self.begins, play.begin)
        return play


class Occasion:
    """A meeting that takes place. `session` is None until it has been created."""

    def __init__(self, meeting: Meeting, service: Service) -> None:
        self.meeting = meeting
        self.service = service
        self.world = service.world
        self.session: Session | None = None
        self.over = False  # whether everything has happened
        self._ends = meeting.begins + meeting.minutes * 60

    def begin(self) -> None:
        """Wait for the listener, as scripts do that read its id, then create the session."""
        line = self.service.ledger.live(self.meeting.listener)
        if line is None:
            self.world.after(LOOK_S, self.begin)
            return
        session = self.session = self.service.create_session(self.meeting.owner, line.id)
        self.world.after(1.0, self.service.enter, session, "starting")
        self.world.after(2.5, self._activate, session)
        self.world.at(self._ends, self.service.enter, session, "stopping")
        self.world.at(self._ends + 4.0, self._stop, session)
        self.world.at(self._ends + self.world.dice.uniform(20, 60), self._export, session)

    def _activate(self, session: Session) -> None:
        service, owner = self.service, self.meeting.owner
        microphone = service.add_stream(owner, "mic:default", "mic", session)
        others = service.add_stream(owner, "system_audio:default", "system_audio", session)
        screen = service.add_stream(owner, "display:1", "screen", session)
        service.activate(session)
        spoken = [service.start_pipeline(stream, "transcript", "", session.bound) for stream in (microphone, others)]
        shown = [service.start_pipeline(screen, "visual_index", name, session.bound) for name in ("one", "two")]
        for pipeline in spoken:
            self.world.after(self.world.dice.uniform(0, 5), self._speak, pipeline)
        self.world.after(5.0, self._show, shown)
        if self.meeting.rebinds_after is not None:
            self._rebind(spoken, session.bound)
        if self.meeting.stops_transcription is not None:
            self.world.at(self.meeting.stops_transcription, service.stop_pipeline, spoken[0])

    def _rebind(self, pipelines: list[Pipeline], known: str) -> None:
        """Look for another connection than the one that is known, and start transcriptions for it in a while."""
        assert self.meeting.rebinds_after is not None
        line = self.service.ledger.live(self.meeting.listener)
        if line is not None and line.id != known:
            known = line.id
            for pipeline in pipelines:
                self.world.after(self.meeting.rebinds_after, self._start_anew, pipeline, known)
        if self.world.now < self._ends:
            self.world.after(LOOK_S, self._rebind, pipelines, known)

    def _start_anew(self, pipeline: Pipeline, target: str) -> None:
        if pipeline.status == "running" and self.service.ledger.manners.rebind != "reject":
            self.service.rebind(pipeline, target)
            self.world.note("owner", f"starts {pipeline} anew for {target}")

    def _speak(self, pipeline: Pipeline) -> None:
        """One utterance, which begins now, and whatever comes after it."""
        dice, now = self.world.dice, self.world.now
        length = dice.uniform(0.8, 4.0)
        if now + length > self._ends or pipeline.status != "running":
            return
        quiet = self.meeting.quiet
        if quiet is None or not quiet[0] <= now <= quiet[1]:
            text = dice.choice(SAID)
            for number in range(dice.randint(0, self.service.ledger.manners.interim)):
                self.world.after(length / 2 + number, self.service.interim, pipeline, now, now + length / 2, text[:12])
            self.service.result(pipeline, now, now + length, text)
        self.world.after(length + dice.expovariate(1 / (self.meeting.speaks_every_s - 2.4)), self._speak, pipeline)

    def _show(self, pipelines: list[Pipeline]) -> None:
        """One window of each index, which ends now; often both see the same."""
        dice, now = self.world.dice, self.world.now
        length = dice.uniform(0.5, 1.0) * self.meeting.shows_every_s
        if now > self._ends:
            return
        text = dice.choice(SHOWN)
        for pipeline in pipelines:
            if pipeline.status == "running":
                self.service.result(pipeline, now - length, now, text if dice.random() < 0.7 else dice.choice(SHOWN))
        self.world.after(self.meeting.shows_every_s, self._show, pipelines)

    def _stop(self, session: Session) -> None:
        for stream in session.streams:
            stream.status = "stopped"
            for pipeline in stream.pipelines:
                pipeline.status = "stopped"
        self.service.enter(session, "stopped")

    def _export(self, session: Session) -> None:
        self.service.export(session)
        self.over = True


def strangers(service: Service, until: float) -> None:
    """Have another owner's stream, of the same name as ours, go on until a time; nobody here listens to it."""
    stream = service.add_stream("somebody else", "mic:default", "mic")
    pipeline = service.start_pipeline(stream, "transcript", "", None)

    def speak() -> None:
        now = service.world.now
        service.result(pipeline, now, now + 2.0, service.world.dice.choice(SAID))
        if now < until:
            service.world.after(15.0, speak)

    service.world.after(3.0, speak)
