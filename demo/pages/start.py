"""The first page: who talks to whom, what the bank demands, and the button."""

from __future__ import annotations

import time
from collections.abc import Sequence

from demo.bank import LEVEL
from demo.pages.html import Child, Markup, el
from demo.pages.parts import frame
from demo.recorder import Refused, SignedIn, Trip
from demo.views import Scene

_DEMANDS = (
    (
        "A client assertion (private_key_jwt), its aud, exp, jti and kid checked",
        "A client secret in the body of the request, and nothing else",
        "Signs with a private key; the bank fetches the public one",
    ),
    ("PKCE with S256", "Never sent", "Draws a verifier for every sign-in"),
    ("A nonce", "Never sent", "Draws one, and finds it in the ID token again"),
    (
        f"acr_values, to ask for a level ({LEVEL})",
        "No way to ask",
        "Asks for it, and refuses a weaker sign-in",
    ),
)


def page(scene: Scene, trips: Sequence[Trip]) -> Markup:
    """Return the page."""
    return frame(
        "Sign in",
        el(
            "section",
            el("h1", "Sign in through a bank that Cognito cannot talk to"),
            el(
                "p",
                "Nordbank ID takes no shared secret, and no request without a nonce and PKCE. Amazon Cognito has a shared "
                "secret and sends neither. fedbridge stands between the two: sign in, and see every hop.",
                class_="lede",
            ),
            el("p", el("a", "Sign in with Nordbank ID", href="/sign-in", class_="button")),
            el(
                "p",
                "At the bank, use ", el("code", "alice"), " with any password. ", el("code", "bob"),
                " can sign in there too, but too weakly for this connection.",
                class_="hint",
            ),
            class_="hero",
        ),
        _parties(),
        el("section", _demands(), class_="section"),
        el(
            "section",
            el("article", *_configuration(scene), class_="card"),
            el("article", *_what_is_real(scene), class_="card"),
            class_="section stack",
        ),
        _latest(trips),
    )  # fmt: skip


def _parties() -> Markup:
    return el(
        "section",
        el("h2", "Who talks to whom"),
        el(
            "div",
            _party("Demo app", "an ordinary client"),
            _link("OpenID Connect", ""),
            _party("Cognito", "your user pool"),
            _link("OpenID Connect", "client_secret_post, no nonce, no PKCE"),
            el("div", "fedbridge", el("small", "the bridge"), class_="party us"),
            _link("OpenID Connect, strictly", "private_key_jwt, nonce, PKCE, acr"),
            _party("Nordbank ID", "a strict bank"),
            class_="parties",
        ),
        class_="section",
    )


def _party(name: str, what: str) -> Markup:
    return el("div", name, el("small", what), class_="party")


def _link(protocol: str, how: str) -> Markup:
    return el("div", el("b", protocol), how, class_="link")


def _demands() -> Markup:
    heads = ("The bank demands", "Cognito offers", "fedbridge does")
    rows = (
        el(
            "tr",
            el("th", demanded, scope="row"),
            el("td", cognito, class_="no", data_label=heads[1]),
            el("td", bridge, class_="yes", data_label=heads[2]),
        )
        for demanded, cognito, bridge in _DEMANDS
    )
    return el(
        "article",
        el("h2", "Why they cannot talk to each other"),
        el(
            "table",
            el("thead", el("tr", *(el("th", head, scope="col") for head in heads))),
            el("tbody", *rows),
        ),
        class_="card",
    )


def _configuration(scene: Scene) -> tuple[Child, ...]:
    count = len(scene.configuration.splitlines())
    return (
        el("h2", "All that was configured"),
        el(
            "p",
            f"connections.yaml, {count} lines. The rest the bridge reads from the bank's own metadata.",
            class_="hint",
        ),
        el("pre", scene.configuration, tabindex="0"),
    )


def _what_is_real(scene: Scene) -> tuple[Child, ...]:
    return (
        el("h2", "What is real here"),
        el(
            "ul",
            el("li", el("b", "The bridge: "), el("code", "fedbridge dev"), ", the very handlers that run on Lambda, routed from template.yaml."),
            el("li", el("b", "The bank: "), "npm oidc-provider, a certified OpenID Provider, which here refuses what strict banks refuse."),
            el("li", el("b", "The user pool: "), pool_note(scene)),
            el("li", el("b", "The record: "), "every request passes a recording server on loopback, those between servers too."),
            class_="plain",
        ),
    )  # fmt: skip


def pool_note(scene: Scene) -> str:
    """Return what the user pool is, and what it is not."""
    if scene.simulated_because:
        return (
            "this project's own simulation of Cognito, with every check that Cognito makes, in the place of the emulator "
            f"ministack ({scene.simulated_because})."
        )
    return (
        "ministack, an emulator of AWS. It verifies no signature, calls no userinfo endpoint and tells the app of no "
        "failure, so the demo does these three in its place, as Cognito does. The hops say so."
    )


def _latest(trips: Sequence[Trip]) -> Child:
    ended = [trip for trip in trips if trip.result is not None][:8]
    if not ended:
        return None
    return el(
        "section",
        el("h2", "Latest sign-ins"),
        el("p", "The first ones were driven by the demo itself when it started.", class_="hint"),
        el("div", el("ul", *(_trip(trip) for trip in ended), class_="trips"), class_="card"),
        class_="section",
    )


def _trip(trip: Trip) -> Markup:
    when = time.strftime("%H:%M:%S", time.localtime(trip.began))
    if isinstance(trip.result, SignedIn):
        name = str(trip.result.claims.get("name", "somebody"))
        return el("li", el("a", f"{name} signed in", href=f"/trips/{trip.id}"), el("span", when))
    reason = trip.result.description if isinstance(trip.result, Refused) else ""
    return el(
        "li", el("a", "Nobody was signed in", href=f"/trips/{trip.id}"), el("span", when), el("span", reason)
    )
