"""The fixtures of the end-to-end tests, and how they are spread over processes."""

import sys
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "support")]

import envoys  # noqa: E402
from fixtures import provider  # noqa: E402, F401
from gateway import Gateway  # noqa: E402


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


class Spread(LoadScopeScheduling):
    """Tests that share what is made for their module go to one process together, all others to whichever is free."""

    def _split_scope(self, nodeid):
        file = Path(__file__).with_name(Path(nodeid.split("::")[0]).name)
        return str(file) if 'scope="module"' in file.read_text() else nodeid


def pytest_xdist_make_scheduler(config, log):
    return Spread(config, log)


def pytest_collection_modifyitems(items):
    """Those that take long begin first, so that no process is left with them at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_sessionfinish():
    envoys.end_all()
