"""What is said and seen on every stream of the emulator, and when: lists of lines, repeated without end."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

SHORTEST_S = 0.02
"""No line is shorter at any speed; otherwise an endless script would leave no time for anything else."""


class Line(NamedTuple):
    """A sentence, how many seconds it takes at speed 1, and whether alerts fire at it.

    The emulator cannot understand what the prompt of an event asks for: alerts fire at the lines that say so.
    """

    lasts_s: float
    text: str
    fires_alerts: bool = False


class Segment(NamedTuple):
    """A piece of a transcript or an index, ready at `end_s`; times are unix seconds. An interim one is half a line."""

    start_s: float
    end_s: float
    text: str
    is_final: bool
    fires_alerts: bool


def segments(lines: Sequence[Line], began_s: float, speed: float) -> Iterator[Segment]:
    """Play the lines again and again: of each first the interim half, then the whole.

    `began_s` is unix time in seconds; `speed` divides every duration and is positive.
    """
    start_s = began_s
    for line in cycle(lines):
        lasts_s = max(line.lasts_s / speed, SHORTEST_S)
        words = line.text.split()
        half = " ".join(words[: (len(words) + 1) // 2])
        yield Segment(start_s, start_s + lasts_s / 2, half, is_final=False, fires_alerts=False)
        yield Segment(start_s, start_s + lasts_s, line.text, is_final=True, fires_alerts=line.fires_alerts)
        start_s += lasts_s


SPEECH = (
    Line(2.0, "Good morning, can everybody hear me?"),
    Line(3.0, "Zoë, would you walk us through the numbers of last week?"),
    Line(4.0, "Sign-ups are up by eleven percent, and churn stayed where it was."),
    Line(2.5, "Nice. And what about the outage on Tuesday?"),
    Line(4.5, "A certificate had expired; the renewal is automatic from now on."),
    Line(3.0, "Then let us plan the release for Thursday.", fires_alerts=True),
    Line(2.0, "Fine with me 👍 I will write it down."),
)
"""What a transcript says."""

SUMMARIES = (
    Line(8.0, "The participants greet each other and turn to the weekly numbers."),
    Line(8.0, "Sign-ups grew; an outage is explained by an expired certificate."),
    Line(8.0, "The release is agreed for Thursday.", fires_alerts=True),
)
"""What an index of the sound says."""

SCENES = (
    Line(4.0, "A slide titled 'Weekly numbers' with a rising line chart."),
    Line(4.0, "A terminal shows a log; one line about a certificate is marked."),
    Line(4.0, "A settings page with an access key in plain sight.", fires_alerts=True),
    Line(4.0, "A calendar, the cursor rests on Thursday."),
)
"""What an index of the picture says."""
