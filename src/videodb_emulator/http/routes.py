"""The table of operations as HTTP: envelopes, keys, both spellings of a path."""

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from videodb_emulator.http.operations import OPERATIONS, Answer, Call, Operation
from videodb_emulator.pure.account import Account
from videodb_emulator.pure.fields import Fields, Refusal, parse

Endpoint = Callable[[Request], Awaitable[JSONResponse]]


def success(data: Answer, status: int = 200, message: str | None = None) -> JSONResponse:
    """Return the envelope of an answer; what is None has no key there, since clients cannot take a null."""
    said = {"message": message, "data": data}
    envelope = {"success": True, **{name: value for name, value in said.items() if value is not None}}
    return JSONResponse(envelope, status_code=status)


async def _error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    envelope = {"success": False, "message": error.detail}
    return JSONResponse(envelope, status_code=error.status_code, headers=error.headers)


async def _refusal(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    return JSONResponse({"success": False, "message": error.message}, status_code=error.status)


HANDLERS = {HTTPException: _error, Refusal: _refusal}
"""What becomes of an exception; everything is said in the envelope."""


def authenticate(request: Request, account: Account, now_s: float) -> None:
    """Raise `Refusal` 401 unless the request carries a key or a client token."""
    key = request.headers.get("x-access-token", "").strip()
    if not account.accepts(key, now_s):
        what = "the client token is unknown or has expired" if key else "the header x-access-token is missing or empty"
        raise Refusal(401, f"no access: {what}")


def both_slashes(method: str, path: str, endpoint: Endpoint) -> list[BaseRoute]:
    """Return the routes of a path without and with a slash at its end.

    A redirect would hide that clients and the API reference disagree about it.
    """
    return [Route(path + slash, endpoint, methods=[method]) for slash in ("", "/")]


def routes(
    account: Account, admit: Callable[[Request], None], clock: Callable[[], float], changed: Callable[[], None]
) -> list[BaseRoute]:
    """Return a route for every operation.

    `admit` raises what a request is refused with; `changed` is called after each that is not.
    """

    def endpoint(operation: Operation) -> Endpoint:
        async def answer(request: Request) -> JSONResponse:
            admit(request)
            body = parse(await request.body())
            call = Call(account, request.path_params, Fields(request.query_params), body, clock())
            data = operation.answer(call)
            changed()
            return success(data, operation.status, operation.message)

        return answer

    return [route for one in OPERATIONS for route in both_slashes(one.method, one.path, endpoint(one))]
