"""The scenarios, in the catalogue's order."""

from dataclasses import dataclass

SCENARIOS = []


@dataclass(frozen=True)
class Scenario:
    """One line of the catalogue."""

    id: str
    what: str
    play: object
    modes: tuple


def scenario(name, what, modes=("default", "complete")):
    """Registers a function that plays a scenario on a stage."""

    def register(play):
        SCENARIOS.append(Scenario(name, what, play, modes))
        return play

    return register
