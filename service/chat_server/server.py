"""The composition root: the one place that knows every part, and the server's life from start to stop."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import gevent
from gevent import socket
from gevent.queue import Queue

from chat_server import __version__, systemd
from chat_server.chat.accounts import Accounts
from chat_server.chat.blocks import Blocks
from chat_server.chat.conversations import DELETED_USER, Conversations
from chat_server.chat.logins import Logins
from chat_server.chat.messages import Messages
from chat_server.chat.presence import Presence
from chat_server.chat.sessions import Sessions
from chat_server.config import Config
from chat_server.configuration import ConfigurationError
from chat_server.housekeeping import Housekeeping
from chat_server.http.app import Parts as HttpParts
from chat_server.http.app import build
from chat_server.http.cors import Cors
from chat_server.http.handler import HttpServer
from chat_server.http.limit import RequestLimit
from chat_server.http.page import PageMissingError
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
from chat_server.storage.errors import DatabaseUnusableError, StorageUnavailableError
from chat_server.storage.lock import ServerLock
from chat_server.storage.migrations import VERSIONS
from chat_server.storage.readers import Readers
from chat_server.storage.room import wait_for_room
from chat_server.storage.writer import Batch, Writer

log = logging.getLogger("chat_server")


def clock() -> int:
    """The time, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


EXIT_DATABASE = os.EX_NOINPUT
EXIT_LISTEN = os.EX_UNAVAILABLE
EXIT_MEMORY = os.EX_OSERR
EXIT_FILE = os.EX_OSFILE

# A thread that waits for the interpreter's lock (a commit that is done) gets it within this many seconds.
SWITCH_SECONDS = 0.0005
CLOSES_PER_TURN = 100
# systemd, and the admin, wait 10 s for the end: the sockets' handshakes take 5 of them at most, the disk twice 2.
DRAIN_SECONDS = 5.0
WRITER_SECONDS = 2.0


def serve(load: Callable[[], Config]) -> int:
    """Runs the server until SIGTERM or SIGINT; gives the exit code. `load` reads the configuration, again on SIGHUP.

    Raises ConfigurationError before anything is touched.
    """
    config = load()
    output = logs.configure(config.server.log_level, config.server.log_format, sys.stderr)
    lock = ServerLock(Path(config.database.path))
    try:
        wait_for_room(lock.path.parent)
        lock.acquire()
        found = prepare(Path(config.database.path))
        listener = listen(config.server.host, config.server.port, systemd.passed_sockets())
        server = Server(config, listener)
    except DatabaseUnusableError as error:
        log.error("cannot start", {"cause": str(error)})  # noqa: TRY400  the line says it all
        return EXIT_DATABASE
    except CannotListenError as error:
        log.error("cannot start", {"cause": str(error)})  # noqa: TRY400  the line says it all
        return EXIT_LISTEN
    except PageMissingError as error:
        log.error("cannot start", {"cause": str(error)})  # noqa: TRY400  the line says it all
        return EXIT_FILE
    except MemoryError as error:
        log.error("cannot start", {"cause": f"out of memory: {error}"})  # noqa: TRY400  the line says it all
        return EXIT_MEMORY
    else:
        if found < len(VERSIONS):
            log.info("database prepared", {"schema_before": found, "schema": len(VERSIONS)})
        server.run(load, output)
        return os.EX_OK
    finally:
        lock.release()
        output.close()


def log_uncaught(
    _context: object,
    _kind: type[BaseException] | None,
    error: BaseException | str | None,
    _traceback: TracebackType | None,
) -> None:
    """What nobody caught belongs in the log, where secrets are masked, not bare on standard error."""
    log.critical("uncaught", exc_info=error if isinstance(error, BaseException) else None)


class Server:
    """Every part, put together; `run` is its life."""

    def __init__(self, config: Config, listener: socket.socket) -> None:
        database_path = Path(config.database.path)
        self.metrics = Metrics(version=__version__)
        self.hub = Hub()
        self.database = connect(database_path, busy_timeout_seconds=config.database.busy_timeout_seconds)
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
        self.sessions = Sessions(
            self.readers,
            self.writer,
            Tokens(config.auth.jwt_secret, expiry_seconds=config.auth.token_expiry_seconds),
            idle_seconds=config.auth.session_idle_seconds,
            metrics=self.metrics,
            clock=clock,
            ended=self.hub.close_sessions,
        )
        self.conversations = Conversations(self.readers, self.writer, clock=clock, started=self.introduce)
        self.message_rate = Rate(per_minute=1, burst=1)
        self.parts = Parts(
            config=config,
            clock=clock,
            hub=self.hub,
            presence=Presence(),
            sessions=self.sessions,
            conversations=self.conversations,
            messages=Messages(self.conversations, self.writer, rate=self.message_rate),
            readers=self.readers,
            writer=self.writer,
            metrics=self.metrics,
            tally=MessageTally(),
            frame_rate=Rate(per_minute=1, burst=1),
        )
        self.announcer = Announcer(self.parts)
        self.liveness = Liveness(self.parts)
        self.gateway = Gateway(self.parts, self.liveness, self.announcer)
        self.release = Release(self.parts)
        self.housekeeping = Housekeeping(self.parts)
        self.logins = Logins(
            self.readers,
            self.writer,
            self.passwords,
            limits=config.rate_limit,
            metrics=self.metrics,
            clock=clock,
        )
        self.accounts = Accounts(
            self.readers,
            self.writer,
            self.passwords,
            self.sessions,
            self.logins,
            registration=config.auth.registration,
            clock=clock,
            deleted=self.account_deleted,
        )
        self.request_limit = RequestLimit(config, metrics=self.metrics, clock=clock)
        self.http = HttpServer(
            listener,
            build(self.http_parts(config)),
            self.gateway,
            limit=self.request_limit,
            limits=config.limits,
            cors=Cors(config.server.cors_origins),
            clock=clock,
        )
        self.add_gauges(config)
        self.retune(config)

    def http_parts(self, config: Config) -> HttpParts:
        """What the REST side works with."""
        return HttpParts(
            config=config,
            clock=clock,
            started_at=clock(),
            accounts=self.accounts,
            sessions=self.sessions,
            blocks=Blocks(self.readers, self.writer, clock=clock, changed=self.block_changed),
            conversations=self.conversations,
            presence=self.parts.presence,
            readers=self.readers,
            writer=self.writer,
            limit=self.request_limit,
            sockets=self.hub.__len__,
            messages_per_second=lambda: self.parts.tally.per_second,
            metrics=self.metrics,
        )

    def add_gauges(self, config: Config) -> None:
        """The figures that are read when somebody looks at the metrics."""
        gauge = self.metrics.gauge
        gauge("websockets", "Open WebSockets.", self.hub.__len__)
        gauge("users_online", "People with a WebSocket open.", self.parts.presence.__len__)
        gauge("writer_queue", "Messages that wait for the next group commit.", lambda: self.writer.depth)
        gauge("reader_queue", "Reads under way or waiting for a thread.", lambda: self.readers.waiting)
        gauge("outbound_queue_bytes", "Bytes that wait for clients to take them.", self.hub.queued)
        gauge("passwords_running", "Passwords that are being hashed.", lambda: self.passwords.running)
        gauge("passwords_waiting", "Passwords that wait to be hashed.", lambda: self.passwords.waiting)
        self.metrics.watch_files(Path(config.database.path), Path(config.backup.directory))

    def introduce(self, one_id: str, other_id: str) -> None:
        """Two people have a conversation from now on."""
        self.announcer.introduced(one_id, other_id)

    def account_deleted(self, user_id: str) -> None:
        """Somebody has deleted their account: nobody is told their name any more, not even that it has left."""
        self.conversations.forget_all()
        for connection in self.hub.sockets(user_id):
            connection.username = DELETED_USER

    def block_changed(self, blocker_id: str, blocked_id: str) -> None:
        """Somebody has blocked or unblocked somebody."""
        self.conversations.forget(blocker_id, blocked_id)
        self.announcer.relations_changed([blocker_id])

    def run(self, load: Callable[[], Config], output: logs.LogHandle) -> None:
        """Serves until SIGTERM or SIGINT; SIGHUP reloads what can change while it runs.

        In the foreground SIGHUP may also mean that the terminal was closed, and ends the server with it.
        """
        in_foreground = sys.stderr.isatty()
        signals: Queue[int] = Queue()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            gevent.signal_handler(number, signals.put, number)
        self.start()
        while signals.get() == signal.SIGHUP and sys.stderr.isatty() == in_foreground:
            self.reload(load, output)
        self.stop()

    def start(self) -> None:
        sys.setswitchinterval(SWITCH_SECONDS)
        gevent.get_hub().print_exception = log_uncaught  # type: ignore[method-assign,assignment]
        self.writer.start(self.committed)
        self.writer.look()  # opens the database: from here on its log is there, whoever else opens and closes it
        self.http.start()
        gevent.spawn(self.liveness.run)
        gevent.spawn(self.housekeeping.run)
        gevent.spawn(self.feed_watchdog)
        host, port = self.http.socket.getsockname()[:2]
        log.info("serving", {"version": __version__, "host": host, "port": port, "database": self.database.database})
        systemd.notify("READY=1")

    def committed(self, batch: Batch) -> None:
        """After each batch of the writer, on the hub."""
        if not batch.empty:
            self.release(batch)
        if batch.changed_outside:
            gevent.spawn(self.recheck)

    def recheck(self) -> None:
        """Another process (the command line, an admin's SQL) wrote to the database: nothing remembered may be true."""
        self.conversations.forget_all()
        self.sessions.forget_all()
        open_sessions = {connection.session_id for connection in self.hub}
        self.hub.close_sessions(open_sessions - self.sessions.still_living(open_sessions))

    def feed_watchdog(self) -> None:
        """Tells systemd that the hub still turns; stuck for longer than the watchdog waits, it is restarted."""
        seconds = systemd.watchdog_seconds()
        while seconds:
            systemd.notify("WATCHDOG=1")
            gevent.sleep(seconds)

    def reload(self, load: Callable[[], Config], output: logs.LogHandle) -> None:
        """Takes the log level and the limits from the configuration as it is now; a bad one changes nothing."""
        try:
            config = load()
        except ConfigurationError as error:
            log.error("configuration not reloaded", {"cause": str(error)})  # noqa: TRY400
            return
        output.set_level(config.server.log_level)
        self.retune(config)
        log.info("configuration reloaded")

    def retune(self, config: Config) -> None:
        """Applies all that may change while the server runs."""
        limits = config.rate_limit
        self.parts.config = config
        self.message_rate.retune(per_minute=limits.messages_per_minute, burst=limits.burst)
        self.logins.retune(limits)
        self.request_limit.retune(limits)
        self.http.limits = config.limits
        for connection in self.hub:
            connection.limited = self.request_limit.applies_to(connection.address)
        self.accounts.registration = config.auth.registration
        self.parts.frame_rate.retune(per_minute=limits.frames_per_minute, burst=-(-limits.frames_per_minute // 6))

    def stop(self) -> None:
        """Nothing new comes in; what was accepted is stored and answered; then the sockets, then the database."""
        log.info("stopping", {"sockets": len(self.hub)})
        systemd.notify("STOPPING=1")
        self.gateway.stopping = True
        self.http.stop_accepting()
        self.passwords.close()
        self.settle_writes()
        for closed, connection in enumerate(list(self.hub), start=1):
            connection.close(1001, "server stopping")
            if closed % CLOSES_PER_TURN == 0:
                gevent.idle(priority=2)  # once around the loop, sockets included
        drains = [gevent.spawn(drain, DRAIN_SECONDS) for drain in (self.hub.wait_until_empty, self.http.stop)]
        gevent.joinall(drains)
        gevent.with_timeout(WRITER_SECONDS, self.housekeeping.finish, timeout_value=None)
        self.readers.close()
        self.writer.stop(patience_seconds=WRITER_SECONDS)
        log.info("stopped")

    def settle_writes(self) -> None:
        """Waits until all that is queued is on disk, and its senders know; not for long, should the disk hang."""
        with contextlib.suppress(StorageUnavailableError):
            gevent.with_timeout(WRITER_SECONDS, self.writer.write, lambda: None, timeout_value=None)
