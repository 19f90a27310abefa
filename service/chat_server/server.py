"""The composition root: the one place that knows every part, and the server's life from start to stop."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

import gevent
from gevent import socket
from gevent.queue import Queue

from chat_server import __version__, systemd
from chat_server.chat.accounts import Accounts
from chat_server.chat.blocks import Blocks
from chat_server.chat.conversations import Conversations
from chat_server.chat.messages import Messages
from chat_server.chat.presence import Presence, save_last_seen
from chat_server.chat.sessions import Sessions
from chat_server.config import Config
from chat_server.listener import CannotListenError, listen
from chat_server.observability import logs
from chat_server.observability.metrics import Metrics
from chat_server.realtime.announcer import Announcer
from chat_server.realtime.gateway import Gateway
from chat_server.realtime.hub import Hub
from chat_server.realtime.liveness import Liveness
from chat_server.realtime.parts import Parts
from chat_server.realtime.release import Release
from chat_server.realtime.tally import MessageTally
from chat_server.security.passwords import Passwords
from chat_server.security.throttle import Rate
from chat_server.security.tokens import Tokens
from chat_server.storage.database import connect, prepare
from chat_server.storage.errors import DatabaseUnusableError
from chat_server.storage.lock import ServerLock
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Batch, Writer

log = logging.getLogger("chat_server")


def clock() -> int:
    """The time, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


EXIT_DATABASE = os.EX_NOINPUT
EXIT_LISTEN = os.EX_UNAVAILABLE

# A thread that waits for the interpreter's lock (a commit that is done) gets it within this many seconds.
SWITCH_SECONDS = 0.0005
CLOSES_PER_TURN = 100
DRAIN_SECONDS = 5.0


def serve(load: Callable[[], Config], *, log_level: str | None) -> int:
    """Runs the server until SIGTERM or SIGINT; gives the exit code. `load` reads the configuration, again on SIGHUP.

    Raises ConfigurationError before anything is touched.
    """
    config = load()
    output = logs.configure(log_level or config.server.log_level, config.server.log_format, sys.stderr)
    lock = ServerLock(Path(config.database.path))
    try:
        lock.acquire()
        found = prepare(Path(config.database.path))
        listener = listen(config.server.host, config.server.port, systemd.listen_sockets(os.environ))
    except DatabaseUnusableError as error:
        log.error("cannot start", {"cause": str(error)})
        return EXIT_DATABASE
    except CannotListenError as error:
        log.error("cannot start", {"cause": str(error)})
        return EXIT_LISTEN
    else:
        log.info("starting", {"version": __version__, "database": config.database.path, "schema_before": found})
        server = Server(config, listener)
        server.run(load, output)
        return os.EX_OK
    finally:
        lock.release()
        output.close()


class Server:
    """Every part, put together; `run` is its life."""

    def __init__(self, config: Config, listener: socket.socket) -> None:
        self.config = config
        self.metrics = Metrics()
        self.hub = Hub()
        self.presence = Presence()
        self.database = connect(Path(config.database.path), busy_timeout_seconds=config.database.busy_timeout_seconds)
        self.readers = Readers(
            self.database,
            threads=config.database.readers,
            slow_query_ms=config.database.slow_query_ms,
            slow=self.metrics.slow_queries.inc,
        )
        self.writer = Writer(self.database, clock=clock)
        self.passwords = Passwords(
            threads=config.auth.password_threads,
            queue=config.auth.password_queue,
            memory_kib=config.auth.password_memory_kib,
            iterations=config.auth.password_iterations,
        )
