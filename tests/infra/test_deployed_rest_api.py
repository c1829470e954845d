"""The stack with a REST API and versions of its functions, deployed, and a user signed in through them by payload 1.0.

The emulator makes the API and does not route by it: it reads no `x-amazon-apigateway-any-method`. So the requests come
through a gateway of the tests' own, which is routed from the very definition that was deployed, and calls what it names.
"""

import json
import re
import ssl

import httpx
import pytest

from tests.counterparts.api_gateway import ApiGateway
from tests.infra.deployment import deployed
from tests.infra.onboarding import onboard, strict_idp
from tests.infra.template import Template
from tests.infra.test_template import BACK_CHANNEL, FRONT_CHANNEL, SAML

pytestmark = [
    pytest.mark.built,
    pytest.mark.ministack,
    pytest.mark.interop,
    pytest.mark.timeout(300),
]

PARAMETERS = {
    "ApiType": "rest",
    "WebAclArn": "none",  # the emulator knows web ACLs, and no association with them
    "ProvisionedConcurrency": "1",
}


@pytest.fixture(scope="module")
def rest_stack(host_build, authority, idp_port, tmp_path_factory):
    """The stack, and its API on loopback."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    definition = Template({**PARAMETERS, "BaseUrl": "https://localhost"}).properties("RestApi")
    binary = [kind.replace("~1", "/") for kind in definition["BinaryMediaTypes"]]
    gateway = ApiGateway({}, payload="1.0", stage="$default", tls=tls, binary_media_types=binary)
    with deployed(
        host_build,
        tmp_path_factory.mktemp("rest"),
        authority=authority,
        PrivateHosts=f"127.0.0.1:{idp_port}",
        BaseUrl=gateway.url,
        **PARAMETERS,
    ) as stack:
        gateway.routes = {
            f"ANY {path}": _alias(stack, methods["x-amazon-apigateway-any-method"])
            for path, methods in definition["DefinitionBody"]["paths"].items()
        }
        with gateway:
            yield stack, gateway.url


def _alias(stack, method):
    """Return a target that calls what the integration names, such as the alias of the front channel."""
    uri = method["x-amazon-apigateway-integration"]["uri"]
    found = re.search(r"functions/(\w+)\.Alias/invocations", uri)
    assert found is not None, uri
    client, name = stack.client("lambda"), stack.resources[found[1]]

    def target(event):
        answer = client.invoke(FunctionName=name, Qualifier="live", Payload=json.dumps(event))
        assert "FunctionError" not in answer, answer["Payload"].read()
        assert answer["ExecutedVersion"] == "1"
        return json.load(answer["Payload"])

    return target


def test_the_rest_api_is_there_and_the_http_api_is_not(rest_stack):
    stack, _ = rest_stack
    assert "HttpApiId" not in stack.outputs
    api = stack.client("apigateway").get_rest_api(restApiId=stack.outputs["RestApiId"])
    assert api["name"] == "fedbridge-prod"
    (alias,) = stack.client("lambda").list_aliases(FunctionName=stack.resources["FrontChannel"])["Aliases"]
    assert (alias["Name"], alias["FunctionVersion"]) == ("live", "1")


@pytest.mark.parametrize("path", ["/{connection}/authorize", "/{connection}/token", "/{connection}/saml/acs"])
def test_the_functions_answer_payload_1_0(rest_stack, path):
    assert path in FRONT_CHANNEL | BACK_CHANNEL | set(SAML)
    stack, url = rest_stack
    refused = httpx.delete(url + path.format(connection="unknown"), verify=stack.trust, timeout=30)
    assert (refused.status_code, bool(refused.headers["allow"])) == (405, True)


def test_a_large_form_arrives(rest_stack):
    """Which the connection is then asked about: there is none of this name."""
    stack, url = rest_stack
    form = {"SAMLResponse": "A" * 60_000, "RelayState": "0" * 43}
    answer = httpx.post(f"{url}/unknown/saml/acs", data=form, verify=stack.trust, timeout=30)
    assert answer.status_code == 404


def test_a_user_signs_in_through_the_rest_api(rest_stack, authority, idp_port, tmp_path):
    stack, url = rest_stack
    with strict_idp(authority, tmp_path, idp_port) as op:
        bridge = onboard(
            base_url=url,
            authority=stack.authority,
            op=op,
            table=stack.outputs["ConnectionsTable"],
            aws=stack.client,
            aws_environment=stack.operator_environment,
            folder=tmp_path,
        )
        user, _ = bridge.sign_in("kms")
    assert user.attributes == {"email": "alice@example.com", "email_verified": "true"}
