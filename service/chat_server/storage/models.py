"""The tables as peewee models. The truth of their shape is storage/migrations; a test holds the two together.

Names the troubleshooting guide's SQL uses (users, conversations, messages, auth_logs and their columns) are
part of the contract. Ids are public text, the same in the API, in the tables and in the log. Times are
milliseconds since the Unix epoch.
"""

from __future__ import annotations

from typing import NamedTuple

from peewee import CompositeKey, DatabaseProxy, IntegerField, Model, TextField

database_proxy = DatabaseProxy()


class Table(Model):
    class Meta:
        database = database_proxy
        legacy_table_names = False


class User(Table):
    """An account. A deleted one stays as a row, so that its name is never given out again."""

    id = TextField(primary_key=True)
    username = TextField(collation="NOCASE")
    password_hash = TextField(null=True)
    created_at = IntegerField()
    deleted_at = IntegerField(null=True)
    last_seen_at = IntegerField(null=True)

    class Meta:
        table_name = "users"


class Session(Table):
    """One signed-in device. Its row is deleted when it ends; token ids rotate within it."""

    id = TextField(primary_key=True)
    user_id = TextField()
    token_id = TextField()
    previous_token_id = TextField(null=True)
    rotated_at = IntegerField()
    created_at = IntegerField()
    last_used_at = IntegerField()
    address = TextField()
    agent = TextField()

    class Meta:
        table_name = "sessions"


class AuthLog(Table):
    """One attempt to log in; failures within the window are what a lockout counts."""

    id = IntegerField(primary_key=True)
    username = TextField(collation="NOCASE")
    address = TextField()
    succeeded = IntegerField()
    created_at = IntegerField()

    class Meta:
        table_name = "auth_logs"


class Side(NamedTuple):
    """One person's side of a conversation. `number` is 1 or 2."""

    number: int
    user_id: str
    delivered_seq: int
    read_seq: int
    unread: int


class Conversation(Table):
    """Two people. user1_id < user2_id as text; the watermarks and unread counts are kept per side."""

    id = TextField(primary_key=True)
    user1_id = TextField()
    user2_id = TextField()
    created_at = IntegerField()
    last_seq = IntegerField(default=0)
    last_message_at = IntegerField()
    user1_delivered_seq = IntegerField(default=0)
    user2_delivered_seq = IntegerField(default=0)
    user1_read_seq = IntegerField(default=0)
    user2_read_seq = IntegerField(default=0)
    user1_unread = IntegerField(default=0)
    user2_unread = IntegerField(default=0)

    class Meta:
        table_name = "conversations"

    def sides(self, user_id: str) -> tuple[Side, Side]:
        """The person's own side, and the other's."""
        first = Side(1, self.user1_id, self.user1_delivered_seq, self.user1_read_seq, self.user1_unread)
        second = Side(2, self.user2_id, self.user2_delivered_seq, self.user2_read_seq, self.user2_unread)
        return (first, second) if user_id == self.user1_id else (second, first)


class Message(Table):
    """One message, immutable. client_id is the id its sender chose, unique within the conversation."""

    id = IntegerField(primary_key=True)
    conversation_id = TextField()
    seq = IntegerField()
    client_id = TextField()
    sender_id = TextField()
    content = TextField()
    created_at = IntegerField()

    class Meta:
        table_name = "messages"


class Block(Table):
    blocker_id = TextField()
    blocked_id = TextField()
    created_at = IntegerField()

    class Meta:
        table_name = "blocks"
        primary_key = CompositeKey("blocker_id", "blocked_id")


class Invite(Table):
    """A code that lets one person sign up. Only its SHA-256 is kept."""

    id = TextField(primary_key=True)
    code_hash = TextField()
    note = TextField()
    created_at = IntegerField()
    expires_at = IntegerField(null=True)
    used_at = IntegerField(null=True)
    used_by_id = TextField(null=True)
    revoked_at = IntegerField(null=True)

    class Meta:
        table_name = "invites"


class WriteProbe(Table):
    """A single row that is rewritten to find out whether the database can be written."""

    id = IntegerField(primary_key=True)
    probed_at = IntegerField()

    class Meta:
        table_name = "write_probe"


TABLES = (User, Session, AuthLog, Conversation, Message, Block, Invite, WriteProbe)
