"""Load tests for a deployed chat-server: `locust -f loadtests/locustfile.py --host URL --headless --tags throughput`.

docs/load-testing.md says what each tag does, what the figures mean, and how to keep the server from limiting the
machine that runs this.
"""

from __future__ import annotations

import sys
from pathlib import Path

from locust import events

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from loadtests.lifecycle import Lifecycle
from loadtests.scenarios.entering import Login
from loadtests.scenarios.idling import Idle
from loadtests.scenarios.reading import History
from loadtests.scenarios.writing import Reconnect, Soak, Throughput

__all__ = ["History", "Idle", "Login", "Reconnect", "Soak", "Throughput"]

Lifecycle().listen(events)
