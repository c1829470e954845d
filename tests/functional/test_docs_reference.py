"""Tables of the documentation that claim to be complete are, and say what the code says."""

import ast
import re

from fedbridge.cli.explain import causes as explain_causes
from fedbridge.configuration.presets import preset_names
from fedbridge.flows import documents, finish, services
from fedbridge.model import deadline
from fedbridge.model.connection import ID_TOKEN_LIFETIME
from fedbridge.op import cookie, pages
from fedbridge.store import registry
from fedbridge.telemetry.events import EVENTS, FIELDS
from tests.infra.template import Template
from tests.infra.template import load as load_template
from tests.support import causes, connection_keys, idp_pages, markdown, reasons
from tests.support.markdown import ROOT, codes, page

ADD, DEPLOY, DIAGNOSE, LOGS, ROUTES, LOCAL = (
    page(f"docs/{name}.md")
    for name in ("add-an-idp", "deploy", "diagnose", "logs-and-metrics", "routes", "local-development")
)


def package_text():
    return {file: file.read_text("utf-8") for file in (ROOT / "shared" / "fedbridge").rglob("*.py")}


def test_every_parameter_of_the_stack_is_listed_with_its_default():
    listed = {
        codes(name)[0]: codes(default)[0] if codes(default) else ""
        for name, default, _ in DEPLOY.table("Parameters")
    }
    assert listed == {name: str(each["Default"]) for name, each in load_template()["Parameters"].items()}


def test_every_output_of_the_stack_is_listed():
    listed = [codes(name)[0] for name, _ in DEPLOY.table("Outputs")]
    assert sorted(listed) == sorted(load_template()["Outputs"])


def test_every_variable_of_the_functions_is_listed_and_no_other_is_named():
    listed = {codes(name)[0] for name, _ in LOCAL.table("The environment of the functions")}
    assert listed == Template().properties("FrontChannel")["Environment"]["Variables"].keys()
    read = set(re.findall(r'"(FEDBRIDGE_\w+)"', package_text()[ROOT / "shared/fedbridge/settings.py"]))
    assert {name for name in listed if name.startswith("FEDBRIDGE_")} == read
    others = ("Makefile", "shared/Makefile", ".ci/run", "shared/fedbridge/trigger_settings.py")
    elsewhere = "".join((ROOT / name).read_text() for name in others)
    for found in markdown.pages():
        for name in re.findall(r"FEDBRIDGE_\w+", found.text):
            assert name in listed or name in elsewhere, (found.name, name)


def test_every_key_of_a_connection_is_listed():
    assert connection_keys.PAGE.read_text("utf-8") == connection_keys.page(), (
        "run python -m tests.support.connection_keys"
    )


def test_every_preset_has_its_page():
    expected = idp_pages.pages()
    assert set(idp_pages.FOLDER.glob("*.md")) == expected.keys()
    for file, text in expected.items():
        assert file.read_text("utf-8") == text, "run python -m tests.support.idp_pages"


def test_the_index_lists_every_preset():
    index = (idp_pages.FOLDER / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[.+?\]\((\w+)\.md\) \| `(\w+)` \|", index, re.MULTILINE)
    assert sorted(listed) == [(name, name) for name in preset_names()]


def test_every_message_that_is_explained_is_one_that_the_code_says():
    said = "".join(package_text().values())
    for row in ADD.table("Errors of validate and apply"):
        for message in codes(row[0]):
            for part in re.split(r"…\??|\b[A-Z]{3,}\b:?|: (?=did)", message):
                words = part.strip(" ()?,").removeprefix("ARN: ")
                assert not words or words in said or _is_botocore(words) or _is_assembled(words, said), (
                    message
                )


def _is_botocore(name):
    return name in {"NoCredentialsError", "AccessDeniedException"}


def _is_assembled(words, said):
    """Some messages hold a value where the page gives an example: `env:` for a scheme, a method for another."""
    pattern = re.escape(words).replace("private_key_jwt", ".*").replace("env:", ".*").replace("file:", ".*")
    return re.search(pattern.replace(r"key\ as\ in", r".*\ as\ in"), said) is not None


def test_every_reason_is_explained_and_every_one_that_is_explained_is_one():
    explained = [name for cause in explain_causes.causes() for name in cause.names]
    assert sorted(explained) == sorted(set(explained))
    assert set(explained) == reasons.reasons(), f"write them into {explain_causes.FILE.name}"


def test_reasons_are_explained_in_the_same_words_by_page_and_command():
    assert causes.PAGE.read_text("utf-8") == causes.text(), "run python -m tests.support.causes"


def test_what_pages_say_is_logged_is_a_reason():
    said = {reason for found in markdown.pages() for reason in re.findall(r"logs `([a-z_]+)`", found.text)}
    assert said
    assert said <= reasons.reasons()


def test_every_event_is_listed_with_its_level_and_metrics():
    listed = {codes(name)[0]: (level, codes(metrics)) for name, level, metrics, _ in LOGS.table("Events")}
    assert listed == {name: (event.level, [*event.metrics]) for name, event in EVENTS.items()}


def test_what_is_called_reserved_is_what_no_code_records():
    text = "\n".join(package_text().values())
    recorded = {name for name in EVENTS if len(re.findall(rf'"{name}"', text)) > 1}
    reserved = {codes(row[0])[0] for row in LOGS.table("Events") if "reserved" in row[-1]}
    assert recorded == EVENTS.keys() - reserved


def test_every_field_is_listed():
    listed = [name for row in LOGS.table("Fields") for name in codes(row[0])]
    assert sorted(listed) == sorted(FIELDS)


def test_every_alarm_is_listed():
    listed = [name for row in LOGS.table("Alarms") for name in codes(row[0])]
    assert sorted(listed) == sorted(Template().resources("AWS::CloudWatch::Alarm"))


def test_every_page_that_a_person_may_see_is_listed():
    titles = {value.title for value in vars(pages).values() if isinstance(value, pages.Message)}
    assert {row[0] for row in DIAGNOSE.table("What the user sees")} == titles


def test_every_route_is_listed_with_its_methods_and_function():
    listed = {
        codes(route)[0]: (methods, codes(function)[0])
        for route, methods, function, _ in ROUTES.table("All routes")
    }
    expected = {}
    for folder, function in (
        ("front_channel", "FrontChannel"),
        ("saml", "Saml"),
        ("back_channel", "BackChannel"),
    ):
        for route, methods in _routes(folder).items():
            expected[route] = (", ".join(methods), function)
    assert listed == expected


def _routes(folder):
    """Read ROUTES without running the function, which would want an environment."""
    tree = ast.parse((ROOT / "functions" / folder / "app.py").read_text())
    assigned = {
        ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)
    }
    pairs = re.findall(r"'(/[^']+)': \{([^}]*)\}", ast.unparse(assigned["ROUTES"]))
    return {route: re.findall(r"'([A-Z]+)':", methods) for route, methods in pairs}


def test_the_lifetimes_are_those_of_the_code():
    listed = " ".join(" ".join(row) for row in ROUTES.tables("Lifetimes"))
    for said in (
        f"callback {services.TRIP_LIFETIME // 60} minutes",
        f"request's {deadline.BROWSER_BUDGET:.0f} seconds, and {finish.EXCHANGE_MARGIN} more",
        f"code {services.CODE_LIFETIME} seconds",
        f"ID token {ID_TOKEN_LIFETIME // 60} minutes",
        f"access token {services.ACCESS_TOKEN_LIFETIME // 60} minutes",
        f"{deadline.BROWSER_BUDGET:.0f} seconds at the browser's routes, {deadline.BACK_CHANNEL_BUDGET:.0f} at the back channel",
        f"{registry.FRESH_FOR / 60:.0f} minute; {registry.STALE_FOR / 60:.0f} if",
    ):
        assert said in listed
    assert cookie.MAX_AGE == 3600
    assert f"cached for {documents.JWKS_MAX_AGE} seconds" in ROUTES.text
    assert f"`client-jwks.json` for {documents.CLIENT_JWKS_MAX_AGE:,}" in ROUTES.text
    assert documents.DISCOVERY_MAX_AGE == documents.JWKS_MAX_AGE


def test_the_reasons_are_all_readable():
    """A reason in a new shape is written down in tests/support/reasons.py, or it would be missing above unnoticed."""
    for spelling in reasons.spellings():
        spelling.reasons()
