"""A chat as most would write it first: FastAPI, uvicorn, and SQLite by aiosqlite, a connection for each use of it.

It checks that the recipient exists, finds or makes their conversation, stores the message in a transaction, then
acknowledges it and brings it to the recipient. It does not limit, resume, number, deduplicate or send receipts.

`uvicorn bench.yardsticks.fastapi_chat:app`; CHAT_DATABASE names the database. Nobody signs up: who connects, exists.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import aiosqlite
from fastapi import FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from pydantic import BaseModel

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS conversations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user1_id TEXT NOT NULL REFERENCES users (id),
    user2_id TEXT NOT NULL REFERENCES users (id),
    UNIQUE (user1_id, user2_id)
);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY,
    conversation_id INTEGER NOT NULL REFERENCES conversations (id),
    sender_id TEXT NOT NULL REFERENCES users (id),
    content TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS messages_of_conversation ON messages (conversation_id, created_at);
"""
BUSY_SECONDS = 60
"""How long a connection waits for another's transaction. With the default, "database is locked" ends this soon."""


class MessageData(BaseModel):
    recipientId: str  # noqa: N815  as it is on the wire
    content: str


class Message(BaseModel):
    id: str
    type: Literal["message"]
    data: MessageData


def connect() -> aiosqlite.Connection:
    return aiosqlite.connect(os.environ["CHAT_DATABASE"], timeout=BUSY_SECONDS)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with connect() as database:
        await database.executescript(SCHEMA)
    yield


app = FastAPI(lifespan=lifespan)
sockets: dict[str, WebSocket] = {}


@app.websocket("/socket")
async def talk(socket: WebSocket) -> None:
    user_id = socket.headers["authorization"].removeprefix("Bearer ")
    async with connect() as database:
        await database.execute("INSERT OR IGNORE INTO users (id) VALUES (?)", (user_id,))
        await database.commit()
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
    await store(user_id, message, now)
    told = {"messageId": message.id, "status": "sent", "serverTimestamp": now}
    await sockets[user_id].send_json({"id": message.id, "type": "ack", "timestamp": now, "data": told})
    recipient = sockets.get(message.data.recipientId)
    if recipient is not None:
        pushed = {"senderId": user_id, "content": message.data.content, "status": "sent"}
        await recipient.send_json({"id": message.id, "type": "message", "timestamp": now, "data": pushed})


async def store(user_id: str, message: Message, now: int) -> None:
    pair = sorted((user_id, message.data.recipientId))
    async with connect() as database:
        found = await database.execute("SELECT id FROM users WHERE id = ?", (message.data.recipientId,))
        if await found.fetchone() is None:
            raise WebSocketException(1008, "no such recipient")
        await database.execute("INSERT OR IGNORE INTO conversations (user1_id, user2_id) VALUES (?, ?)", pair)
        found = await database.execute("SELECT id FROM conversations WHERE user1_id = ? AND user2_id = ?", pair)
        (conversation_id,) = await found.fetchone() or (None,)
        await database.execute(
            "INSERT INTO messages (id, conversation_id, sender_id, content, created_at) VALUES (?, ?, ?, ?, ?)",
            (message.id, conversation_id, user_id, message.data.content, now),
        )
        await database.commit()
