"""Group H of the checklist (77): metadata of a federation, and refreshes that weaken nothing."""

from dataclasses import replace

import pytest
from lxml import etree

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.model.saml import Saml, SamlMetadata
from fedbridge.ports import OutboundResponse
from fedbridge.rp.cache import StaleCache
from fedbridge.sp.idp import certificates_of
from fedbridge.sp.idp_metadata import FRESH, MAX_AGGREGATE_BYTES, REFRESH_BACK_OFF, STALE, IdentityProviders
from fedbridge.sp.metadata_document import parse_metadata
from fedbridge.sp.metadata_lifetime import MAX_VALIDITY, MIN_REFRESH
from fedbridge.sp.times import to_text
from tests.negative.test_h_saml_metadata import PEM, SIGNER, SIGNERS, metadata, service, signed
from tests.support.bridge import SettableClock
from tests.unit.sp.idp import IDP, NS, FakePorts, SamlIdp, certificate, sign

NOW = 1_800_000_000.0
DAY = 24 * 3600.0
SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
MDQ, AGGREGATE = "https://mdq.federation.example", "https://federation.example/all.xml"


def until(seconds):
    return f' validUntil="{to_text(NOW + seconds)}"'


def entity(entity_id="https://somebody.example", number=0, **how):
    return metadata(entity_id=entity_id, **how).replace('ID="_m"', f'ID="_m{number}"')


def aggregate(*entities, attributes=None, group="", number=2, comment="", inner=""):
    """Return a signed EntitiesDescriptor."""
    attributes = until(7 * DAY) if attributes is None else attributes
    body = "".join(entities) or entity() + entity(IDP, 1)
    text = (
        f'<md:EntitiesDescriptor xmlns:md="{NS["md"]}" xmlns:ds="{NS["ds"]}" ID="_all"{attributes}>{comment}{body}'
        f"{group}{inner}</md:EntitiesDescriptor>"
    )
    root = etree.fromstring(text)
    sign(root, *certificate(number), at_index=0)
    return etree.tostring(root, encoding="unicode")


def read(document, *, kind="aggregate", signers=SIGNERS, now=NOW):
    return parse_metadata(SamlIdp().connection, document.encode(), signers=signers, now=now, kind=kind)


def reason_of(document, **how):
    with pytest.raises(UpstreamError) as caught:
        read(document, **how)
    return caught.value.reason


# --- one IdP of many -------------------------------------------------------------------------------------------------


def test_the_entity_is_found_by_its_id():
    found = read(aggregate(entity(services=service("https://evil.example/sso")), entity(IDP, 1)))
    assert (found.entity_id, found.endpoints) == (IDP, {"redirect": "https://idp.example/sso"})
    assert [each.pem for each in found.certificates] == [PEM]
    assert found.valid_until == NOW + 7 * DAY


def test_in_a_group_of_the_federation():
    group = f'<md:EntitiesDescriptor xmlns:md="{NS["md"]}"{until(DAY)} cacheDuration="PT10M">{entity(IDP, 1)}</md:EntitiesDescriptor>'
    found = read(aggregate(entity(), group=group))
    assert (found.valid_until, found.refresh_at) == (NOW + DAY, NOW + 600)


def test_comments_of_federations_are_no_part_of_what_is_read():
    assert read(
        "<!-- Terms of use: https://federation.example -->\n" + aggregate(comment="<!-- edugain -->")
    ).endpoints
    split = aggregate(entity(), entity(IDP, 1)).replace("sso</", "s<!-- -->so</")
    assert read(split).endpoints


def test_signatures_that_entities_have_from_their_owners_are_data():
    owned = etree.fromstring(entity(IDP, 1))
    sign(owned, *certificate(3), at_index=0)
    assert read(aggregate(entity(), etree.tostring(owned, encoding="unicode"))).endpoints


def test_artifact_resolution_services_by_their_index():
    more = "".join(
        f'<md:ArtifactResolutionService Binding="{binding}" Location="{url}" index="{index}"/>'
        for binding, url, index in (
            (SOAP, "https://idp.example/artifact", 0),
            (SOAP, "https://idp.example/artifact/3", 3),
            (SOAP, "http://idp.example/plain", 4),
            ("urn:x", "https://idp.example/other", 5),
        )
    )
    found = read(aggregate(entity(IDP, services=more + service())))
    assert found.artifact_services == {0: "https://idp.example/artifact", 3: "https://idp.example/artifact/3"}


@pytest.mark.parametrize("indexes", [("0", "0"), ("", "1"), ("-1", "1"), ("x", "1"), ("1.0", "1")])
def test_case_77_an_index_that_names_no_one_service(indexes):
    more = "".join(
        f'<md:ArtifactResolutionService Binding="{SOAP}" Location="https://idp.example/{number}" index="{index}"/>'
        for number, index in enumerate(indexes)
    )
    assert reason_of(aggregate(entity(IDP, services=more + service()))) == "saml_metadata_malformed"


@pytest.mark.parametrize(
    "document,reason",
    [
        (aggregate(entity()), "saml_metadata_entity_mismatch"),
        (aggregate(entity(IDP), entity(IDP, 1)), "saml_metadata_entity_mismatch"),
        (aggregate(entity(IDP + "/")), "saml_metadata_entity_mismatch"),
        (aggregate(entity(), inner=f"<md:Extensions>{entity(IDP, 1)}</md:Extensions>"), "saml_metadata_entity_mismatch"),
        (signed(metadata()), "saml_metadata_malformed"),
        (aggregate(attributes=""), "saml_metadata_unlimited"),
        (aggregate(attributes=until(MAX_VALIDITY + 2)), "saml_metadata_unlimited"),
        (aggregate(attributes=until(0)), "saml_metadata_expired"),
        (aggregate(entity(IDP, attributes=until(-1))), "saml_metadata_expired"),
        (aggregate(attributes=' validUntil="2030-01-01T00:00:00+01:00"'), "saml_metadata_malformed"),
        (aggregate(attributes=until(DAY) + ' cacheDuration="soon"'), "saml_metadata_malformed"),
        (aggregate(attributes=until(DAY) + ' cacheDuration="P"'), "saml_metadata_malformed"),
        (aggregate(attributes=until(DAY) + ' cacheDuration="-PT1H"'), "saml_metadata_malformed"),
        (aggregate(entity(IDP, keys="")), "saml_metadata_incomplete"),
        ("<!DOCTYPE x>" + aggregate(), "saml_metadata_malformed"),
        ("<!-- --><!DOCTYPE x>" + aggregate(), "saml_metadata_malformed"),
        (aggregate().replace("<md:EntityDescriptor", "<?x y?><md:EntityDescriptor", 1), "saml_metadata_malformed"),
        (aggregate(number=1), "saml_metadata_signature_invalid"),
        (aggregate().replace("https://idp.example/sso", "https://evil.example/sso"), "saml_metadata_signature_invalid"),
        (aggregate().replace('URI="#_all"', 'URI="#_m1"'), "saml_metadata_signature_invalid"),
        (aggregate().replace('URI="#_all"', 'URI=""'), "saml_metadata_signature_invalid"),
        (aggregate().replace("rsa-sha256", "rsa-sha1"), "saml_metadata_signature_invalid"),
    ],
    ids=[
        "not-in-it", "twice", "a-slash-more", "in-extensions", "one-entity", "without-end", "too-far", "ended",
        "the-entity-ended", "offset", "duration", "empty-duration", "negative-duration", "no-key", "doctype",
        "doctype-behind-a-comment", "processing-instruction", "another-signer", "changed", "another-reference",
        "whole-document", "sha-1",
    ],
)  # fmt: skip
def test_case_77_aggregates_that_are_refused(document, reason):
    assert reason_of(document) == reason


def test_case_77_an_unsigned_aggregate_is_not_read_even_if_nobody_asks_for_a_signer():
    unsigned = etree.fromstring(aggregate())
    unsigned.remove(unsigned[0])
    text = etree.tostring(unsigned, encoding="unicode")
    assert reason_of(text) == "saml_metadata_signature_invalid"
    assert reason_of(text, signers=()) == "saml_metadata_signature_invalid"
    assert reason_of(aggregate(), signers=()) == "saml_metadata_signature_invalid"


def test_case_77_the_signature_of_one_entity_vouches_for_no_aggregate():
    """Wrapped: a whole signed aggregate within one of mallory's, his signature moved to the top."""
    original = etree.fromstring(aggregate())
    evil = etree.fromstring(
        f'<md:EntitiesDescriptor xmlns:md="{NS["md"]}" ID="_evil"{until(DAY)}>'
        f"{entity(IDP, 9, services=service('https://evil.example/sso'))}</md:EntitiesDescriptor>"
    )
    evil.insert(0, original[0])
    evil.append(original)
    assert reason_of(etree.tostring(evil, encoding="unicode")) == "saml_metadata_signature_invalid"


def test_case_77_the_signer_signed_the_entity_alone():
    bare = etree.fromstring(aggregate(signed(entity(IDP, 1))))
    bare.remove(bare[0])
    assert reason_of(etree.tostring(bare, encoding="unicode")) == "saml_metadata_signature_invalid"


def test_case_77_another_element_with_the_roots_id():
    same = entity(IDP, 1).replace('ID="_m1"', 'ID="_all"')
    assert reason_of(aggregate(entity(), same)) == "saml_metadata_signature_invalid"


def test_entities_that_share_an_id_are_told_apart_by_their_entity_id():
    assert read(
        aggregate(entity(services=service("https://evil.example/sso")), entity(IDP, 0))
    ).endpoints == {"redirect": "https://idp.example/sso"}


def test_case_77_what_a_federation_may_be_at_most():
    assert reason_of(
        aggregate(entity(IDP), inner="<md:Extensions>" + "<x/>" * 100_000 + "</md:Extensions>")
    ) == ("saml_metadata_malformed")


# --- by query --------------------------------------------------------------------------------------------------------


class Published:
    """A federation's service, and every URL that it was asked for."""

    def __init__(self, document):
        self.document, self.status, self.asked, self.failure = document, 200, [], None

    def get(self, connection, endpoint, request, deadline):
        assert endpoint == "metadata"
        self.asked.append((request.url, request.max_bytes))
        if self.failure is not None:
            raise self.failure
        return OutboundResponse(status=self.status, headers={}, body=self.document.encode())


class World:
    """IdPs from a source, its clock, and what was said of refreshes that failed."""

    def __init__(self, document, *, kind="mdq", source=MDQ, signer="env:SIGNER"):
        self.published, self.clock = Published(document), SettableClock(NOW)
        self.stale: list[str] = []

        def on_stale(_, failure):
            self.stale.append(failure.reason)

        self.providers = IdentityProviders(
            calls=self.published,
            secrets=FakePorts({"env:SIGNER": SIGNER}),
            cache=StaleCache(fresh=FRESH, stale=STALE, clock=self.clock, on_stale=on_stale),
            clock=self.clock,
            on_stale=on_stale,
        )
        self.connection = replace(
            SamlIdp().connection, saml=Saml(metadata=SamlMetadata(source=source, signer=signer, kind=kind))
        )

    def read(self):
        assert self.connection.saml is not None
        return self.providers.get(self.connection, self.connection.saml, Deadline.after(20))

    def refusal(self):
        with pytest.raises(UpstreamError) as caught:
            self.read()
        return caught.value


def one(attributes=None, **how):
    return signed(metadata(attributes=until(7 * DAY) if attributes is None else attributes, **how))


@pytest.mark.parametrize("source", [MDQ, MDQ + "/"])
def test_the_entity_id_is_one_segment_of_the_query(source):
    world = World(one(), source=source)
    assert world.read().entity_id == IDP
    assert world.published.asked == [(f"{MDQ}/entities/https%3A%2F%2Fidp.example%2Fsaml", 1024 * 1024)]


def test_an_aggregate_may_be_larger_and_has_its_cap():
    world = World(aggregate(), kind="aggregate", source=AGGREGATE)
    assert world.read().entity_id == IDP
    assert world.published.asked == [(AGGREGATE, MAX_AGGREGATE_BYTES)]


@pytest.mark.parametrize(
    "document,reason",
    [
        (metadata(attributes=until(DAY)), "saml_metadata_signature_invalid"),
        (signed(metadata(attributes=until(DAY)), number=1), "saml_metadata_signature_invalid"),
        (one(entity_id="https://other.example"), "saml_metadata_entity_mismatch"),
        (one(attributes=""), "saml_metadata_unlimited"),
        (aggregate(), "saml_metadata_malformed"),
    ],
    ids=["unsigned", "another-signer", "another-entity", "without-end", "aggregate"],
)
def test_case_77_answers_of_a_query_that_are_refused(document, reason):
    assert World(document).refusal().reason == reason


def test_case_77_an_entity_that_the_federation_does_not_know():
    world = World("")
    world.published.status = 404
    assert (world.refusal().reason, world.refusal().upstream_status) == ("saml_metadata_unavailable", 404)


# --- refreshes -------------------------------------------------------------------------------------------------------


def test_case_77_metadata_serve_no_second_beyond_their_end():
    world = World(one(until(1800)))
    assert world.read().entity_id == IDP
    world.clock.now += 1799
    assert world.read().entity_id == IDP
    world.published.failure = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    world.clock.now += 1
    refused = world.refusal()
    assert (refused.reason, refused.error) == ("saml_metadata_expired", "temporarily_unavailable")
    assert world.stale == ["upstream_unreachable"]
    world.refusal()
    assert len(world.published.asked) == 2  # and nobody is asked at every sign-in
    world.clock.now += REFRESH_BACK_OFF
    world.published.failure = None
    world.published.document = one(until(7 * DAY))
    assert world.read().valid_until == NOW + 7 * DAY


def test_case_77_the_end_counts_where_stale_metadata_would_still_do():
    world = World(one(until(2 * FRESH)))
    world.read()
    world.published.failure = UpstreamError("upstream_unreachable")
    world.clock.now += FRESH + 1
    assert world.read().entity_id == IDP
    world.clock.now += FRESH
    assert world.refusal().reason == "saml_metadata_expired"


@pytest.mark.parametrize(
    "document,reason",
    [
        (one(until(6 * DAY)), "saml_metadata_older"),
        (one(""), "saml_metadata_unlimited"),
        (metadata(attributes=until(8 * DAY)), "saml_metadata_signature_invalid"),
        (signed(metadata(attributes=until(8 * DAY)), number=1), "saml_metadata_signature_invalid"),
        (one(until(8 * DAY), services=service("https://evil.example/sso")), "saml_metadata_host_changed"),
        (one(until(8 * DAY), keys=""), "saml_metadata_incomplete"),
    ],
    ids=["played-back", "without-end", "unsigned", "another-signer", "moved", "no-key"],
)
def test_case_77_a_refresh_that_would_weaken_something_changes_nothing(document, reason):
    world = World(one())
    good = world.read()
    world.published.document = document
    world.clock.now += FRESH + 1
    assert world.read() is good
    assert world.stale == [reason]


def test_an_end_that_is_lost_is_a_refusal_for_one_entity_too():
    world = World(metadata(attributes=until(DAY)), kind="entity", source="https://idp.example/m", signer=None)
    good = world.read()
    world.published.document = metadata()
    world.clock.now += FRESH + 1
    assert world.read() is good
    assert world.stale == ["saml_metadata_older"]


def test_a_cache_duration_brings_the_refresh_forward():
    world = World(one(until(7 * DAY) + ' cacheDuration="PT10M"'))
    first = world.read()
    world.clock.now += 599
    assert world.read() is first
    world.clock.now += 1
    world.published.document = one(until(8 * DAY) + ' cacheDuration="PT10M"')
    assert world.read().valid_until == NOW + 8 * DAY
    assert len(world.published.asked) == 2


def test_a_cache_duration_of_nothing_is_no_flood():
    world = World(one(until(7 * DAY) + ' cacheDuration="PT0S"'))
    world.read()
    world.clock.now += MIN_REFRESH - 1
    world.read()
    assert len(world.published.asked) == 1
    world.published.failure = UpstreamError("upstream_timeout")
    world.clock.now += 1
    for _ in range(5):
        assert world.read().entity_id == IDP
    assert len(world.published.asked) == 2
    assert world.stale == ["upstream_timeout"]


def test_a_cache_duration_of_years_postpones_nothing():
    world = World(one(until(7 * DAY) + ' cacheDuration="P2Y3M4DT5H6M7.5S"'))
    world.read()
    world.clock.now += FRESH + 1
    world.read()
    assert len(world.published.asked) == 2


def test_a_service_that_hangs_during_a_refresh_leaves_the_sign_in_its_time():
    world = World(one(until(7 * DAY) + ' cacheDuration="PT5M"'))
    first = world.read()
    world.clock.now += MIN_REFRESH
    world.published.failure = DeadlineExceeded()
    assert world.read() is first
    assert world.stale == ["upstream_timeout"]


def test_the_signers_certificates_may_overlap_while_they_change():
    _, next_signer = certificate(3)
    both = certificates_of(SIGNER + next_signer)
    assert (
        read(aggregate(number=2), signers=both).entity_id == read(aggregate(number=3), signers=both).entity_id
    )
