"""Requests as no browser sends them: answered like any other mistake, before they reach the shop."""

from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException, PermissionDeniedException

from app.shops.tenancy import NotFound

# In the scope of a HEAD request, which the app sees as GET.
IS_HEAD = "sellog.is_head"


class IncomingRequest(Request):
    async def form(self) -> FormMultiDict:
        """Raises ClientException for bytes that are no text, PermissionDeniedException for an odd CSRF token."""
        try:
            form = await super().form()
        except (UnicodeError, LookupError):
            raise ClientException from None
        # Litestar compares tokens with a function that takes ASCII only.
        if not str(form.get("_csrf_token", "")).isascii():
            raise PermissionDeniedException
        return form


async def refuse_nul(request: Request) -> None:
    """Nothing here has a NUL in its name, and PostgreSQL takes none in a text. Raises NotFound."""
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise NotFound
