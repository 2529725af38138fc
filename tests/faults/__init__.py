"""The fault bench: what providers do wrong, done to a real Envoy with the built filter. `make faults` runs it."""

import sys
from pathlib import Path

# The scripted providers and the gateway's starter are the end-to-end tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
