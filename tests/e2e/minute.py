"""Limits hold for minutes of the clock. A test that plays within one of them may be overtaken by its end."""

import functools
import time

import pytest


def within_a_minute(test):
    """Plays a test again if it failed and the minute ended meanwhile. Nobody waits for a minute to begin."""

    @functools.wraps(test)
    def play(*fixtures, **named):
        minute = time.time() // 60
        try:
            return test(*fixtures, **named)
        except (AssertionError, pytest.fail.Exception):  # the second is that of `pytest.raises`
            if time.time() // 60 == minute:
                raise
        return test(*fixtures, **named)

    return play
