"""The ways to tell somebody. Each returns when the news is handed over, or says in one line why it could not be."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from functools import partial
from urllib.parse import urlsplit

import msgspec

from chat_server.config import AlertsSection
from chat_server.operations.alerts.news import News

WEBHOOK_STEP_SECONDS = 10
WEBHOOK_SECONDS = 20
PROGRAM_SECONDS = 60
ADMIN_PATH = "/usr/sbin:/usr/lib"  # where sendmail is, and a plain user's path does not lead

Hook = Callable[[News], None]


class HookError(Exception):
    """Somebody could not be told. Its text is one line without secrets."""


def hooks(alerts: AlertsSection) -> Mapping[str, Hook]:
    """Those that are configured, by the name of their key."""
    configured: dict[str, Hook] = {}
    if alerts.mail_to:
        configured["mail_to"] = partial(mail, alerts.mail_to)
    if alerts.webhook_url:
        configured["webhook_url"] = partial(post, alerts.webhook_url)
    if alerts.command:
        configured["command"] = partial(run, alerts.command)
    return configured


def mail(people: Sequence[str], news: News) -> None:
    """Hands the news to the host's mail program. Raises HookError."""
    path = f"{os.environ.get('PATH', os.defpath)}:{ADMIN_PATH}"
    program = shutil.which("sendmail", path=path)
    if program is None:
        raise HookError("there is no sendmail program: install one, such as the package msmtp-mta or dma")
    message = EmailMessage()
    message["To"] = ", ".join(people)
    message["Subject"] = news.title
    message["Date"] = formatdate(news.at / 1000)
    # Programs that answer mail are not to answer this (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{news.text}\n")
    _call([program, "-i", *people], message.as_bytes())


def run(command: Sequence[str], news: News) -> None:
    """Runs a program with the news as JSON on its standard input. Raises HookError unless it ends with 0."""
    _call(command, msgspec.json.encode(news) + b"\n")


def post(url: str, news: News) -> None:
    """Posts the news as JSON. Raises HookError unless the answer is a 2xx; redirects are not followed."""
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.netloc}"  # the rest may be what only few know
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    # A peer that sends a byte now and then keeps each step alive, but not this.
    too_long = threading.Timer(WEBHOOK_SECONDS, _cut, [connection])
    too_long.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/json", "User-Agent": f"chat-server/{news.version}"}
        connection.request("POST", target, msgspec.json.encode(news), headers)
        status = connection.getresponse().status
    except TimeoutError:
        raise HookError(f"{where} gives no answer within {WEBHOOK_STEP_SECONDS} s") from None
    except ssl.SSLCertVerificationError as error:
        raise HookError(f"{where}: its certificate is not good: {error.verify_message}") from None
    except OSError as error:
        raise HookError(f"{where}: {error.strerror or error}") from None
    except http.client.HTTPException:
        raise HookError(f"{where} does not answer as a web server does") from None
    finally:
        too_long.cancel()
        connection.close()
    if not 200 <= status < 300:
        raise HookError(f"{where} answers {status}")


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=WEBHOOK_STEP_SECONDS, context=context)
    return http.client.HTTPConnection(host, port, timeout=WEBHOOK_STEP_SECONDS)


def _cut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError, AttributeError):  # it has not begun, or is over
        connection.sock.shutdown(socket.SHUT_RDWR)


def _call(command: Sequence[str], given: bytes) -> None:
    """What the program prints goes to standard error, where an admin finds it beside our own line."""
    # Variables of ours may hold secrets, and are none of its business.
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CHAT_SERVER_")}
    program = command[0]
    try:
        done = subprocess.run(  # noqa: S603  it is the admin's
            command, input=given, stdout=sys.stderr, env=environ, timeout=PROGRAM_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise HookError(f"{program} did not end within {PROGRAM_SECONDS} s") from None
    except OSError as error:
        raise HookError(f"{program}: {error.strerror}") from None
    if done.returncode:
        raise HookError(f"{program} ended with {done.returncode}")
