"""A client that sends without a pause and connects again when it is closed; it runs where the flood comes from.

`python3 -m infra_tests.drills.flood HOST SECONDS` prints "flooding" when it is under way and, at the end, what came of
it, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
import uuid
from collections import Counter

from tests.faults.line import Line, LineLostError, message

MOST_FRAMES = 1_000_000
PASSWORD = "Correct-Horse-7"


def sign_up(host: str) -> tuple[str, str]:
    """A new person's id and token."""
    body = json.dumps({"username": f"flood_{uuid.uuid4().hex[:8]}", "password": PASSWORD}).encode()
    request = urllib.request.Request(
        f"http://{host}:8080/auth/signup", data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        made = json.load(answer)
    return made["userId"], made["token"]


def main() -> None:
    """Floods for as long as the arguments say."""
    host, seconds = sys.argv[1], float(sys.argv[2])
    (_, token), (other, _) = sign_up(host), sign_up(host)
    came: Counter[str] = Counter()
    sent, until = 0, time.monotonic() + seconds
    print("flooding", flush=True)
    while time.monotonic() < until and sent < MOST_FRAMES:  # a close is no reason to wait
        try:
            line = Line(8080, token, host=host)
            while time.monotonic() < until and sent < MOST_FRAMES and not line.close_code:
                line.send(message(f"m-{sent}", other, "flood"))
                sent += 1
                for frame in line.receive():
                    came[frame["data"].get("code") or frame["data"].get("status") or frame["type"]] += 1
            line.close()
        except (LineLostError, OSError) as lost:
            came[str(lost)] += 1
    print(json.dumps({"tried": sent, **came}), flush=True)


if __name__ == "__main__":
    main()
