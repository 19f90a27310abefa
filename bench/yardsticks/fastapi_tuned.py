"""The naive chat's storage with the two changes that help it most: one connection for all, and a write-ahead log.

Every message is still a transaction, which is on disk before the acknowledgement; nothing is checked any more.

`uvicorn bench.yardsticks.fastapi_tuned:app`; CHAT_DATABASE names the database.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiosqlite
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.yardsticks.fastapi_chat import Message

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    sender_id TEXT NOT NULL,
    recipient_id TEXT NOT NULL,
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
"""


@asynccontextmanager
async def lifespan(chat: FastAPI) -> AsyncIterator[None]:
    async with aiosqlite.connect(os.environ["CHAT_DATABASE"]) as database:
        await database.executescript(SCHEMA)
        chat.state.database = database
        yield


app = FastAPI(lifespan=lifespan)
sockets: dict[str, WebSocket] = {}


@app.websocket("/socket")
async def talk(socket: WebSocket) -> None:
    user_id = socket.headers["authorization"].removeprefix("Bearer ")
    sockets[user_id] = socket
    await socket.accept()
    try:
        while True:
            await take(user_id, Message.model_validate(await socket.receive_json()))
    except WebSocketDisconnect:
        sockets.pop(user_id, None)


async def take(user_id: str, message: Message) -> None:
    """Stores the message, acknowledges it, and brings it to its recipient."""
    now = int(time.time() * 1000)
    database: aiosqlite.Connection = app.state.database
    await database.execute(
        "INSERT INTO messages (id, sender_id, recipient_id, content, created_at) VALUES (?, ?, ?, ?, ?)",
        (message.id, user_id, message.data.recipientId, message.data.content, now),
    )
    await database.commit()
    told = {"messageId": message.id, "status": "sent", "serverTimestamp": now}
    await sockets[user_id].send_json({"id": message.id, "type": "ack", "timestamp": now, "data": told})
    recipient = sockets.get(message.data.recipientId)
    if recipient is not None:
        pushed = {"senderId": user_id, "content": message.data.content, "status": "sent"}
        await recipient.send_json({"id": message.id, "type": "message", "timestamp": now, "data": pushed})
