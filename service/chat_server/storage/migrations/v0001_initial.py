"""The first schema: accounts, sessions, conversations, messages, blocks, invites."""

from __future__ import annotations

STATEMENTS = (
    """CREATE TABLE users (
        id TEXT PRIMARY KEY,
        username TEXT NOT NULL COLLATE NOCASE,
        password_hash TEXT,
        created_at INTEGER NOT NULL,
        deleted_at INTEGER,
        last_seen_at INTEGER
    )""",
    "CREATE UNIQUE INDEX idx_users_username ON users (username)",
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        user_id TEXT NOT NULL REFERENCES users (id),
        token_id TEXT NOT NULL,
        previous_token_id TEXT,
        rotated_at INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        last_used_at INTEGER NOT NULL,
        address TEXT NOT NULL,
        agent TEXT NOT NULL
    )""",
    "CREATE INDEX idx_sessions_user_id ON sessions (user_id)",
    "CREATE INDEX idx_sessions_last_used_at ON sessions (last_used_at)",
    """CREATE TABLE auth_logs (
        id INTEGER PRIMARY KEY,
        username TEXT NOT NULL COLLATE NOCASE,
        address TEXT NOT NULL,
        succeeded INTEGER NOT NULL,
        created_at INTEGER NOT NULL
    )""",
    "CREATE INDEX idx_auth_logs_username ON auth_logs (username, created_at)",
    "CREATE INDEX idx_auth_logs_address ON auth_logs (address, created_at)",
    """CREATE TABLE conversations (
        id TEXT PRIMARY KEY,
        user1_id TEXT NOT NULL REFERENCES users (id),
        user2_id TEXT NOT NULL REFERENCES users (id),
        created_at INTEGER NOT NULL,
        last_seq INTEGER NOT NULL DEFAULT 0,
        last_message_at INTEGER NOT NULL,
        user1_delivered_seq INTEGER NOT NULL DEFAULT 0,
        user2_delivered_seq INTEGER NOT NULL DEFAULT 0,
        user1_read_seq INTEGER NOT NULL DEFAULT 0,
        user2_read_seq INTEGER NOT NULL DEFAULT 0,
        user1_unread INTEGER NOT NULL DEFAULT 0,
        user2_unread INTEGER NOT NULL DEFAULT 0,
        CHECK (user1_id < user2_id)
    )""",
    # Serves look-ups by the pair as well as by the first person.
    "CREATE UNIQUE INDEX idx_conversations_user1_id ON conversations (user1_id, user2_id)",
    "CREATE INDEX idx_conversations_user2_id ON conversations (user2_id)",
    """CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        conversation_id TEXT NOT NULL REFERENCES conversations (id),
        seq INTEGER NOT NULL,
        client_id TEXT NOT NULL,
        sender_id TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at INTEGER NOT NULL
    )""",
    # Both indexes begin with the conversation, so that inserts stay local however large the table grows.
    # SQLite prefers the later of two equals: the guide's query plan expects idx_messages_conversation_id.
    "CREATE UNIQUE INDEX idx_messages_client_id ON messages (conversation_id, client_id)",
    "CREATE UNIQUE INDEX idx_messages_conversation_id ON messages (conversation_id, seq)",
    """CREATE TABLE blocks (
        blocker_id TEXT NOT NULL REFERENCES users (id),
        blocked_id TEXT NOT NULL REFERENCES users (id),
        created_at INTEGER NOT NULL,
        PRIMARY KEY (blocker_id, blocked_id)
    )""",
    "CREATE INDEX idx_blocks_blocked_id ON blocks (blocked_id)",
    """CREATE TABLE invites (
        id TEXT PRIMARY KEY,
        code_hash TEXT NOT NULL UNIQUE,
        note TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        used_at INTEGER,
        used_by_id TEXT REFERENCES users (id),
        revoked_at INTEGER
    )""",
    "CREATE TABLE write_probe (id INTEGER PRIMARY KEY CHECK (id = 1), probed_at INTEGER NOT NULL)",
    "INSERT INTO write_probe (id, probed_at) VALUES (1, 0)",
)
