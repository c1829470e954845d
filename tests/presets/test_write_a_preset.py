"""docs/write-a-preset.md: what it shows signs in, in one file and nothing else."""

from dataclasses import fields

import pytest

from fedbridge.configuration.file import load
from fedbridge.configuration.presets import About, Preset, preset_names, read_preset
from fedbridge.errors import ConfigurationError, UpstreamError
from tests.presets.facts import KID, Assertion, Facts, Weaker, endpoints
from tests.presets.strict_idp import StrictIdp
from tests.support.markdown import codes, page
from tests.support.presets import example, write_worked_example

NORDBANK = Facts(
    preset="./presets/nordbank.toml",
    own={},
    issuer="https://login.nordbank.example",
    at=endpoints("https://login.nordbank.example", par="/par"),
    assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": KID}, aud="https://login.nordbank.example", lifetime=60
    ),
    request={"scope": "openid profile branch", "acr_values": "nordbank:loa:2", "market": "no"},
    algorithms=("ES256",),
    encryption=(("ECDH-ES+A256KW", "A256GCM"),),
    userinfo_format=("jws",),
    id_token={"acr": "nordbank:loa:2"},
    userinfo={"name": "Ana Dahl", "organisation": {"branch": "Oslo"}},
    received={"name": "Ana Dahl", "branch": "Oslo"},
    weaker=(Weaker(claims={"acr": "nordbank:loa:1"}), Weaker(claims={"acr": None})),
)


@pytest.fixture
def nordbank(tmp_path):
    """The IdP of the page's guide, and the connection that the page shows; none of fedbridge's files knows of it."""
    assert not [name for name in preset_names() if "nordbank" in name]
    return StrictIdp(facts=NORDBANK, connection=load(write_worked_example(tmp_path))["nordbank"])


def test_the_example_signs_in(nordbank):
    redirect = nordbank.check_request()
    assert nordbank.finish(redirect).claims == NORDBANK.received


def test_the_example_holds_the_level(nordbank):
    for weaker in NORDBANK.weaker:
        nordbank.id_token_claims |= weaker.claims
        redirect = nordbank.begin()
        with pytest.raises(UpstreamError) as failure:
            nordbank.finish(redirect)
        assert failure.value.reason == weaker.reason
    nordbank.id_token_claims["acr"] = "nordbank:loa:3"
    assert nordbank.sign_in().claims == NORDBANK.received


def test_the_example_would_pass_as_one_of_fedbridges(tmp_path):
    """Every value has a mark, and what it needs is what the page's connection sets."""
    file = write_worked_example(tmp_path)
    preset = read_preset("./presets/nordbank.toml", tmp_path)
    assert None not in {mark for _, _, mark in preset.marks()}
    shown = load(file)["nordbank"]
    needed = example(preset)
    assert needed["client_id"] == shown.client_id
    assert needed["client_authentication"]["key"] == shown.client_authentication.key
    assert shown.token_decryption is not None
    assert tuple(needed["token_decryption"]["keys"]) == shown.token_decryption.keys


def test_what_the_example_leaves_out_is_asked_for(tmp_path):
    file = write_worked_example(tmp_path)
    text = file.read_text()
    (line,) = [line for line in text.splitlines() if "token_decryption" in line]
    file.write_text(text.replace(line + "\n", ""))
    with pytest.raises(ConfigurationError) as failure:
        load(file)
    assert str(failure.value) == (
        f"{file}: nordbank: token_decryption.keys: is missing: the preset ./presets/nordbank.toml leaves it to you:"
        " references to encryption keys, EC"
    )


def test_every_key_of_the_table_is_explained():
    listed = [
        key for row in page("docs/write-a-preset.md").table("The table preset") for key in codes(row[0])
    ]
    assert sorted(listed) == sorted(field.name for field in fields(About))
    assert Preset(name="a", keys={}, about=About(title="A", description="B")).about.group == "generic"
