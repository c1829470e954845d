"""Pre token generation: groups of the identity provider become `cognito:groups` and roles, by an allow-list alone.

The attribute that carries them is writable: by Cognito's attribute mapping, which needs the app client's permission to
write it, and so by everybody who has a token with which users edit their own profile. So it counts only for profiles
that Cognito made for a listed provider and that it names in `identities`, which nobody can write; a native user who
fills it in gains nothing. https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedbridge.errors import ConfigurationError
from fedbridge.model.user_profile import EXTERNAL_PROVIDER
from fedbridge.triggers.groups import Unreadable, map_names, read_groups
from fedbridge.triggers.identities import read_identities, split_username

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.trigger_event import TriggerEvent
    from fedbridge.triggers.configuration import Groups, GroupSource
    from fedbridge.triggers.services import Triggers

CLIENT_CREDENTIALS = "TokenGeneration_ClientCredentials"


def map_groups(services: Triggers, event: TriggerEvent) -> dict[str, Any] | None:
    """Return what overrides the tokens' claims, None where the user is of no listed provider and nothing changes.

    Raises TriggerRefused, ConfigurationError, KeyUnavailable, DeadlineExceeded.
    """
    if event.source == CLIENT_CREDENTIALS:
        return None
    if event.version not in {"2", "3"}:
        raise ConfigurationError(
            "attach the trigger with LambdaVersion V2_0: version 1 cannot change the access token",
            reason="trigger_version",
        )
    groups = services.configuration(event.deadline).groups
    if groups is None:
        raise ConfigurationError("groups: is missing", reason="trigger_unconfigured")
    provider = _provider(event, groups)
    if provider is None:
        return None
    source = groups.providers[provider]
    return {"claimsAndScopeOverrideDetails": _overrides(services, event, provider, source)}


def _provider(event: TriggerEvent, groups: Groups) -> str | None:
    """Return the listed provider that this profile is of; None for native users, and for linked ones unless allowed."""
    linked = read_identities(event.attributes.get("identities"))
    if event.attributes.get("cognito:user_status") == EXTERNAL_PROVIDER:
        named = split_username(event.username, groups.providers)
        if named is None:
            return None
        subjects = {each.subject.lower() for each in linked if each.provider == named[0]}
        return named[0] if named[1].lower() in subjects else None
    if not groups.linked_profiles:
        return None
    of = {each.provider for each in linked}
    # Of two, listed or not, nobody knows which one they came through, and which one wrote the attribute.
    return of.pop() if len(of) == 1 and of <= groups.providers.keys() else None


def _overrides(services: Triggers, event: TriggerEvent, provider: str, source: GroupSource) -> dict[str, Any]:
    before = _before(event)
    existing = before["groupsToOverride"] if source.existing == "keep" else []
    mapped = map_names(_names(services, event, provider, source), source.rules, existing)
    if mapped.left_out:
        services.note(
            "groups_dropped", event, provider=provider, reason="groups_above_limit", count=mapped.left_out
        )
    own_roles = before["iamRolesToOverride"] if source.existing == "keep" else []
    roles = list(dict.fromkeys([*own_roles, *mapped.roles]))
    preferred = (before["preferredRole"] if source.existing == "keep" else None) or next(
        iter(mapped.roles), None
    )
    claim = {} if source.claim is None else {source.claim: list(mapped.groups)}
    return {
        # The attribute has every group that the provider told, mapped or not: the ID token shall not.
        "idTokenGeneration": {"claimsToAddOrOverride": claim, "claimsToSuppress": [source.attribute]},
        "accessTokenGeneration": {"claimsToAddOrOverride": claim},
        "groupOverrideDetails": {
            "groupsToOverride": list(mapped.groups),
            "iamRolesToOverride": roles,
            **({} if preferred is None else {"preferredRole": preferred}),
        },
    }


def _names(services: Triggers, event: TriggerEvent, provider: str, source: GroupSource) -> tuple[str, ...]:
    """Return the provider's groups; none, and a warning, where the attribute cannot be read."""
    try:
        return read_groups(event.attributes.get(source.attribute), source)
    except Unreadable:
        services.note("groups_dropped", event, provider=provider, reason="groups_unreadable")
        return ()


def _before(event: TriggerEvent) -> dict[str, Any]:
    """Return what Cognito would write; it is told to be there, and is not taken for granted."""
    told = event.request.get("groupConfiguration")
    found: Mapping[str, Any] = told if isinstance(told, dict) else {}
    preferred = found.get("preferredRole")
    return {
        **{
            name: [each for each in found.get(name) or [] if isinstance(each, str)]
            for name in ("groupsToOverride", "iamRolesToOverride")
        },
        "preferredRole": preferred if isinstance(preferred, str) and preferred else None,
    }
