"""JWT authorizers of HTTP APIs: whether they take the tokens of the pool.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.cli.cognito.codes import found

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from fedbridge.cli.check.finding import Finding

HOSTED = ".amazoncognito.com"
"""What the host of a pool's prefix domain ends in."""


def authorizer_findings(
    authorizers: Collection[Mapping[str, Any]],
    *,
    issuer: str,
    domains: Collection[str],
    app_clients: Collection[str],
) -> Iterator[Finding]:
    """Yield what is wrong with the authorizers of one API that are meant for this pool.

    `issuer` is the pool's, `domains` are the hosts that it signs people in at. An authorizer of another issuer
    altogether is somebody else's.
    """
    for each in authorizers:
        if each.get("AuthorizerType") != "JWT":
            continue
        name, jwt = each.get("Name", ""), each.get("JwtConfiguration", {})
        has = jwt.get("Issuer", "")
        host = has.removeprefix("https://").partition("/")[0]
        if host in domains or host.endswith(HOSTED):
            yield found("authorizer_issuer_domain", f"Issuer of {name} is {has}, a domain of a user pool.")
        elif has != issuer and host.startswith(("cognito-idp.", "issuer-cognito-idp.")):
            yield found("authorizer_issuer", f"Issuer of {name} is {has}; this pool's is {issuer}.")
        elif has == issuer and not set(jwt.get("Audience", [])) & set(app_clients):
            yield found("authorizer_audience", f"Audience of {name} names no app client of this pool.")
