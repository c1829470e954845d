"""Cognito's side of a connection: the pool, its identity provider, mapping, app clients, domain and authorizers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fedbridge.cli.cognito.authorizer_findings import authorizer_findings
from fedbridge.cli.cognito.calls import CognitoRefused, ask, issuer_of, pool_client, region_of
from fedbridge.cli.cognito.client_findings import app_client_findings, domain_findings, redirect_uris
from fedbridge.cli.cognito.codes import found
from fedbridge.cli.cognito.desk import upstream_jwks_uri
from fedbridge.cli.cognito.expected import ENDPOINTS, Expected, expected
from fedbridge.cli.cognito.mapping_findings import mapping_findings
from fedbridge.cli.cognito.pool import (
    IdentityProvider,
    Pool,
    app_client_ids,
    describe_app_client,
    describe_identity_provider,
    describe_pool,
    oidc_provider_names,
)
from fedbridge.cli.cognito.provider_findings import address_findings, provider_findings
from fedbridge.errors import ConfigurationError, DeadlineExceeded, KeyUnavailable, UpstreamError
from fedbridge.ports import OutboundRequest
from fedbridge.strict_json import InvalidJson, decode_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.connection import RelyingParty

MOST_CLIENTS = 60
"""App clients that are looked at; each costs a call."""

MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One pool, and the relying parties that may be its. `named` is the bridge's name there, as far as anybody has said it."""

    context: CheckContext
    pool: Pool
    parties: Sequence[RelyingParty]
    named: str | None
    client: Any = field(repr=False)


def cognito_findings(context: CheckContext) -> Iterator[Finding]:
    """Yield what is wrong in the user pools behind the connection's relying parties; nothing where none is known."""
    for pool_id, parties, named in _pools(context):
        try:
            client = _client(context, pool_id)
            side = _Side(
                context=context,
                pool=describe_pool(client, pool_id),
                parties=parties,
                named=named,
                client=client,
            )
            yield from _side_findings(side)
        except CognitoRefused as refused:
            missing = refused.code == "ResourceNotFoundException"
            yield found("user_pool_missing" if missing else "cognito_unreadable", f"{pool_id}: {refused}.")
        except ConfigurationError as failure:
            yield found("cognito_unreadable", f"{str(failure).rstrip('.')}.")


def _pools(context: CheckContext) -> Iterator[tuple[str, Sequence[RelyingParty], str | None]]:
    parties, options = context.connection.relying_parties, context.options
    if options.user_pool is not None:
        theirs = [each for each in parties if each.user_pool and each.user_pool.id == options.user_pool]
        free = [each for each in parties if each.user_pool is None]
        named = theirs[0].user_pool.identity_provider if theirs and theirs[0].user_pool else None
        yield options.user_pool, theirs or free or parties, options.identity_provider or named
        return
    for party in parties:
        if party.user_pool is not None:
            named = options.identity_provider or party.user_pool.identity_provider
            yield party.user_pool.id, [party], named


def _client(context: CheckContext, pool_id: str) -> Any:
    """Return a client for the pool's own Region, whatever Region the shell is set to, if it is to any."""
    region = region_of(pool_id)
    try:
        client = context.clients("cognito-idp")
    except ConfigurationError:
        return pool_client(pool_id)
    return client if client.meta.region_name == region else pool_client(pool_id)


def _side_findings(side: _Side) -> Iterator[Finding]:
    context, pool = side.context, side.pool
    yield from _subjects(side)
    provider, problem = _provider(side)
    if problem is not None:
        yield problem
    client_ids = list(app_client_ids(side.client, pool.id))
    clients = [describe_app_client(side.client, pool.id, each) for each in client_ids[:MOST_CLIENTS]]
    party = _party(side, provider)
    if provider is not None and provider.type == "OIDC":
        yield from provider_findings(provider, context.connection, party)
        yield from _addresses(context, provider, party)
        yield from mapping_findings(context.connection, pool, provider.attribute_mapping)
        yield from app_client_findings(clients, provider, unseen=len(client_ids) - len(clients))
    yield from domain_findings(pool, party)
    yield from _authorizers(side, client_ids)


def _subjects(side: _Side) -> Iterator[Finding]:
    connection = side.context.connection
    if connection.subject != "raw" and connection.tokens != "relay":
        return
    if connection.case_sensitive_pool and not side.pool.case_sensitive:
        yield found("subjects_case", f"{side.pool.id} ignores case; the connection says case_sensitive_pool.")
    elif side.pool.case_sensitive and not connection.case_sensitive_pool:
        yield found(
            "subjects_case_unused", f"{side.pool.id} minds case; the connection says that it does not."
        )


def _provider(side: _Side) -> tuple[IdentityProvider | None, Finding | None]:
    """Return the bridge as the pool knows it, by its name or else by its issuer, and what is wrong with that."""
    name = side.named or side.context.connection.name
    provider = describe_identity_provider(side.client, side.pool.id, name)
    if provider is not None:
        wrong = provider.type != "OIDC"
        problem = found("identity_provider_type", f"{name} is of type {provider.type}.") if wrong else None
        return provider, problem
    for other in oidc_provider_names(side.client, side.pool.id):
        provider = describe_identity_provider(side.client, side.pool.id, other)
        if provider is not None and _is_ours(side, provider):
            renamed = found(
                "identity_provider_name", f"{side.pool.id} has no {name}; the connection is {other} there."
            )
            return provider, renamed if side.named else None
    return None, found("identity_provider_missing", f"{side.pool.id} has no identity provider {name}.")


def _is_ours(side: _Side, provider: IdentityProvider) -> bool:
    """Whoever goes to the bridge's token endpoint for this connection, by whatever address, is it."""
    end = f"/{side.context.connection.name}"
    details = provider.details
    issuer, token_url = details.get("oidc_issuer", "").rstrip("/"), details.get("token_url", "")
    known = any(details.get("client_id") == party.client_id for party in side.parties)
    return known and (issuer.endswith(end) or token_url.endswith(f"{end}/token"))


def _party(side: _Side, provider: IdentityProvider | None) -> RelyingParty:
    """Return the relying party that the pool says it is, or else the first that it may be."""
    said = provider.details.get("client_id") if provider else None
    return next((each for each in side.parties if each.client_id == said), side.parties[0])


def _addresses(context: CheckContext, provider: IdentityProvider, party: RelyingParty) -> Iterator[Finding]:
    if context.base_url is None:
        return
    try:
        jwks_uri = upstream_jwks_uri(context.connection, context.http, context.keys, context.deadline())
        wanted = expected(context.connection, party, context.base_url, jwks_uri)
    except (UpstreamError, DeadlineExceeded, KeyUnavailable) as failure:
        yield found("cognito_not_compared", f"The IdP's metadata cannot be read ({failure.reason}).")
        return
    yield from address_findings(provider, context.connection, wanted)
    discovers = not any(provider.details.get(name) for name in ENDPOINTS)
    if (
        discovers
        and context.connection.tokens == "reissue"
        and provider.details.get("oidc_issuer") == wanted.issuer
    ):
        yield from _discovery(context, wanted)


def _discovery(context: CheckContext, wanted: Expected) -> Iterator[Finding]:
    """Read what Cognito reads; it follows no redirect here."""
    url = f"{wanted.issuer}/.well-known/openid-configuration"
    request = OutboundRequest(method="GET", url=url, max_bytes=MAX_BYTES)
    try:
        response = context.http.send(request, context.deadline())
        document = decode_object(response.body) if response.status == 200 else {}
    except (UpstreamError, DeadlineExceeded, InvalidJson) as failure:
        why = failure.reason if isinstance(failure, UpstreamError | DeadlineExceeded) else "no JSON object"
        yield found("cognito_discovery", f"{url} cannot be read ({why}).")
        return
    if response.status != 200:
        yield found("cognito_discovery", f"{url} answers {response.status}.")
    elif document.get("issuer") != wanted.issuer:
        yield found("cognito_discovery", f"{url} is about another issuer.")


def _authorizers(side: _Side, app_clients: Sequence[str]) -> Iterator[Finding]:
    hosts = {uri.removeprefix("https://").partition("/")[0] for uri in redirect_uris(side.pool).values()}
    for api in side.context.options.http_apis:
        try:
            told = ask(side.context.clients("apigatewayv2"), "get_authorizers", ApiId=api)
        except CognitoRefused as refused:
            yield found("authorizer_unreadable", f"{api}: {refused}.")
            continue
        yield from authorizer_findings(
            told["Items"],
            issuer=issuer_of(side.pool.id, updated=side.pool.updated_issuer),
            domains=hosts,
            app_clients=app_clients,
        )
