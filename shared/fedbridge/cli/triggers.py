"""`fedbridge triggers`: whether the triggers' configuration can be right, and whether the user pool leaves it a way round.

The attribute that groups come in is mapped, so an app client may write it, and so may each user who gets a token for their
own profile there: by the scope `aws.cognito.signin.user.admin`, which every flow but OAuth's grants.
https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-settings-attributes.html#user-pool-settings-attribute-permissions-and-scopes
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedbridge.cli.check.finding import Finding
from fedbridge.cli.check.report import Report
from fedbridge.errors import ConfigurationError
from fedbridge.triggers.configuration import MAX_BYTES, decode_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fedbridge.triggers.configuration import Configuration

USER_ADMIN = "aws.cognito.signin.user.admin"
SELF_SERVICE = frozenset({
    "ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_CUSTOM_AUTH", "ALLOW_USER_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_USER_SRP_AUTH",
    "ADMIN_NO_SRP_AUTH", "CUSTOM_AUTH_FLOW_ONLY", "USER_PASSWORD_AUTH",
})  # fmt: skip
"""ExplicitAuthFlows after which a user has a token with USER_ADMIN. Who has no password has no use for them."""

BY_DEFAULT = ("ALLOW_CUSTOM_AUTH", "ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH")
"""ExplicitAuthFlows of a client that names none (API reference, CreateUserPoolClient)."""


def add_command(commands: Any) -> None:
    """Add `fedbridge triggers validate|check`."""
    group = commands.add_parser("triggers", help="the triggers of a user pool: try their configuration")
    actions = group.add_subparsers(title="actions", required=True, metavar="ACTION")
    validate = actions.add_parser("validate", help="read the configuration as the triggers do")
    validate.add_argument("file", type=Path, help="the JSON document that goes into Parameter Store")
    validate.set_defaults(run=_validate)
    check = actions.add_parser("check", help="look for ways round it in the user pool")
    check.add_argument("file", type=Path, help="likewise")
    check.add_argument("--user-pool-id", required=True, help="such as eu-north-1_EXAMPLE01")
    check.add_argument("--json", action="store_true", help="print findings as JSON")
    check.set_defaults(run=_check)


def _validate(options: argparse.Namespace) -> int:
    configuration = _read(options.file)
    parts = {"linking": configuration.linking, "groups": configuration.groups}
    for name, part in parts.items():
        if part is not None:
            print(f"{name}: {', '.join(part.providers)}")
    return 0


def _check(options: argparse.Namespace) -> int:
    """Print what is wrong between the configuration and the pool; 1 where something is."""
    from fedbridge.cli.cognito import pool  # noqa: PLC0415  validating needs no account
    from fedbridge.cli.cognito.calls import ask, pool_client  # noqa: PLC0415

    configuration, pool_id = _read(options.file), options.user_pool_id
    client = pool_client(pool_id)
    apps = [pool.describe_app_client(client, pool_id, each) for each in pool.app_client_ids(client, pool_id)]
    attached = ask(client, "describe_user_pool", UserPoolId=pool_id)["UserPool"].get("LambdaConfig", {})
    findings = [
        *provider_findings(configuration, list(pool.provider_types(client, pool_id))),
        *attachment_findings(configuration, attached),
        *writing_findings(configuration, apps),
    ]
    return Report(connection=pool_id, as_json=options.json).print(findings)


def provider_findings(configuration: Configuration, names: list[str]) -> Iterator[Finding]:
    """Yield the configured identity providers that the pool does not have, to the letter, or has beside a likeness."""
    parts = [part for part in (configuration.linking, configuration.groups) if part is not None]
    configured = {name for part in parts for name in part.providers}
    for provider in sorted(configured & set(names)):
        for other in names:
            if other != provider and other.lower() == provider.lower():
                yield _likeness(provider, other)
    for provider in sorted(configured - set(names)):
        yield Finding(
            code="trigger_provider_missing",
            severity="error",
            subject="identity providers",
            what=f"The pool has no identity provider {provider}; it has {', '.join(names) or 'none'}.",
            why="Nobody is linked and no groups are mapped: the name is compared to the letter.",
            fix="Write the ProviderName of the pool, not the name of the connection.",
        )


def _likeness(provider: str, other: str) -> Finding:
    return Finding(
        code="trigger_provider_ambiguous",
        severity="error",
        subject="identity providers",
        what=f"The pool has {other} beside {provider}: they differ by the case of letters alone.",
        why="A pool may tell a user's provider in lower case: who signs in at one could be taken for a user of the other.",
        fix=f"Give {other} another name.",
    )


def attachment_findings(configuration: Configuration, attached: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which configured trigger is not attached to the pool, or not in the version that it needs."""
    generation = attached.get("PreTokenGenerationConfig", {})
    wanted = {
        "PreSignUp": (configuration.linking, attached.get("PreSignUp")),
        "PreTokenGeneration": (
            configuration.groups,
            generation.get("LambdaArn") or attached.get("PreTokenGeneration"),
        ),
    }
    for name, (part, arn) in wanted.items():
        if part is not None and not arn:
            yield Finding(
                code="trigger_not_attached",
                severity="warning",
                subject="triggers",
                what=f"The pool has no {name} trigger.",
                why="It is configured and never runs.",
                fix="Attach it (docs/triggers.md), without resetting what else the pool has.",
            )
    version = generation.get("LambdaVersion", "V1_0")
    if configuration.groups is not None and wanted["PreTokenGeneration"][1] and version == "V1_0":
        yield Finding(
            code="trigger_version_1",
            severity="error",
            subject="triggers",
            what="The pre token generation trigger is attached with version V1_0 of the event.",
            why="Every sign-in through this pool fails: that version cannot change the access token.",
            fix="Set PreTokenGenerationConfig with LambdaVersion V2_0.",
        )


def writing_findings(configuration: Configuration, apps: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the app clients by which users can write the attributes that their groups come in."""
    groups = configuration.groups
    if groups is None:
        return
    for attribute in sorted({source.attribute for source in groups.providers.values()}):
        for app in apps:
            way = _way_round(app, with_password=groups.linked_profiles)
            # Without WriteAttributes Cognito lets a client write the standard attributes; custom ones are not certain.
            if way is None or attribute not in app.get("WriteAttributes", [attribute]):
                continue
            yield Finding(
                code="groups_attribute_writable",
                severity="error",
                subject="app clients",
                what=f"Users of app client {app.get('ClientName', '')} ({app['ClientId']}) can write {attribute}: it has {way}.",
                why="A federated user writes groups into it, and the next refresh puts them into their tokens.",
                fix=f"Take {way} from the client, or {attribute} out of its WriteAttributes if it maps nothing.",
            )


def _way_round(app: Mapping[str, Any], *, with_password: bool) -> str | None:
    """Return what gives users whose groups count a token for their own profile, None where nothing does."""
    if app.get("AllowedOAuthFlowsUserPoolClient") and USER_ADMIN in app.get("AllowedOAuthScopes", []):
        return f"the scope {USER_ADMIN}"
    flows = sorted(SELF_SERVICE & set(app.get("ExplicitAuthFlows") or BY_DEFAULT))
    return f"the flow {flows[0]}" if flows and with_password else None


def _read(file: Path) -> Configuration:
    try:
        with file.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: is not UTF-8") from None
    try:
        return decode_configuration(text)
    except ConfigurationError as error:
        raise ConfigurationError(problems=tuple(f"{file}: {each}" for each in error.problems)) from None
