"""/auth/signup, /auth/login, /user/me and its password, /users/search."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from chat_server.chat.accounts import (
    Accounts,
    InvalidUsernameError,
    RegistrationClosedError,
    SignedIn,
    UsernameTakenError,
)
from chat_server.chat.invites import InvalidInviteError
from chat_server.chat.logins import InvalidCredentialsError
from chat_server.chat.presence import Presence
from chat_server.chat.sessions import AccountDeletedError, Caller, Device
from chat_server.http.endpoint import endpoint
from chat_server.security.lockout import LockedOut
from chat_server.security.passwords import HashingBusy, WeakPassword

# Documented here, enforced in chat/, so that who breaks a rule is told which by its own code.
Username = Annotated[str, Meta(extra_json_schema={"pattern": "^[A-Za-z0-9_]{1,50}$"})]
Password = Annotated[
    str,
    Meta(
        description="At least 8 characters with an upper-case letter, a lower-case letter and a digit;"
        " at most 1,024 bytes of UTF-8."
    ),
]


class SignUpBody(Struct, frozen=True, rename="camel"):
    username: Username
    password: Password
    invite_code: str = ""
    """Where registration is by invitation."""


class Credentials(Struct, frozen=True, rename="camel"):
    username: str
    password: str


class SignedInBody(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    token: str
    expires_in: int


class ProfileBody(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    created_at: int
    is_online: bool
    last_seen_at: int | None


class ChangePasswordBody(Struct, frozen=True, rename="camel"):
    current_password: str
    new_password: Password


class ChangedBody(Struct, frozen=True, rename="camel"):
    message: str


class DeleteBody(Struct, frozen=True, rename="camel"):
    password: str


MAX_FOUND = 50


class SearchQuery(Struct, frozen=True, rename="camel"):
    q: Annotated[str, Meta(min_length=1, max_length=50)]
    limit: Annotated[int, Meta(ge=1, le=2**53 - 1, description=f"At most {MAX_FOUND} are given.")] = 10


class FoundBody(Struct, frozen=True, rename="camel"):
    user_id: str
    username: str
    is_online: bool


class SearchBody(Struct, frozen=True, rename="camel"):
    results: list[FoundBody]
    total: int


class SignUp:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @endpoint(
        status=201,
        refuses=(
            InvalidUsernameError,
            WeakPassword,
            UsernameTakenError,
            RegistrationClosedError,
            InvalidInviteError,
            HashingBusy,
        ),
    )
    def on_post(self, device: Device, body: SignUpBody) -> SignedInBody:
        """Sign up. The answer is already signed in."""
        return _signed_in(
            self._accounts.sign_up(body.username, body.password, invite_code=body.invite_code, device=device)
        )


class LogIn:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @endpoint(refuses=(InvalidCredentialsError, AccountDeletedError, LockedOut, HashingBusy))
    def on_post(self, device: Device, body: Credentials) -> SignedInBody:
        """Log in: a new session."""
        return _signed_in(self._accounts.log_in(body.username, body.password, device))


class Me:
    def __init__(self, accounts: Accounts, presence: Presence) -> None:
        self._accounts = accounts
        self._presence = presence

    @endpoint()
    def on_get(self, caller: Caller) -> ProfileBody:
        """One's own account."""
        account = self._accounts.find(caller.user_id)
        return ProfileBody(
            user_id=account.user_id,
            username=account.username,
            created_at=account.created_at,
            is_online=self._presence.is_online(account.user_id),
            last_seen_at=account.last_seen_at,
        )

    @endpoint(status=204, refuses=(InvalidCredentialsError, LockedOut, HashingBusy))
    def on_delete(self, caller: Caller, device: Device, body: DeleteBody) -> None:
        """Delete one's account. There is no way back; the messages stay, signed "Deleted User"."""
        self._accounts.delete(caller, body.password, device)


class ChangePassword:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    @endpoint(refuses=(InvalidCredentialsError, WeakPassword, LockedOut, HashingBusy))
    def on_post(self, caller: Caller, device: Device, body: ChangePasswordBody) -> ChangedBody:
        """Change one's password. Every other session ends."""
        self._accounts.change_password(caller, body.current_password, body.new_password, device)
        return ChangedBody("The password was changed, and every other device signed out.")


class SearchUsers:
    def __init__(self, accounts: Accounts, presence: Presence) -> None:
        self._accounts = accounts
        self._presence = presence

    @endpoint()
    def on_get(self, caller: Caller, query: SearchQuery) -> SearchBody:
        """People whose names begin with `q`. Of strangers it is not told whether they are online."""
        found, total = self._accounts.search(caller.user_id, query.q, limit=min(query.limit, MAX_FOUND))
        results = [
            FoundBody(one.user_id, one.username, one.is_partner and self._presence.is_online(one.user_id))
            for one in found
        ]
        return SearchBody(results, total)


def _signed_in(signed_in: SignedIn) -> SignedInBody:
    return SignedInBody(
        user_id=signed_in.user_id,
        username=signed_in.username,
        token=signed_in.issued.token,
        expires_in=signed_in.issued.expires_in,
    )
