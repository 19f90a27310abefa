"""/auth/refresh, /auth/logout and /user/me/sessions."""

from __future__ import annotations

from msgspec import Struct

from chat_server.chat.sessions import Caller, Device, SessionNotFoundError, Sessions
from chat_server.http.endpoint import endpoint


class TokenBody(Struct, frozen=True, rename="camel"):
    token: str
    expires_in: int


class LogOutQuery(Struct, frozen=True, rename="camel"):
    everywhere: bool = False


class LoggedOutBody(Struct, frozen=True, rename="camel"):
    pass


class SessionBody(Struct, frozen=True, rename="camel"):
    session_id: str
    created_at: int
    last_used_at: int
    address: str
    agent: str
    is_current: bool


class SessionsBody(Struct, frozen=True, rename="camel"):
    sessions: list[SessionBody]


class Refresh:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @endpoint()
    def on_post(self, bearer: str, device: Device) -> TokenBody:
        """Another token of the same session, for one that is valid, or its newest although it expired."""
        issued = self._sessions.refresh(bearer, device)
        return TokenBody(issued.token, issued.expires_in)


class LogOut:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @endpoint()
    def on_post(self, caller: Caller, query: LogOutQuery) -> LoggedOutBody:
        """End the session, or every session, with all tokens and sockets."""
        if query.everywhere:
            self._sessions.end_all(caller.user_id)
        else:
            self._sessions.end(caller.user_id, caller.session_id)
        return LoggedOutBody()


class MySessions:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @endpoint()
    def on_get(self, caller: Caller) -> SessionsBody:
        """The devices signed in, the last used first."""
        return SessionsBody(
            [
                SessionBody(
                    session_id=item.session_id,
                    created_at=item.created_at,
                    last_used_at=item.last_used_at,
                    address=item.address,
                    agent=item.agent,
                    is_current=item.session_id == caller.session_id,
                )
                for item in self._sessions.devices(caller.user_id)
            ]
        )


class MySession:
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @endpoint(status=204, refuses=(SessionNotFoundError,))
    def on_delete(self, caller: Caller, session_id: str) -> None:
        """Sign one device out."""
        self._sessions.end(caller.user_id, session_id)
