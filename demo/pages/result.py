"""How a sign-in ended: who signed in or why nobody did, what it proved, and every hop."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from demo.pages import trip
from demo.pages.html import Child, Markup, el
from demo.pages.parts import CROSS, TICK, frame, json_block, more
from demo.proofs import Proof, reference
from demo.recorder import Refused, SignedIn
from demo.views import Scene, TripView


def page(scene: Scene, view: TripView, *, open_all: bool) -> Markup:
    """Return the page of one trip."""
    result = view.trip.result
    if isinstance(result, SignedIn):
        title, top = "Signed in", _signed_in(scene, view, result)
    elif isinstance(result, Refused):
        title, top = "Not signed in", _refused(view, result)
    else:
        title, top = "Under way", _under_way()
    return frame(
        title,
        *top,
        _hops(view, open_all=open_all),
        _logged(view) if isinstance(result, SignedIn) else None,
        _tries(view) if result is not None else None,
        action=el("a", "Sign in again", href="/sign-in", class_="button small"),
    )


def _signed_in(scene: Scene, view: TripView, result: SignedIn) -> list[Child]:
    name = str(result.claims.get("name") or result.claims["cognito:username"])
    return [
        el(
            "section",
            el("p", "Signed in", class_="eyebrow"),
            el("h1", f"Hello, {name}"),
            el(
                "p",
                el("b", "Nordbank ID"), " knows who you are, ", el("b", "fedbridge"), " spoke to it as strictly as it demands, "
                f"and your user pool issued its tokens for you, as for everybody else. That took {len(view.needed)} hops.",
                class_="lede",
            ),
            class_="hero short",
        ),
        el("div", _identity(scene, result.claims), _proved(view), class_="cards"),
    ]  # fmt: skip


def _identity(scene: Scene, claims: Mapping[str, Any]) -> Markup:
    name = str(claims.get("name") or claims["cognito:username"])
    provider = next((each.get("providerName") for each in claims.get("identities", [])), "")
    facts: list[tuple[str, Child]] = [
        ("E-mail", str(claims.get("email", ""))),
        ("Identity provider", str(provider)),
        ("User name in the pool", el("code", str(claims["cognito:username"]))),
        ("Subject in the pool", el("code", str(claims["sub"]))),
        ("Issued by", el("code", str(claims["iss"]))),
        ("Issued to", el("code", str(claims["aud"]))),
    ]
    initials = "".join(part[0] for part in name.split()[:2]).upper()
    return el(
        "article",
        el("h2", "Who signed in"),
        el("div", el("span", initials, class_="face", aria_hidden="true"), el("div", el("b", name), el("p", "A federated user of the pool")), class_="person"),
        el("dl", *(part for label, value in facts for part in (el("dt", label), el("dd", value))), class_="facts"),
        el("p", "The user name is the provider's name and a digest of the bank's issuer and subject: the same at every sign-in, and nobody else's.", class_="hint"),
        more("All claims of the pool's ID token", json_block(dict(claims))),
        _quirk(scene, claims),
        class_="card",
    )  # fmt: skip


def _quirk(scene: Scene, claims: Mapping[str, Any]) -> Child:
    """Say what the emulator gets wrong where it shows."""
    if scene.simulated_because or claims.get("email_verified") in {True, "true"}:
        return None
    text = (
        "The bridge's ID token says email_verified: true. The emulator writes a JSON true as “True”, then reads that as false; "
        "Cognito itself keeps it."
    )
    return el("p", text, class_="note")


def _refused(view: TripView, result: Refused) -> list[Child]:
    named = reference(result.description)
    facts: list[tuple[str, Child]] = [
        ("error", el("code", result.error)),
        ("error_description", result.description),
        ("Reference", el("code", named) if named else "none"),
    ]
    return [
        el(
            "section",
            el("p", "Not signed in", class_="eyebrow bad"),
            el("h1", "Nobody was signed in"),
            el(
                "p",
                "The sign-in ended before the pool had a user for it. The app was told so by OAuth's own means, and can "
                "offer to try again.",
                class_="lede",
            ),
            el("p", el("a", "Sign in again", href="/sign-in", class_="button")),
            class_="hero short",
        ),
        el(
            "div",
            el(
                "article",
                el("h2", "What the app was told"),
                el("dl", *(part for label, value in facts for part in (el("dt", label), el("dd", value))), class_="facts"),
                el("p", "Cognito makes invalid_request of every failure and puts the provider's own words into the description.", class_="hint"),
                class_="card",
            ),
            _proved(view),
            class_="cards",
        ),
        _logged(view),
    ]  # fmt: skip


def _under_way() -> list[Child]:
    return [
        el(
            "section",
            el("p", "Under way", class_="eyebrow wait"),
            el("h1", "This sign-in has not ended yet"),
            el("p", "Reload this page when it has.", class_="lede"),
            class_="hero short",
        )
    ]


def _proved(view: TripView) -> Markup:
    return el(
        "article",
        el("h2", "What this sign-in proved"),
        el("ul", *(_proof(proof, view) for proof in view.proofs), class_="proofs"),
        class_="card",
    )


def _proof(proof: Proof, view: TripView) -> Markup:
    links = [
        el("a", str(number), href=f"#hop-{number}", aria_label=f"hop {number}")
        for number in view.numbers(proof)
    ]
    where = el("span", "hop" if len(links) == 1 else "hops", *links, class_="where")
    return el(
        "li",
        TICK if proof.holds else CROSS,
        el("span", proof.text, " ", where),
        class_=None if proof.holds else "fails",
    )


def _hops(view: TripView, *, open_all: bool) -> Markup:
    here = f"/trips/{view.trip.id}"
    unfold = (
        el("a", "Fold all", href=here)
        if open_all
        else el("a", "Unfold all", href=f"{here}?details=open#hops")
    )
    return el(
        "section",
        el(
            "div",
            el("h2", "Every hop of the trip", id="hops"),
            el("p", unfold, class_="hint"),
            class_="tripbar",
        ),
        el(
            "p",
            "As recorded on the wire. Codes, states, secrets and cookies are cut to their first characters and their length; "
            "tokens are decoded.",
            class_="hint",
        ),
        trip.legend(),
        trip.diagram(view.needed, view.later, open_all=open_all),
        class_="section",
    )


def _logged(view: TripView) -> Child:
    if not view.logged:
        return None
    return el(
        "section",
        el("h2", "What the bridge logged"),
        el(
            "p",
            "All of it, found by its reference. No code, token, secret, cookie or claim is ever in a log line.",
            class_="hint",
        ),
        el("ul", *(_log_line(json.loads(line)) for line in view.logged), class_="card log"),
        class_="section",
    )


def _log_line(event: dict[str, Any]) -> Markup:
    """Return a line as it was logged, its members in their order, those first that a reader looks for."""
    time, name, level = event.pop("timestamp"), event.pop("message"), event.get("level")
    rest = (el("span", f"{key}={value}") for key, value in event.items())
    return el("li", el("time", time.partition("T")[2][:12]), el("b", name), *rest, class_=level)


def _tries(view: TripView) -> Markup:
    here = f"/trips/{view.trip.id}"
    tries = [
        (
            f"{here}/reload",
            "Reload the callback",
            "In this browser, after the end: the bridge says how things stand, and calls nobody.",
        ),
        (
            f"{here}/stranger",
            "Be a stranger",
            "The same address without this browser's cookie: the state and the code alone are worth nothing.",
        ),
        (
            "/sign-in",
            "Cancel at the bank",
            "Sign in again and press Cancel: the app gets the bank's refusal and a reference.",
        ),
        (
            "/sign-in",
            "Sign in as bob",
            "He is known to the bank, but signs in too weakly: the bridge refuses what it did not ask for.",
        ),
    ]
    return el(
        "section",
        el("h2", "Try to break it"),
        el("ul", *(el("li", el("a", label, href=href), el("p", text)) for href, label, text in tries), class_="tries"),
        class_="section",
    )  # fmt: skip
