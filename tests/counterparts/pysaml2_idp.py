"""A SAML identity provider that nobody here wrote: pysaml2's Server, over the program xmlsec1 (Debian: xmlsec1).

Its verification and signatures are libxmlsec's, as ours are; what it proves alone is how another implementation reads and
writes the protocol.
"""

from __future__ import annotations

import base64
import datetime as dt
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # pysaml2 imports what cryptography deprecates.
    import saml2
    from saml2.config import IdPConfig
    from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_PERSISTENT, NameID
    from saml2.server import Server

PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


@dataclass(frozen=True, kw_only=True)
class Pysaml2Idp:
    """A configured `Server`; `sso` is where AuthnRequests go."""

    server: Any
    entity_id: str
    sso: str

    @classmethod
    def configured(
        cls,
        folder: Path,
        *,
        entity_id: str,
        sso: str,
        key: str,
        certificate: str,
        sp_metadata: str,
        slo: str | None = None,
    ) -> Pysaml2Idp:
        """Write key and certificate (PEM) and the bridge's metadata into `folder`, and start from there."""
        xmlsec1 = shutil.which("xmlsec1")
        if xmlsec1 is None:
            pytest.skip("xmlsec1 is not installed (Debian: apt-get install xmlsec1)")
        for name, text in (("idp.key", key), ("idp.pem", certificate), ("sp.xml", sp_metadata)):
            (folder / name).write_text(text)
        configuration = IdPConfig().load({
            "entityid": entity_id,
            "xmlsec_binary": xmlsec1,
            "key_file": str(folder / "idp.key"),
            "cert_file": str(folder / "idp.pem"),
            "metadata": {"local": [str(folder / "sp.xml")]},
            "allow_unknown_attributes": True,
            "service": {
                "idp": {
                    "endpoints": {
                        name: [(url, saml2.BINDING_HTTP_REDIRECT), (url, saml2.BINDING_HTTP_POST)]
                        for name, url in (("single_sign_on_service", sso), ("single_logout_service", slo))
                        if url is not None
                    },
                    "name_id_format": [NAMEID_FORMAT_PERSISTENT],
                    "want_authn_requests_signed": True,
                    "policy": {"default": {"lifetime": {"minutes": 5}, "name_form": NAME_FORMAT_URI}},
                }
            },
        })  # fmt: skip
        return cls(server=Server(config=configuration), entity_id=entity_id, sso=sso)

    def metadata(self) -> str:
        """Return the IdP's metadata."""
        from saml2.metadata import entity_descriptor

        return str(entity_descriptor(self.server.config))

    def respond(
        self,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        name_id: str,
        attributes: Mapping[str, Any],
        **how: Any,
    ) -> str:
        """Verify the AuthnRequest and return the XML of the answer; `how` goes to `create_authn_response`."""
        if query is not None:
            parsed = self.server.parse_authn_request(
                query["SAMLRequest"],
                saml2.BINDING_HTTP_REDIRECT,
                relay_state=query["RelayState"],
                sigalg=query["SigAlg"],
                signature=query["Signature"],
            )
        else:
            assert form is not None
            parsed = self.server.parse_authn_request(form["SAMLRequest"], saml2.BINDING_HTTP_POST)
        where = self.server.response_args(parsed.message)
        return self._response(name_id, attributes, {**where, **how})

    def initiate(
        self, sp_entity_id: str, acs: str, *, name_id: str, attributes: Mapping[str, Any], **how: Any
    ) -> str:
        """Return the XML of a Response that nobody asked for; `how` goes to `create_authn_response`."""
        where = {"in_response_to": None, "sp_entity_id": sp_entity_id, "destination": acs}
        return self._response(name_id, attributes, {**where, **how})

    def _response(self, name_id: str, attributes: Mapping[str, Any], how: Mapping[str, Any]) -> str:
        return str(
            self.server.create_authn_response(
                identity=dict(attributes),
                userid="ana",
                name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=name_id),
                authn={"class_ref": PASSWORD},
                **_ALGORITHMS,
                **how,
            )
        )

    def logout_request(
        self,
        sp_entity_id: str,
        destination: str,
        binding: str,
        *,
        name_id: str,
        session_index: str,
        relay_state: str,
    ) -> Mapping[str, Any]:
        """Return the IdP's own LogoutRequest, signed: its `id`, the `url` and, for a POST, the `form`."""
        redirect = binding == "redirect"
        request_id, request = self.server.create_logout_request(
            destination,
            sp_entity_id,
            name_id=NameID(format=NAMEID_FORMAT_PERSISTENT, text=name_id),
            session_indexes=[session_index],
            expire=_in_minutes(5),
            sign=not redirect,
            **_ALGORITHMS,
        )
        return {
            "id": request_id,
            **self._leaving(str(request), destination, binding, "SAMLRequest", relay_state),
        }

    def answer_logout(self, message: Mapping[str, Any], destination: str, binding: str) -> Mapping[str, Any]:
        """Verify a LogoutRequest (its parameters) and return what it names, and the signed LogoutResponse."""
        parsed = self.server.parse_logout_request(
            message["SAMLRequest"],
            _BINDINGS[binding],
            relay_state=message["RelayState"],
            sigalg=message.get("SigAlg"),
            signature=message.get("Signature"),
        )
        request = parsed.message
        response = self.server.create_logout_response(
            request, [_BINDINGS[binding]], sign=binding == "post", **_ALGORITHMS
        )
        return {
            "name_id": request.name_id.text,
            "session_index": request.session_index[0].text,
            **self._leaving(str(response), destination, binding, "SAMLResponse", message["RelayState"]),
        }

    def read_logout_response(self, message: Mapping[str, Any], binding: str) -> Any:
        """Verify the LogoutResponse of a form, or read that of a query, and return it as pysaml2 does."""
        parsed = self.server.parse_logout_request_response(message["SAMLResponse"], _BINDINGS[binding])
        return parsed.response

    def _leaving(
        self, document: str, destination: str, binding: str, name: str, relay_state: str
    ) -> Mapping[str, Any]:
        if binding == "post":
            encoded = base64.b64encode(document.encode()).decode()
            return {"url": destination, "form": {name: encoded, "RelayState": relay_state}}
        made = self.server.apply_binding(
            saml2.BINDING_HTTP_REDIRECT,
            document,
            destination,
            relay_state,
            response=name == "SAMLResponse",
            sign=True,
            sigalg=_ALGORITHMS["sign_alg"],
        )
        return {"url": dict(made["headers"])["Location"]}


_BINDINGS = {"redirect": saml2.BINDING_HTTP_REDIRECT, "post": saml2.BINDING_HTTP_POST}
_ALGORITHMS = {
    "sign_alg": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "digest_alg": "http://www.w3.org/2001/04/xmlenc#sha256",
}


def _in_minutes(minutes: int) -> str:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
