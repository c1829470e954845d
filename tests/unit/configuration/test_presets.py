import tomllib

import pytest

from fedbridge.configuration.presets import (
    About,
    Preset,
    is_key,
    leaves,
    merge,
    preset_names,
    read_preset,
    under,
)
from fedbridge.configuration.structure import build
from fedbridge.errors import ConfigurationError
from tests.support.presets import example, with_overlay
from tests.unit.configuration.files import changed, loaded, problems

PRESETS = [read_preset(name) for name in preset_names()]

OWN = """
issuer = "https://login.our.example"

[client_authentication]
method = "private_key_jwt"
algorithm = "ES256"

[authorization]
scope = "openid"

[preset]
title = "Our bank"
description = "The bank that we own."

[[preset.needs]]
key = "authorization.parameters.branch"
words = "the branch"
example = "4711"
"""


def named(preset):
    return preset.name


def overlays():
    for preset in PRESETS:
        for overlay in (*preset.about.environments, *preset.about.variants):
            yield pytest.param(preset, overlay, id=f"{preset.name}: {overlay.name}")


# --- those that fedbridge brings ------------------------------------------------------------------------------------


def test_every_preset_that_was_promised_is_there():
    promised = """
        login_gov govuk_one_login nhs_login nhs_cis2 singpass_fapi corppass_fapi itsme franceconnect franceconnect_plus
        proconnect id_porten helseid ftn_idura mitid_idura tara esignet nets_eid_broker signicat entra_certificate
        entra_multitenant okta auth0 pingone keycloak smart_on_fhir yahoo_japan google github fapi2_generic
        generic_oidc
    """
    assert set(promised.split()) <= set(preset_names())


@pytest.mark.parametrize("preset", PRESETS, ids=named)
def test_each_says_what_it_is_and_where_every_value_comes_from(preset):
    about = preset.about
    assert about.title
    assert about.description.endswith((".", "`."))
    assert about.register
    unmarked = [path for path, _, mark in preset.marks() if mark is None]
    assert not unmarked
    # A mark that speaks for nothing would outlive its value.
    confidence = about.confidence
    paths = [path for path, _ in leaves(preset.keys)]
    for mark in (*confidence.documented, *confidence.source_code, *confidence.our_choice):
        assert any(path == mark or path.startswith(f"{mark}.") for path in paths), mark
    documented = confidence.documented or confidence.source_code
    assert not documented or about.sources


@pytest.mark.parametrize("preset", PRESETS, ids=named)
def test_each_loads_with_what_it_says_that_it_needs(tmp_path, preset):
    connection = loaded(tmp_path, example(preset))
    assert connection.preset == preset.name


@pytest.mark.parametrize("preset,overlay", list(overlays()))
def test_every_environment_and_variant_loads(tmp_path, preset, overlay):
    before = loaded(tmp_path, example(preset))
    assert loaded(tmp_path, with_overlay(preset, overlay)) != before


@pytest.mark.parametrize(
    "preset,need",
    [
        pytest.param(preset, need, id=f"{preset.name}: {need.key}")
        for preset in PRESETS
        for need in preset.about.needs
        if not need.optional
    ],
)
def test_what_is_left_to_the_operator_is_asked_for_by_name(tmp_path, preset, need):
    body = example(preset)
    *way, last = need.key.split(".")
    table = body
    for step in way:
        table = table[step]
    del table[last]
    (problem,) = [line for line in problems(tmp_path, {"acme": body}) if f" {need.key}:" in line]
    assert problem == (
        f"acme: {need.key}: is missing: the preset {preset.name} leaves it to you: {need.words}"
    )


def test_another_method_needs_nothing_of_the_presets(tmp_path):
    body = example(read_preset("okta"))
    body["client_authentication"] = {"method": "client_secret_post", "secret": "ssm:/acme"}
    authentication = loaded(tmp_path, body).client_authentication
    assert (authentication.method, authentication.audience) == ("client_secret_post", "issuer")


# --- merging --------------------------------------------------------------------------------------------------------


def test_own_keys_go_over_the_presets(tmp_path):
    body = changed(
        preset="okta",
        client_authentication={"key": "ssm:/acme", "algorithm": "ES256"},
        id_token={"algorithms": ["ES256"]},
    )
    connection = loaded(tmp_path, body)
    assert connection.client_authentication.algorithm == "ES256"
    assert connection.client_authentication.audience == "token_endpoint"
    assert connection.id_token.algorithms == ("ES256",)
    assert connection.authorization.scope == "openid profile email"


def test_a_table_of_the_presets_can_be_emptied(tmp_path):
    body = changed(preset="fapi2_generic", client_authentication={"key": "ssm:/acme"})
    assert loaded(tmp_path, body).dpop is not None
    assert loaded(tmp_path, {**body, "dpop": None}).dpop is None


def test_mappings_merge_and_all_else_is_replaced():
    preset = {"a": {"b": 1, "c": [1, 2], "d": {"e": 1}}, "f": 1, "g": {"h": 1}}
    own = {"a": {"c": [3], "d": {"x": 2}}, "g": None, "z": 1}
    assert merge(preset, own) == {
        "a": {"b": 1, "c": [3], "d": {"e": 1, "x": 2}},
        "f": 1,
        "g": None,
        "z": 1,
    }
    assert preset["a"] == {"b": 1, "c": [1, 2], "d": {"e": 1}}


def test_another_method_takes_nothing_of_the_presets_client_authentication():
    theirs = {"client_authentication": {"method": "private_key_jwt", "lifetime": 5}}
    assert under(theirs, {"client_authentication": {"method": "private_key_jwt"}}) == theirs
    other = {"client_authentication": {"method": "client_secret_post"}}
    assert under(theirs, other) == other
    without_method = {"client_authentication": {"lifetime": 5}}
    assert under(without_method, other)["client_authentication"] == {
        "lifetime": 5,
        "method": "client_secret_post",
    }


# --- the operator's own ---------------------------------------------------------------------------------------------


def test_an_own_preset_lies_beside_the_file(tmp_path):
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "our-bank.toml").write_text(OWN)
    body = changed(preset="./presets/our-bank.toml", authorization={"parameters": {"branch": "4711"}})
    del body["issuer"]
    connection = loaded(tmp_path, body)
    assert connection.issuer == "https://login.our.example"
    assert connection.client_authentication.algorithm == "ES256"
    assert connection.authorization.parameters == {"branch": "4711"}
    del body["authorization"]
    assert problems(tmp_path, {"acme": body}) == [
        "acme: authorization.parameters.branch: is missing: the preset ./presets/our-bank.toml leaves it to you: the branch"
    ]


def test_a_preset_that_says_nothing_about_itself_is_one(tmp_path):
    (tmp_path / "bare.toml").write_text('user_agent = "bare/1"')
    assert loaded(tmp_path, changed(preset="./bare.toml")).user_agent == "bare/1"
    assert list(read_preset("./bare.toml", tmp_path).marks()) == [("user_agent", "bare/1", None)]


@pytest.mark.parametrize(
    "name",
    ["netscape", "", "../presets/okta", "okta.toml", "./okta", "/etc/okta.toml", "./../okta.toml", "./a/../okta.toml",
     "./.hidden.toml", "./.git/okta.toml", ".//okta.toml", "./okta.toml\n", "./ok\\ta.toml"],
)  # fmt: skip
def test_an_unknown_preset_names_those_there_are_and_no_file_is_looked_for(tmp_path, name):
    with pytest.raises(
        ConfigurationError, match=r"there is no such preset; there are apple, auth0, .*okta.*our-bank"
    ):
        read_preset(name, tmp_path)


def test_without_a_folder_there_are_only_those_that_fedbridge_brings():
    with pytest.raises(ConfigurationError, match="there is no such preset"):
        read_preset("./our-bank.toml")


def test_a_file_that_is_no_preset_says_why(tmp_path):
    def said(content):
        (tmp_path / "our.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
        (line,) = problems(tmp_path, {"acme": changed(preset="./our.toml")})
        return line.removeprefix("acme: preset: ")

    assert problems(tmp_path, {"acme": changed(preset="./none.toml")}) == [
        "acme: preset: ./none.toml cannot be read: No such file or directory"
    ]
    assert said(b"\xff") == "./our.toml must be UTF-8"
    assert said("issuer = ").startswith("./our.toml is not TOML: ")
    assert said("preset = 1") == "./our.toml: preset: must be a table"
    assert said('name = "other"\npreset = {title = "A", description = "B"}') == (
        "./our.toml: name: is not a preset's to set"
    )
    assert said('[preset]\ntitle = "A"\ndescription = "B"\nsorces = []') == (
        "./our.toml: preset.sorces: is not known: did you mean sources?"
    )
    assert said('[preset]\ntitle = "A"') == "./our.toml: preset.description: is missing"
    about = '[preset]\ntitle = "A"\ndescription = "B"\n'
    assert said(f'{about}sources = ["http://a.example"]') == (
        "./our.toml: preset.sources: must be https:// addresses"
    )
    assert said(f'{about}needs = [{{key = "isuer", words = "w", example = 1}}]') == (
        "./our.toml: preset.needs: names isuer, which no connection has"
    )
    assert said(f'{about}[preset.uncertain]\n"dpop.alg" = "?"') == (
        "./our.toml: preset.uncertain: names dpop.alg, which no connection has"
    )
    assert said(f'{about}[preset.confidence]\ndocumented = ["dpop"]\nour_choice = ["dpop"]') == (
        "./our.toml: preset.confidence: names dpop twice"
    )


def test_a_mistake_in_a_preset_is_a_mistake_of_the_connection(tmp_path):
    (tmp_path / "our.toml").write_text("[authorisation]\nscope = 'openid'")
    assert problems(tmp_path, {"acme": changed(preset="./our.toml")}) == [
        "acme: authorisation: is not known: did you mean authorization?"
    ]


def test_the_nearest_mark_counts():
    text = """
        [client_authentication]
        method = "private_key_jwt"
        lifetime = 30
        [authorization]
        scope = "openid"
        pkce = "off"
        [preset]
        title = "A"
        description = "B."
        confidence = {documented = ["authorization"], source_code = ["authorization.pkce"]}
        uncertain = {"client_authentication.lifetime" = "who knows"}
    """
    content = tomllib.loads(text)
    keys = {key: value for key, value in content.items() if key != "preset"}
    preset = Preset(name="a", keys=keys, about=build(About, content["preset"], []))
    assert {path: mark for path, _, mark in preset.marks()} == {
        "client_authentication.method": None,
        "client_authentication.lifetime": "uncertain",
        "authorization.scope": "documented",
        "authorization.pkce": "source code",
    }


def test_keys_are_those_of_a_connection():
    for path in ("issuer", "dpop.lifetime", "authorization.parameters.aud", "authorization.request_object.typ",
                 "userinfo.nested", "claims.email", "assurance.claims"):  # fmt: skip
        assert is_key(path), path
    for path in ("isuer", "dpop.alg", "issuer.scheme", "", "client_authentication.key.kid"):
        assert not is_key(path), path
