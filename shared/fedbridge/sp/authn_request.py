"""The AuthnRequest that the bridge sends the browser to the IdP with (SAML core §3.4.1)."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from lxml import etree

from fedbridge.errors import OAuthError
from fedbridge.ports import UpstreamRedirect
from fedbridge.sp import names, times
from fedbridge.sp.names import SAML, SAMLP, q
from fedbridge.sp.signing import sign_enveloped, signed_query

if TYPE_CHECKING:
    from fedbridge.model.connection import Connection
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.saml import AuthnRequestProfile
    from fedbridge.ports import Signer
    from fedbridge.sp.idp import Binding

_MAX_AGE = re.compile(r"[0-9]{1,9}")


def asked_of(connection: Connection, parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what the request asks for and the answer is compared with: `authn_context`, `force_authn`, `is_passive`, `max_age`.

    An app may choose among the connection's contexts by `acr_values`, ask for a fresh authentication (`prompt=login`,
    `max_age=0`) or for none with a page (`prompt=none`), as far as `pass_through` allows. Raises OAuthError
    invalid_request.
    """
    assert connection.saml is not None  # noqa: S101  the registry hands over SAML connections alone
    request = connection.saml.request
    passed = {
        name: parameters[name] for name in connection.authorization.pass_through if parameters.get(name)
    }
    asked: dict[str, str] = {}
    if context := _narrowed(request.authn_context, passed.get("acr_values")):
        asked["authn_context"] = " ".join(context)
    if "max_age" in passed:
        if not _MAX_AGE.fullmatch(passed["max_age"]):
            raise OAuthError("invalid_request", "max_age is malformed", reason="parameter_malformed")
        asked["max_age"] = passed["max_age"]
    prompt = passed.get("prompt", "").split()
    if request.force_authn or "login" in prompt or asked.get("max_age") == "0":
        asked["force_authn"] = "true"
    if request.is_passive or "none" in prompt:
        asked["is_passive"] = "true"
    if asked.keys() >= {"force_authn", "is_passive"}:
        raise OAuthError("invalid_request", "prompt asks for two things", reason="parameter_malformed")
    return asked


def _narrowed(offered: tuple[str, ...], acr_values: str | None) -> tuple[str, ...]:
    if acr_values is None:
        return offered
    chosen = tuple(reference for reference in acr_values.split() if reference in offered)
    if not chosen:
        raise OAuthError(
            "invalid_request",
            "acr_values asks for nothing that this connection offers",
            reason="acr_values_not_offered",
        )
    return chosen


def build(
    connection: Connection,
    profile: AuthnRequestProfile,
    *,
    request_id: str,
    destination: str,
    acs_url: str,
    asked: Mapping[str, str],
    now: float,
) -> etree._Element:
    """Return the AuthnRequest, unsigned."""
    assert connection.saml is not None  # noqa: S101  the registry hands over SAML connections alone
    root = etree.Element(
        q(SAMLP, "AuthnRequest"),
        nsmap={"samlp": SAMLP, "saml": SAML},
        ID=request_id,
        Version="2.0",
        IssueInstant=times.to_text(now),
        Destination=destination,
        AssertionConsumerServiceURL=acs_url,
        ProtocolBinding=names.POST_BINDING if connection.saml.artifact is None else names.ARTIFACT_BINDING,
    )
    for attribute, name in (("ForceAuthn", "force_authn"), ("IsPassive", "is_passive")):
        if name in asked:
            root.set(attribute, asked[name])
    if profile.attribute_consuming_service_index is not None:
        root.set("AttributeConsumingServiceIndex", str(profile.attribute_consuming_service_index))
    if profile.provider_name is not None:
        root.set("ProviderName", profile.provider_name)
    etree.SubElement(root, q(SAML, "Issuer")).text = connection.client_id
    if profile.extensions is not None:
        root.append(_extensions(profile.extensions))
    root.append(_name_id_policy(profile))
    if "authn_context" in asked:
        context = etree.SubElement(root, q(SAMLP, "RequestedAuthnContext"), Comparison=profile.comparison)
        for reference in asked["authn_context"].split():
            etree.SubElement(context, q(SAML, "AuthnContextClassRef")).text = reference
    return root


def _extensions(text: str) -> etree._Element:
    """Return samlp:Extensions around the elements that the operator wrote, whose well-formedness was checked before."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(f'<samlp:Extensions xmlns:samlp="{SAMLP}">{text}</samlp:Extensions>', parser)


def _name_id_policy(profile: AuthnRequestProfile) -> etree._Element:
    policy = etree.Element(q(SAMLP, "NameIDPolicy"))
    if profile.name_id_format is not None:
        policy.set("Format", profile.name_id_format)
    if profile.sp_name_qualifier is not None:
        policy.set("SPNameQualifier", profile.sp_name_qualifier)
    policy.set("AllowCreate", "true" if profile.allow_create else "false")
    return policy


def send(
    request: etree._Element,
    binding: Binding,
    destination: str,
    *,
    relay_state: str | None,
    signer: Signer | None,
    certificate: str | None,
    remembered: Mapping[str, str],
    deadline: Deadline,
    parameter: str = "SAMLRequest",
) -> UpstreamRedirect:
    """Return where the browser goes, with the message in the URL or in a form; raises KeyUnavailable, DeadlineExceeded."""
    relayed = {} if relay_state is None else {"RelayState": relay_state}
    if binding == "post":
        if signer is not None:
            sign_enveloped(request, signer, certificate, deadline)
        encoded = base64.b64encode(etree.tostring(request)).decode("ascii")
        return UpstreamRedirect(url=destination, remembered=remembered, form={parameter: encoded, **relayed})
    parameters = {parameter: _deflated(etree.tostring(request)), **relayed}
    query = (
        urlencode(parameters, quote_via=quote, safe="")
        if signer is None
        else signed_query(parameters, signer, deadline)
    )
    separator = "&" if urlsplit(destination).query else "?"
    return UpstreamRedirect(url=f"{destination}{separator}{query}", remembered=remembered)


def _deflated(document: bytes) -> str:
    """Return the document in the DEFLATE encoding (SAML bindings §3.4.4.1): raw deflate, base64."""
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(document) + deflate.flush()).decode("ascii")
