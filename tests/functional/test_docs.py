"""README and docs say what the code does: examples load, links lead somewhere, what is cited exists."""

import ast
import importlib.util
import json
import re
import tomllib

import pytest

from fedbridge.claims.mapping import to_identity
from fedbridge.configuration.file import load
from fedbridge.configuration.presets import merge
from fedbridge.configuration.strict_yaml import read_yaml
from fedbridge.flows import services
from fedbridge.op.answers import describe
from fedbridge.op.metadata import discovery_document
from tests.counterparts.cognito_configuration import Endpoints, OidcIdentityProvider, check_configuration
from tests.infra.template import load as load_template
from tests.interop.bridge import MOST_LINES
from tests.support import markdown
from tests.support.markdown import ROOT, codes, page
from tests.support.presets import write_worked_example

PAGES = markdown.pages()
BASE = page("README.md")
LOCAL = "docs/local-development.md"
PRESET = "docs/write-a-preset.md"

ADD, ROUTES = page("docs/add-an-idp.md"), page("docs/routes.md")


def fences(*languages):
    return [pytest.param(fence, id=str(fence)) for found in PAGES for fence in found.fences(*languages)]


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", PAGES, ids=lambda found: found.name)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(found):
    for link in found.links():
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (found.path.parent / path).resolve() if path else found.path
        assert target.exists(), link
        if anchor:
            assert anchor in markdown.Page(target).anchors, link


@pytest.mark.parametrize("found", PAGES, ids=lambda found: found.name)
def test_every_file_that_is_named_exists(found):
    for name in re.findall(
        r"`((?:tests|events|docs|shared|functions|demo|bench|requirements)/[\w./-]+)`", found.text
    ):
        assert (ROOT / name).exists() or name.endswith("/node_modules"), name  # what make installs


def test_the_readme_is_short_and_its_connection_too():
    assert len(BASE.text.splitlines()) <= 250
    (example,) = BASE.fences("yaml")
    assert len(example.text.splitlines()) <= MOST_LINES


def test_every_decision_is_listed():
    files = {file.name for file in (ROOT / "docs" / "adr").glob("[0-9]*.md")}
    listed = dict(re.findall(r"\[\d{4}\]\(([\w.-]+)\) \| (.+?) \|", page("docs/adr/README.md").text))
    assert listed.keys() == files
    for name, title in listed.items():
        assert page(f"docs/adr/{name}").text.startswith(f"# {name[:4]}: {title}\n")


def test_every_case_of_the_threat_model_is_a_test():
    cited = re.findall(
        r"\]\(\.\./(tests/[\w/]+\.py)\)((?:\s+`test_\w+`,?)*)", page("docs/threat-model.md").text
    )
    assert len(cited) > 20
    everywhere = [
        code for code in codes(page("docs/threat-model.md").text) if re.fullmatch(r"test_\w+", code)
    ]
    assert sum(len(codes(names)) for _, names in cited) == len(everywhere)
    for path, names in cited:
        tests = {
            node.name
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }
        assert set(codes(names)) <= tests, path


# --- examples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fence", fences("yaml"))
def test_every_example_loads(fence, tmp_path):
    """A whole file as it is; anything else as keys of a connection, over those of the README's.

    On the page of a preset they go over the connection of that page.
    """
    if fence.page == PRESET:
        assert load(write_worked_example(tmp_path))
        return
    document = read_yaml(fence.text, [])
    if "connections" not in document:
        if fence.page.startswith("docs/idps/") or fence.page == "docs/saml.md":
            example = next(page(fence.page).fences("yaml"))
            ((name, body),) = read_yaml(example.text, [])["connections"].items()
            body = merge(body, document) if fence.page != "docs/saml.md" else {**body, **document}
        else:
            (example,) = BASE.fences("yaml")
            name, body = "bank", {**read_yaml(example.text, [])["connections"]["bank"], **document}
        document = {"connections": {name: body}}
    file = tmp_path / "connections.yaml"
    file.write_text(json.dumps(document))
    assert load(file, allow_local=fence.page == LOCAL)


@pytest.mark.parametrize("fence", [fence for fence in fences("toml") if PRESET not in fence.id])
def test_every_sam_configuration_sets_parameters_that_exist(fence):
    known = load_template()["Parameters"]
    text = json.dumps(tomllib.loads(fence.text))
    overrides = re.findall(r'"([A-Z]\w+)=([^"]*)"', text)
    assert overrides
    for name, value in overrides:
        assert re.fullmatch(known[name].get("AllowedPattern", ".*"), value), name
        assert value in map(str, known[name].get("AllowedValues", [value])), name


@pytest.mark.parametrize("fence", fences("json"))
def test_every_identity_provider_is_one_that_cognito_takes(fence):
    request = json.loads(fence.text)
    if "ProviderDetails" not in request:
        return
    details, issuer = request["ProviderDetails"], request["ProviderDetails"]["oidc_issuer"]
    manual = {
        name: details[name]
        for name in ("authorize_url", "token_url", "attributes_url", "jwks_uri")
        if name in details
    }
    provider = OidcIdentityProvider(
        name=request["ProviderName"],
        client_id=details["client_id"],
        client_secret=details["client_secret"],
        oidc_issuer=issuer,
        endpoints=Endpoints(**manual) if manual else None,
        authorize_scopes=details["authorize_scopes"],
        attributes_request_method=details["attributes_request_method"],
        attribute_mapping=request.get("AttributeMapping", {}),
    )
    check_configuration(provider)
    document = discovery_document(issuer, ["RS256"])
    own = {"authorize_url": "authorization_endpoint", "token_url": "token_endpoint",
           "attributes_url": "userinfo_endpoint", "jwks_uri": "jwks_uri"}  # fmt: skip
    if manual and request["ProviderName"] != "Relayed":
        assert manual == {name: document[member] for name, member in own.items()}


def test_the_documents_of_the_routes_are_what_is_answered():
    token, discovery, error = (json.loads(fence.text) for fence in ROUTES.fences("json"))
    assert discovery == discovery_document("https://login.example.com/bank", ["RS256"])
    assert token["expires_in"] == services.ACCESS_TOKEN_LIFETIME
    text, _, reference = error["error_description"].partition(" (ref ")
    assert error["error_description"] == describe(text, reference.rstrip(")"))


@pytest.mark.parametrize("rule,sent,expected", ADD.table("Claims"), ids=lambda cell: cell)
def test_every_claim_rule_does_what_the_table_says(rule, sent, expected, tmp_path):
    (rule,), (sent,), (expected,) = codes(rule), codes(sent), codes(expected)
    (example,) = BASE.fences("yaml")
    body = {**read_yaml(example.text, [])["connections"]["bank"], "claims": read_yaml(rule, [])}
    file = tmp_path / "connections.yaml"
    file.write_text(json.dumps({"connections": {"bank": body}}))
    identity, dropped = to_identity(
        load(file)["bank"],
        upstream_issuer=body["issuer"],
        upstream_subject="4711",
        id_token={"sub": "4711", "iss": body["issuer"]},
        userinfo={"sub": "4711", **json.loads(sent)},
        upstream_id_token=None,
    )
    assert not dropped
    assert identity.claims == json.loads(expected)


def test_a_module_that_is_run_by_name_exists():
    for found in PAGES:
        for name in re.findall(r"python -m ([\w.]+)", found.text):
            assert importlib.util.find_spec(name), name
