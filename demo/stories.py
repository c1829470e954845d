"""What a hop shows when it went otherwise than the straight way: reloads, strangers, refusals."""

from __future__ import annotations

from demo.kinds import Kind
from demo.messages import Answer, Request

STRANGER = (
    "State and code, but not this browser's cookie: they open nothing. A page says so, and nothing is burnt, so the "
    "browser that began can still finish."
)
REPEATED = (
    "The same browser once more: the same redirect while that still helps, else a page. Nobody is called, and there is "
    "never a second code."
)

_WITH_ERROR = {
    "idp.resume": "The sign-in was given up at the bank, which sends an error where a code would be.",
    "bridge.callback": (
        "The sign-in cannot go on. Cognito is told in OAuth's own words, with its own state and a reference that finds "
        "the lines in the bridge's log."
    ),
    "cognito.idpresponse": "Cognito gets its own state back, and instead of a code the error with its reference.",
    "app.callback": "The app is told, with its own state. It can offer to try again.",
}
_REFUSED = {
    "bridge.token": "A code works once. Whoever brings it again gets invalid_grant, even with the right secret.",
    "bridge.authorize": "Client or redirect URI are not proven: a page, and no redirect anywhere.",
}


def story(kind: Kind, request: Request, answer: Answer, *, stranger: bool, repeated: bool) -> str:
    """Return the sentence for one hop. `repeated` says that this browser was at the callback before."""
    if stranger:
        return STRANGER
    if repeated:
        return REPEATED
    if "error" in request.parameters or "error" in answer.location_query:
        return _WITH_ERROR.get(kind.name, kind.shows)
    if answer.status >= 400:
        return _REFUSED.get(kind.name, kind.shows)
    return kind.shows
