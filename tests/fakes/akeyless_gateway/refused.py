"""The gateway's only exception: a response other than 200."""


class Refused(Exception):
    def __init__(self, status: int, text: str, headers: dict | None = None):
        super().__init__(f"{status} {text}")
        self.status = status
        self.text = text
        self.headers = headers or {}


def bad_request(text: str) -> Refused:
    return Refused(400, text)


def login_failed(why: str) -> Refused:
    return Refused(401, f"AuthenticationFailed: {why}")


def invalid_credentials(why: str) -> Refused:
    # unverified: the whole text for an expired token; the words are those that were seen
    # (docs/protocol/akeyless-api.md, "Refusals and blocking").
    return Refused(401, f"failed to get credentials: Status 401 Unauthorized, InvalidCredentials: {why}")


def denied(account_id: str, access_id: str, name: str, marker: str = "UnauthorizedAccess") -> Refused:
    """Returned whether or not the item exists. Names the identity whose rights were checked, like the service's own text."""
    return Refused(401, f"failed to get item: Status 401 Unauthorized, {marker}: account {account_id}, "
                        f"access id {access_id} may not do this on {name}")


def not_found(name: str) -> Refused:
    return Refused(404, f"failed to get item: Status 404 Not Found, NotFound: {name}")
