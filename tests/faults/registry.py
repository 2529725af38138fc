"""The scenarios, in the catalogue's order."""

from dataclasses import dataclass

SCENARIOS = []

# What the gateway is set to: with the catalogue's own baseline (2 retries, a timeout of 30 s, one fallback), and without any timeout.
MODES = {
    "default": {"timed": True, "commit": "first_token"},
    "complete": {"timed": True, "commit": "complete"},
    "untimed": {"timed": False, "commit": "first_token"},
    "untimed-complete": {"timed": False, "commit": "complete"},
}


@dataclass(frozen=True)
class Scenario:
    """One line of the catalogue."""

    id: str
    what: str
    play: object
    modes: tuple
    alone: bool


def scenario(name, what, modes=tuple(MODES), alone=False):
    """Registers a function that plays a scenario on a stage. `alone`: with a gateway of its own making, in place of the one that all
    others of its mode share."""

    def register(play):
        SCENARIOS.append(Scenario(name, what, play, modes, alone))
        return play

    return register
