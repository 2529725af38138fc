"""The fixtures of the end-to-end tests, and how they are spread over processes."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "support")]

import envoys  # noqa: E402
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


def pytest_collection_modifyitems(items):
    """Tests that share what is made for their module go to one process together, all others to whichever is free. Those that take long
    begin first, so that no process is left with them at the end."""
    for item in items:
        scopes = {definition.scope for definitions in item._fixtureinfo.name2fixturedefs.values() for definition in definitions}
        if scopes & {"module", "class"}:
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_sessionfinish():
    envoys.end_all()
