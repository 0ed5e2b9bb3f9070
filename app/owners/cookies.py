"""The desk's two cookies: out of reach of scripts, and of other sites' requests."""

from typing import Literal

from litestar import Response
from litestar.connection import ASGIConnection

# Browsers keep none longer. Whether a login is still good, its row says.
LONGEST = 400 * 86_400

Name = Literal["login", "device"]


def read_cookie(connection: ASGIConnection, name: Name) -> str:
    return connection.cookies.get(_full(connection, name), "")


def set_cookie(connection: ASGIConnection, answer: Response, name: Name, value: str) -> None:
    """An empty value takes the cookie back."""
    answer.set_cookie(
        _full(connection, name),
        value,
        max_age=LONGEST if value else 0,
        samesite="lax",
        httponly=True,
        secure=connection.app.state.settings.is_secure,
    )


def _full(connection: ASGIConnection, name: Name) -> str:
    """With the prefix, browsers take it from this very host over TLS only."""
    return f"__Host-{name}" if connection.app.state.settings.is_secure else name
