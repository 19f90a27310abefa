"""What is slow, too large, or could be understood in two ways is turned away, before anybody looks at it."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.rest.raw import exchange, request
from tests.server import Server, running_server

LOGIN = json.dumps({"username": "nobody", "password": "Wrong-Guess-1"}).encode()
JSON = "Content-Type: application/json"
CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits for a second only, and has room for few connections."""
    limits = {"request_timeout_seconds": 1, "keepalive_seconds": 1, "max_http_connections": 8}
    with running_server(tmp_path_factory.mktemp("bounds"), limits=limits, rate_limit={"enabled": False}) as running:
        yield running


class TestSlowRequests:
    def test_a_header_that_trickles_in_is_cut_off(self, server: Server) -> None:
        slow = exchange(server, b"GET /health HTTP/1.1\r\nHost: here\r\n", *[b"X: y\r\n"] * 20, pause=0.2)
        assert slow.closed
        assert slow.seconds < 10

    def test_so_is_a_body(self, server: Server) -> None:
        head = request("/auth/login", JSON, "Content-Length: 100", method="POST")
        slow = exchange(server, head, *[b"x"] * 10, pause=0.2)
        assert slow.error == (408, "REQUEST_TIMEOUT")
        assert slow.seconds < 4

    def test_who_says_nothing_is_let_go_without_a_word(self, server: Server) -> None:
        silent = exchange(server)
        assert (silent.received, silent.closed) == (b"", True)
        assert 0.9 < silent.seconds < 3

    def test_an_idle_connection_is_kept_for_a_while_then_closed(self, server: Server) -> None:
        idle = exchange(server, request())
        assert [status for status, _ in idle.answers] == [200]
        assert idle.closed
        assert 0.9 < idle.seconds < 3

    def test_who_does_not_read_the_answer_is_let_go(self, server: Server) -> None:
        """Pipelined requests, whose answers fill every buffer on the way."""
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", server.port))
            deaf.settimeout(10)
            with pytest.raises(ConnectionError):
                deaf.sendall(request("/openapi.json") * 100_000)

    def test_a_slow_one_delays_nobody_else(self, server: Server) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\n")
            started = time.monotonic()
            assert server.client().get("/nowhere").status == 404
            assert time.monotonic() - started < 0.9


class TestLargeRequests:
    def test_a_body_over_the_limit_is_refused_before_it_is_read(self, server: Server) -> None:
        head = request("/auth/login", JSON, "Content-Length: 65537", "Expect: 100-continue", method="POST")
        assert exchange(server, head).error == (413, "BODY_TOO_LARGE")

    def test_so_is_a_chunked_one(self, server: Server) -> None:
        head = request("/auth/login", JSON, "Transfer-Encoding: chunked", method="POST")
        assert exchange(server, head, b"10001\r\n" + b"x" * 0x10001).error == (413, "BODY_TOO_LARGE")
        assert exchange(server, head, b"1\r\nx\r\n" * 5000).error == (413, "BODY_TOO_LARGE")

    def test_who_sends_it_all_the_same_still_gets_the_answer(self, server: Server) -> None:
        head = request("/auth/login", JSON, "Content-Length: 900000", method="POST")
        with socket.socket() as eager:
            eager.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            eager.settimeout(10)
            eager.connect(("127.0.0.1", server.port))
            eager.sendall(head + b"x" * 900_000)
            assert eager.recv(12) == b"HTTP/1.1 413"

    def test_a_body_of_the_limit_is_read(self, server: Server) -> None:
        padded = LOGIN + b" " * (65536 - len(LOGIN))
        assert server.client().request("POST", "/auth/login", padded).error == "INVALID_CREDENTIALS"

    def test_an_address_of_any_length_is_not(self, server: Server) -> None:
        assert exchange(server, request("/" + "a" * 9000)).error == (414, "URI_TOO_LONG")
        assert exchange(server, b"A" * 20_000).error == (414, "URI_TOO_LONG")

    def test_nor_is_a_header(self, server: Server) -> None:
        assert exchange(server, request("/health", "X: " + "a" * 20_000)).error == (431, "HEADERS_TOO_LARGE")
        assert exchange(server, request("/health", *["X: y"] * 101)).error == (431, "HEADERS_TOO_LARGE")
        assert exchange(server, request("/health", *["X: y"] * 90, CLOSE)).answers[0][0] == 200


class TestAmbiguousRequests:
    @pytest.mark.parametrize(
        "fields",
        [
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 5"),
            ("Content-Length: 5", "Content-Length: 5"),
            ("Content-Length: 5", "Content-Length: 6"),
            ("Content-Length: 5, 5",),
            ("Content-Length: +5",),
            ("Content-Length: 0x5",),
            ("Content-Length: 5_0",),
            ("Content-Length: -1",),
            ("Content-Length:",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            ("Content-Length : 5",),
            (" Content-Length: 5",),
            ("X: y", "\tContent-Length: 5"),
            ("X: a\rContent-Length: 5",),
            ("X: a\nContent-Length: 5",),
            ("X: a\0b",),
            ("no colon",),
            (": no name",),
            ("Host: there",),
        ],
        ids=repr,
    )
    def test_are_refused_and_nothing_behind_them_is_read(self, server: Server, fields: tuple[str, ...]) -> None:
        smuggled = request("/auth/login", JSON, *fields, method="POST", body=b"0\r\n\r\n" + request())
        refused = exchange(server, smuggled)
        assert refused.error == (400, "BAD_REQUEST")
        assert refused.closed

    @pytest.mark.parametrize("coding", ["gzip", "chunked, gzip", "gzip, chunked", "identity", "xchunked"])
    def test_so_is_a_transfer_coding_nobody_knows(self, server: Server, coding: str) -> None:
        sent = request("/auth/login", f"Transfer-Encoding: {coding}", method="POST", body=b"0\r\n\r\n")
        assert exchange(server, sent).error == (501, "NOT_IMPLEMENTED")

    @pytest.mark.parametrize(
        "body",
        [
            b"5\nhello\r\n0\r\n\r\n",
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"-1\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"\r\n",
            b"z\r\n",
        ],
        ids=repr,
    )
    def test_so_are_chunks_that_are_none(self, server: Server, body: bytes) -> None:
        sent = request("/auth/login", JSON, "Transfer-Encoding: chunked", method="POST", body=body)
        assert exchange(server, sent, request()).error == (400, "BAD_REQUEST")

    @pytest.mark.parametrize(
        "line",
        [
            b"GET /health",
            b"GET  /health HTTP/1.1",
            b"GET /health HTTP/1.1 ",
            b"GET /health HTTP/1.1\n",
            b"GET /he alth HTTP/1.1",
            b"GET /h\xc3\xa9alth HTTP/1.1",
            b"GET health HTTP/1.1",
            b"G(T /health HTTP/1.1",
            b"\x16\x03\x01\x02\x00\x01\x00",
        ],
        ids=repr,
    )
    def test_so_is_what_is_not_http(self, server: Server, line: bytes) -> None:
        assert exchange(server, line + b"\r\nHost: here\r\n\r\n").error == (400, "BAD_REQUEST")

    def test_so_is_another_version_of_it(self, server: Server) -> None:
        assert exchange(server, b"GET /health HTTP/2.0\r\n\r\n").error == (505, "HTTP_VERSION_NOT_SUPPORTED")
        assert exchange(server, b"GET /health HTTP/1.1\r\n\r\n").error == (400, "BAD_REQUEST")  # no Host


class TestGoodRequests:
    def test_may_come_in_chunks(self, server: Server) -> None:
        chunks = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(piece), piece) for piece in (LOGIN[:7], LOGIN[7:]))
        sent = request("/auth/login", JSON, "Transfer-Encoding: Chunked", method="POST")
        answered = exchange(server, sent + chunks + b"0\r\nTrailer: x\r\n\r\n" + request("/health", CLOSE))
        assert [status for status, _ in answered.answers] == [401, 200]

    def test_may_follow_one_another_without_waiting(self, server: Server) -> None:
        pipelined = request() + request("/nowhere") + request("/health", CLOSE)
        assert [status for status, _ in exchange(server, pipelined).answers] == [200, 404, 200]

    def test_may_be_of_http_1_0(self, server: Server) -> None:
        answered = exchange(server, b"GET /health HTTP/1.0\r\n\r\n")
        assert [status for status, _ in answered.answers] == [200]
        assert answered.closed
        assert answered.seconds < 0.9

    def test_may_name_the_server_in_the_address(self, server: Server) -> None:
        answered = exchange(server, request("http://here:8080/health?x=1", CLOSE))
        assert [status for status, _ in answered.answers] == [200]

    def test_may_wait_to_be_asked_for_the_body(self, server: Server) -> None:
        head = request("/auth/login", JSON, f"Content-Length: {len(LOGIN)}", "Expect: 100-continue", method="POST")
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(head)
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(LOGIN)
            assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")

    def test_share_a_connection(self, server: Server) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        connection.connect()
        local_port = connection.sock.getsockname()[1]
        for _ in range(3):
            connection.request("GET", "/health")
            connection.getresponse().read()
            assert connection.sock.getsockname()[1] == local_port
        connection.close()


class TestManyConnections:
    def test_the_longest_idle_one_makes_room(self, server: Server) -> None:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(8)]
        assert server.client().get("/health").status == 200
        assert idle[0].recv(1) == b""
        idle[-1].sendall(request())
        assert idle[-1].recv(12) == b"HTTP/1.1 200"
        for connection in idle:
            connection.close()

    def test_when_all_are_busy_there_is_none(self, server: Server) -> None:
        time.sleep(0.1)
        busy = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(8)]
        for connection in busy:
            connection.sendall(b"GET /health HTTP/1.1\r\n")
        time.sleep(0.2)
        assert exchange(server, request()).error == (503, "BUSY")
        for connection in busy:
            connection.close()


def test_the_server_does_not_say_what_it_is_made_of(server: Server) -> None:
    for answer in (server.client().get("/health"), server.client().get("/nowhere")):
        assert "server" not in answer.headers
        assert not any(word in str(answer).lower() for word in ("gevent", "falcon", "python"))
