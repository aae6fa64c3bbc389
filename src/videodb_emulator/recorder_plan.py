"""What is the matter with the emulator's recorder: a plan like `no-display,crash-after:2s`."""

from dataclasses import dataclass, replace

from videodb_emulator.pure.chaos import seconds


class PlanError(ValueError):
    """A plan cannot be understood; the message names the entry."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is the matter with the recorder. `crash_after_s` counts from the start of a recording; None: it lives."""

    no_permission: bool = False
    no_display: bool = False
    silent: bool = False
    garbage: bool = False
    both_spellings: bool = False
    crash_after_s: float | None = None


FLAGS = ("no-permission", "no-display", "silent", "garbage", "both-spellings")


def parse(text: str) -> Plan:
    """Read a plan like `no-display,crash-after:2s`; an empty one has no faults. Raises `PlanError`."""
    plan = Plan()
    for entry in filter(None, (entry.strip() for entry in text.split(","))):
        name, _, argument = entry.partition(":")
        try:
            if name == "crash-after":
                plan = replace(plan, crash_after_s=seconds(argument))
                continue
        except ValueError as error:
            raise PlanError(f"{entry!r}: {error}, write it as crash-after:2s") from error
        if entry not in FLAGS:
            raise PlanError(f"{entry!r} is no fault; known: {', '.join(FLAGS)}, crash-after:TIME")
        plan = replace(plan, **{name.replace("-", "_"): True})
    return plan
