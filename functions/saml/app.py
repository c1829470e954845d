"""What the browser and the IdP call of a SAML connection: login, assertion consumer service, metadata, and the ways out."""

import os
from functools import partial
from typing import Any

from fedbridge.flows import initiated
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.saml_metadata import saml_metadata
from fedbridge.flows.sign_out import logout, single_logout
from fedbridge.model.deadline import BROWSER_BUDGET
from fedbridge.net.edge import serve
from fedbridge.wiring import saml_channel

services = saml_channel(os.environ)

ROUTES = {
    "/{connection}/saml/login": {"GET": partial(initiated.login, services)},
    "/{connection}/saml/acs": {
        "GET": partial(initiated.receive, services),
        "POST": partial(initiated.receive, services),
    },
    "/{connection}/saml/metadata": {"GET": partial(saml_metadata, services)},
    "/{connection}/saml/logout": {"GET": partial(logout, services), "POST": partial(logout, services)},
    "/{connection}/saml/slo": {
        "GET": partial(single_logout, services),
        "POST": partial(single_logout, services),
    },
}


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one API Gateway event (HTTP API payload 2.0, REST payload 1.0)."""
    return serve(
        event,
        context,
        routes=ROUTES,
        telemetry=services.telemetry,
        budget=BROWSER_BUDGET,
        on_error=partial(refuse_browser, services),
        max_body=services.max_form,
    )
