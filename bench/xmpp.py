"""Speaking XMPP (RFC 6120, 6121) on a plain connection, as cheaply as Python can. Nothing is parsed as XML."""

from __future__ import annotations

import base64
import re
import socket

from bench.peer import Address, Observer, Peer, WrongAnswerError

DOMAIN = "localhost"
HANDSHAKE_SECONDS = 30
_NUMBER = re.compile(rb" id=['\"][\w.-]*-(\d{8})['\"]")


class XmppDialect:
    """Chat messages to the partner's bare address. Nobody acknowledges: a message is done when the partner has it."""

    acknowledges = False
    pushes = True

    def __init__(self, *, run: str, content: str) -> None:
        """`run` keeps the ids of one measurement apart from all others'."""
        self._run = run
        self._content = content

    def open(self, peer: Peer, address: Address) -> None:
        """Signs in with SASL PLAIN, the token being the password, binds a resource and becomes available."""
        peer.socket = socket.create_connection(address, timeout=HANDSHAKE_SECONDS)
        peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stream = (
            f"<stream:stream to='{DOMAIN}' version='1.0' xmlns='jabber:client' "
            "xmlns:stream='http://etherx.jabber.org/streams'>"
        )
        secret = base64.b64encode(f"\0{peer.name}\0{peer.token}".encode()).decode()
        self._say(peer, f"<?xml version='1.0'?>{stream}", "</stream:features>")
        self._say(peer, f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>", "<success")
        self._say(peer, stream, "</stream:features>")
        bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind>"
        self._say(peer, f"<iq type='set' id='bind'>{bind}</iq>", "</iq>")
        self._say(peer, "<presence/>", "<presence")
        to = f"{peer.partner.name}@{DOMAIN}"
        peer.head = f"<message type='chat' to='{to}' id='{self._run}-".encode()
        peer.tail = f"'><body>{self._content}</body></message>".encode()

    def _say(self, peer: Peer, text: str, expected: str) -> None:
        """Sends, and reads until the expected answer."""
        peer.socket.sendall(text.encode())
        answer = b""
        while expected.encode() not in answer:
            data = peer.socket.recv(65536)
            if not data or b"error" in data or b"failure" in data:
                raise WrongAnswerError(f"{peer.name}: {text!r} was answered by {answer + data!r}")
            answer += data

    def read(self, peer: Peer, data: bytes, observer: Observer) -> bytes:
        if peer.unread:
            data = peer.unread + data
        *stanzas, peer.unread = data.split(b"</message>")
        for stanza in stanzas:
            # Of all ids in a stanza the first is its own; the archive's comes inside.
            found = _NUMBER.search(stanza)
            if found is None or b"type='error'" in stanza:
                raise WrongAnswerError(f"{peer.name}: {stanza!r}")
            observer.pushed(peer, int(found[1]))
        return b""
