"""nginx's configuration as others may see it: what a chat's way through it depends on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from chat_server.observability.lines import MASK
from chat_server.operations.doctor import nginx
from chat_server.operations.doctor.nginx import Directive
from chat_server.operations.doctor.report import CannotLookError

BLOCKS: Final = {"http", "events", "server", "location", "upstream", "limit_except", "if"}
SHOWN: Final = {
    *(
        "access_log",
        "allow",
        "client_body_timeout",
        "client_max_body_size",
        "default_type",
        "deny",
        "error_log",
        "gzip",
    ),
    *(
        "http2",
        "include",
        "index",
        "internal",
        "keepalive",
        "keepalive_timeout",
        "limit_conn",
        "limit_conn_zone",
        "limit_req",
    ),
    *("limit_req_zone", "listen", "location", "proxy_buffering", "proxy_connect_timeout", "proxy_http_version"),
    *("proxy_pass", "proxy_read_timeout", "proxy_send_timeout", "real_ip_header", "real_ip_recursive", "root"),
    *("pid", "sendfile", "ssl_prefer_server_ciphers", "tcp_nopush", "types_hash_max_size"),
    *("send_timeout", "server", "server_name", "server_tokens", "set_real_ip_from", "ssl_certificate"),
    *("ssl_certificate_key", "ssl_ciphers", "ssl_protocols", "tcp_nodelay", "try_files", "upstream", "user"),
    *("worker_connections", "worker_processes", "worker_rlimit_nofile"),
}
SHOWN_HEADERS: Final = {
    *("connection", "host", "upgrade", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"),
    *("content-security-policy", "referrer-policy", "strict-transport-security", "x-content-type-options"),
}


def shown() -> str:
    """The configurations of the nginx on this host, with *** for what is not known to be harmless.

    Raises CannotLookError.
    """
    files = nginx.masters() or [file for file in (nginx.USUAL,) if file.is_file()]
    if not files:
        raise CannotLookError("there is no nginx on this host")
    return "".join(f"{line}\n" for file in files for line in _lines(nginx.read(file)))


def _lines(directives: Iterable[Directive], depth: int = 0, place: str = "") -> Iterator[str]:
    for directive in directives:
        if (directive.where.rpartition(":")[0] or place) != place:
            place = directive.where.rpartition(":")[0]
            yield f"{'    ' * depth}# {place}"
        words = f"{'    ' * depth}{' '.join((directive.name, *_arguments(directive)))}"
        if not directive.block:
            yield f"{words};"
        elif directive.name == "map" and directive.arguments[:1] == ("$http_upgrade",):
            inner = (" ".join((one.name or "''", *one.arguments)) for one in directive.block)
            yield f"{'    ' * depth}map {' '.join(directive.arguments)} {{ {'; '.join(inner)}; }}"
        elif directive.name in BLOCKS:
            yield f"{words} {{"
            yield from _lines(directive.block, depth + 1, place)
            yield f"{'    ' * depth}}}"
        else:
            yield f"{words} {{ {MASK} }}"


def _arguments(directive: Directive) -> Iterator[str]:
    name, arguments = directive.name, directive.arguments
    if name in {"proxy_set_header", "add_header"} and arguments:
        yield arguments[0]
        yield from arguments[1:] if arguments[0].lower() in SHOWN_HEADERS else [MASK]
    elif name == "return" and arguments and re.fullmatch("[0-9]{3}", arguments[0]):
        yield arguments[0]
        yield from (MASK for _ in arguments[1:])
    elif name in SHOWN or not arguments:
        yield from (_without_query(argument) for argument in arguments)
    else:
        yield MASK


def _without_query(argument: str) -> str:
    return re.sub(r"\?.*", f"?{MASK}", argument) if "://" in argument else argument
