"""A SAML identity provider: its metadata and certificates, its endpoints, and what the connection asks of them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import load_pem_x509_certificate

from fedbridge.cli.check.codes import CODES, found
from fedbridge.cli.check.network import DIAGNOSED, way_to, why
from fedbridge.cli.check.own_keys import loading_failed
from fedbridge.errors import (
    ConfigurationError,
    DeadlineExceeded,
    FedbridgeError,
    KeyUnavailable,
    UpstreamError,
)

if TYPE_CHECKING:
    from fedbridge.cli.check.context import CheckContext
    from fedbridge.cli.check.finding import Finding
    from fedbridge.model.saml import Saml
    from fedbridge.sp.idp import Certificate, IdentityProvider
    from fedbridge.sp.idp_metadata import IdentityProviders

DAY = 24 * 3600.0
METADATA_SOON = DAY
"""Seconds: federations sign anew every day or so, what is valid for less than a day was not signed anew."""

CERTIFICATE_SOON = 30 * DAY


def saml_findings(context: CheckContext) -> Iterator[Finding]:
    """Yield what is wrong between the connection and its SAML IdP, nothing for any other."""
    saml = context.connection.saml
    if saml is None:
        return
    providers = _providers(context)
    provider = yield from _read(context, saml, providers)
    if provider is None:
        return
    yield from _lifetime(provider, context.clock())
    yield from _certificates(provider, context)
    yield from _offers(saml, provider)
    yield from _signing(context, saml)
    source = saml.metadata.source if saml.metadata is not None else ""
    called = [source] if source.startswith("https://") else []
    yield from way_to(context, [*called, *provider.artifact_services.values()])


def _providers(context: CheckContext) -> IdentityProviders:
    """Return how the SAML function reads metadata, with nothing read yet."""
    from fedbridge.rp.cache import StaleCache  # noqa: PLC0415  lxml and xmlsec come with sp, for SAML alone
    from fedbridge.sp import idp_metadata  # noqa: PLC0415

    cache: StaleCache[IdentityProvider] = StaleCache(
        fresh=idp_metadata.FRESH, stale=idp_metadata.STALE, clock=context.clock, on_stale=lambda *_: None
    )
    return idp_metadata.IdentityProviders(
        calls=context.calls(),
        secrets=context.secrets,
        cache=cache,
        clock=context.clock,
        on_stale=lambda *_: None,
    )


def _read(
    context: CheckContext, saml: Saml, providers: IdentityProviders
) -> Generator[Finding, None, IdentityProvider | None]:
    source = saml.metadata.source if saml.metadata is not None else "saml.provider"
    try:
        return providers.get(context.connection, saml, context.deadline())
    except UpstreamError as failure:
        if failure.reason in DIAGNOSED:
            yield from why(context, source, failure)
        else:
            yield _metadata_refused(source, failure)
    except DeadlineExceeded:
        yield found("host_slow", f"{source} did not answer in time.")
    except KeyUnavailable as failure:
        path = "saml: metadata, signer or certificate"
        yield loading_failed(context, path, failure, missing="secret_missing")
    except ConfigurationError as failure:
        weak = "bits" in str(failure)
        code = "saml_certificate_weak" if weak else "saml_metadata_unavailable"
        yield found(code, f"{failure}.")
    return None


def _metadata_refused(source: str, failure: UpstreamError) -> Finding:
    said = str(failure) if str(failure) != failure.reason else failure.upstream_status
    what = f"{source}: {said}." if said else f"{source} was refused ({failure.reason})."
    if failure.reason == "saml_metadata_malformed" and "bits" in str(failure):
        return found("saml_certificate_weak", what)
    code = failure.reason if failure.reason in CODES.codes else "saml_metadata_malformed"
    return found(code, what)


def _lifetime(provider: IdentityProvider, now: float) -> Iterator[Finding]:
    ends = provider.valid_until
    if ends is not None and ends - now < METADATA_SOON:
        moment = dt.datetime.fromtimestamp(ends, dt.UTC)
        yield found(
            "saml_metadata_expires_soon", f"The metadata are valid until {moment:%Y-%m-%d %H:%M} UTC."
        )


def _certificates(provider: IdentityProvider, context: CheckContext) -> Iterator[Finding]:
    now = context.clock()
    saml = context.connection.saml
    allowed = saml.assertion.clock_skew if saml is not None else 0
    valid = [each for each in provider.certificates if each.is_valid(now, allowed)]
    over = [each for each in provider.certificates if each not in valid]
    for each in over:
        beginning = now < each.not_before
        what = f"A signing certificate {'begins' if beginning else 'ended'} on {_day(each.not_before if beginning else each.not_after)}"
        yield found("saml_certificate_old" if valid else "saml_certificate_expired", f"{what}.")
    last = max((each.not_after for each in valid), default=math.inf)
    if last - now < CERTIFICATE_SOON:
        yield found("saml_certificate_expires_soon", f"The last signing certificate ends on {_day(last)}.")
    for each in valid:
        if _is_by_sha1(each):
            yield found("saml_certificate_sha1", "A signing certificate is itself signed with SHA-1.")


def _is_by_sha1(certificate: Certificate) -> bool:
    try:
        algorithm = load_pem_x509_certificate(certificate.pem.encode()).signature_hash_algorithm
    except UnsupportedAlgorithm:
        return False
    return isinstance(algorithm, SHA1)


def _offers(saml: Saml, provider: IdentityProvider) -> Iterator[Finding]:
    wanted = saml.request.binding
    if wanted is not None and wanted not in provider.endpoints:
        offered = ", ".join(provider.endpoints)
        yield found(
            "saml_binding_not_offered",
            f"The connection sends by {wanted}; the IdP takes requests by {offered}.",
        )
    if saml.logout is not None and not provider.logout_endpoints:
        yield found("saml_logout_not_offered", "The IdP has no SingleLogoutService by Redirect or POST.")
    if provider.wants_signed_requests and not saml.request.signed:
        yield found("saml_signed_requests_wanted", "The metadata say WantAuthnRequestsSigned.")
    if saml.artifact is not None and not provider.artifact_services:
        yield found("saml_artifact_not_offered", "The IdP has no ArtifactResolutionService by SOAP.")


def _signing(context: CheckContext, saml: Saml) -> Iterator[Finding]:
    """Compare the signature of requests with those that the metadata say the IdP verifies."""
    from fedbridge.sp.signing_methods import signing_methods  # noqa: PLC0415  as above

    document = _document(context, saml)
    offered = signing_methods(document, context.connection.issuer) if document else None
    if offered is None or not saml.request.signed or not saml.signing_keys:
        return
    try:
        key, algorithm = saml.signing_keys[0].key, saml.request.signature_algorithm
        ours = context.keys.signer(key, algorithm, context.deadline()).algorithm
    except FedbridgeError:
        return  # A finding about our own keys.
    if ours not in offered:
        said = ", ".join(offered) or "none that the bridge knows"
        yield found(
            "saml_signature_algorithm_not_offered", f"The bridge signs with {ours}; the metadata name {said}."
        )


def _document(context: CheckContext, saml: Saml) -> bytes:
    """Return the metadata as they were just read, nothing where they were written down by hand."""
    source = saml.metadata.source if saml.metadata is not None else ""
    if source.startswith(("https:", "http:")):
        return next(
            (each.body for each in reversed(context.seen) if each.url.startswith(source.rstrip("/"))), b""
        )
    try:
        return context.secrets.get(source, context.deadline()).encode() if source else b""
    except FedbridgeError:
        return b""


def _day(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%Y-%m-%d}"
