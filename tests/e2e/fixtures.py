"""Fixtures of more than one folder of tests."""

import pytest
from provider import Provider


@pytest.fixture
def provider():
    """Makes scripted providers."""
    made = []

    def make(*script):
        made.append(Provider(*script))
        return made[-1]

    yield make
    for one in made:
        one.close()
