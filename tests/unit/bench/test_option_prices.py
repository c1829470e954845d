"""docs/cost.md and docs/deploy-enterprise.md say what bench/options.py computes."""

from bench import costs, options
from tests.infra.template import Template
from tests.support.machine import ROOT

COST = (ROOT / "docs" / "cost.md").read_text()
ENTERPRISE = (ROOT / "docs" / "deploy-enterprise.md").read_text()


def test_the_page_has_the_table_of_the_code():
    assert options.option_table() in COST, "python -m bench.options prints what belongs there"


def test_the_table_counts_what_the_template_has():
    acl = Template({"ApiType": "rest", "BaseUrl": "https://login.example.com"}).properties("WebAcl")
    assert len(acl["Rules"]) == options.WEB_ACL_RULES
    assert Template().properties("FrontChannel")["MemorySize"] == costs.EXAMPLE.memory_mb


def test_what_the_pages_say_of_each_follows_from_the_prices():
    by_name = {what: (fixed, each) for what, _, fixed, each in options.monthly()}
    rest, acl = by_name["REST API in place of the HTTP API"], by_name["the stack's web ACL"]
    assert f"so {rest[1]:.2f} a million sign-ins" in ENTERPRISE
    assert f"the web ACL {acl[0]:.0f} USD a month" in ENTERPRISE
    warm = by_name["one warm execution of each of the three functions"][0]
    assert f"{warm / options.FUNCTIONS:.2f} USD a month for each execution" in ENTERPRISE
    snapshots = by_name["snapshots, for each published version of the three functions"][0]
    assert f"{snapshots / options.FUNCTIONS:.2f} USD a month for each function's snapshot" in ENTERPRISE
    restored = options.PRICES["snapshot_gb_restored"][0] * 512 / 1024
    assert f"{restored:.5f} for each start" in ENTERPRISE
    nat = options.HOURS * options.PRICES["nat_hour"][0]
    assert f"NAT {nat:.2f} USD a month each" in ENTERPRISE
