from pathlib import Path

import pytest

from fedbridge.cli.template import read_routes
from fedbridge.errors import ConfigurationError

TEMPLATE = Path(__file__).parents[3] / "template.yaml"


def test_what_runs_locally_is_routed_as_what_is_deployed():
    found = {route.path: route.code.name for route in read_routes(TEMPLATE)}
    assert found == {
        "/{connection}/authorize": "front_channel",
        "/{connection}/callback": "front_channel",
        "/{connection}/logout": "front_channel",
        "/{connection}/logout/callback": "front_channel",
        "/{connection}/frontchannel-logout": "front_channel",
        "/{connection}/backchannel-logout": "back_channel",
        "/{connection}/token": "back_channel",
        "/{connection}/userinfo": "back_channel",
        "/{connection}/.well-known/openid-configuration": "back_channel",
        "/{connection}/.well-known/jwks.json": "back_channel",
        "/{connection}/client-jwks.json": "back_channel",
        "/{connection}/saml/login": "saml",
        "/{connection}/saml/acs": "saml",
        "/{connection}/saml/metadata": "saml",
        "/{connection}/saml/logout": "saml",
        "/{connection}/saml/slo": "saml",
    }
    assert {route.handler for route in read_routes(TEMPLATE)} == {"app.handler"}


@pytest.mark.parametrize(
    "text", ["", "Resources: 1", "a: [", "Resources: {R: {Type: AWS::ApiGatewayV2::Route}}"]
)
def test_a_template_without_readable_routes_is_said_to_be_so(tmp_path, text):
    file = tmp_path / "template.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"template\.yaml"):
        read_routes(file)
