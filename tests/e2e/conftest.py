import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "support")]

from gateway import Gateway  # noqa: E402
from provider import Provider  # noqa: E402


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


@pytest.fixture
def gateway(tmp_path):
    """Makes gateways."""
    made = []

    def make(*deployments, **options):
        folder = tmp_path / f"gateway-{len(made)}"
        folder.mkdir()
        made.append(Gateway(folder, list(deployments), **options))
        return made[-1]

    yield make
    for one in made:
        one.close()
