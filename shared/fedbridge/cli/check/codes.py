"""Every code of the checks in this folder, in the order in which they run."""

from __future__ import annotations

from fedbridge.cli.check.advice import Catalogue
from fedbridge.cli.check.codes_bridge import BRIDGE, CONFIGURATION, NETWORK, OWN_KEYS
from fedbridge.cli.check.codes_openid import CLIENT, DISCOVERY, JWKS, OFFERS, REQUEST
from fedbridge.cli.check.codes_saml import SAML

CODES = Catalogue(
    {
        **CONFIGURATION,
        **OWN_KEYS,
        **BRIDGE,
        **NETWORK,
        **DISCOVERY,
        **JWKS,
        **OFFERS,
        **CLIENT,
        **REQUEST,
        **SAML,
    }
)

found = CODES.found
