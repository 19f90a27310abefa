"""What every connection shares. server.py fills it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chat_server.chat.conversations import Conversations
from chat_server.chat.messages import Messages
from chat_server.chat.presence import Presence
from chat_server.chat.sessions import Sessions
from chat_server.config import Config
from chat_server.observability.metrics import Metrics
from chat_server.realtime.hub import Hub
from chat_server.realtime.tally import MessageTally
from chat_server.security.throttle import Rate
from chat_server.storage.readers import Readers
from chat_server.storage.writer import Writer


@dataclass(slots=True)
class Parts:
    """`config` is replaced as a whole when the configuration is reloaded."""

    config: Config
    clock: Callable[[], int]
    hub: Hub
    presence: Presence
    sessions: Sessions
    conversations: Conversations
    messages: Messages
    readers: Readers
    writer: Writer
    metrics: Metrics
    tally: MessageTally
    frame_rate: Rate
