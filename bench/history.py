"""Pages of a long conversation, as a person who scrolls asks for them."""

from __future__ import annotations

import http.client
import json
import random
import time

from bench.latency import Latency
from bench.peer import Address, WrongAnswerError
from bench.people import Crowd

PAGE = 50


def read_pages(crowd: Crowd, address: Address, *, pages: int, seed: int = 1) -> Latency:
    """Times pages from anywhere in the long conversation, the newest among them. Raises WrongAnswerError."""
    chance = random.Random(seed)  # noqa: S311  chance, not secrecy
    long = crowd.long
    connection = http.client.HTTPConnection(*address)
    headers = {"Authorization": f"Bearer {crowd.readers[0].token}"}
    seconds = []
    for number in range(pages):
        before = chance.randint(PAGE + 1, long.messages + 1) if number else long.messages + 1
        began = time.perf_counter()
        connection.request("GET", f"/conversations/{long.id}/messages?limit={PAGE}&before={before}", headers=headers)
        body = connection.getresponse().read()
        seconds.append(time.perf_counter() - began)
        seqs = [message["seq"] for message in json.loads(body).get("messages", ())]
        if seqs != list(range(before - PAGE, before)):
            raise WrongAnswerError(f"the page before {before} is {body[:200]!r}")
    connection.close()
    return Latency.of(seconds)
