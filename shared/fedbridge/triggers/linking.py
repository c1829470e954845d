"""Pre sign-up: links somebody who signs in at an identity provider for the first time to the profile they have already.

A link lets whoever signs in at the provider be the native user, and lets the native user's password open what the
provider vouched for. So nothing is linked unless both sides hold the same verified address, the native profile is the
only one, and nobody but its owner can have made it: somebody may have registered a profile with another's address
before they came (pre-hijacking). https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-sign-up.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from fedbridge.errors import ConfigurationError, TriggerRefused, UserPoolError
from fedbridge.model.user_profile import CONFIRMED, FORCE_CHANGE_PASSWORD
from fedbridge.triggers.addresses import linkable, same, spellings
from fedbridge.triggers.identities import LinkedIdentity, read_identities, split_username

if TYPE_CHECKING:
    from fedbridge.model.trigger_event import TriggerEvent
    from fedbridge.model.user_profile import UserProfile
    from fedbridge.triggers.configuration import Linking
    from fedbridge.triggers.services import Triggers

EXTERNAL_PROVIDER = "PreSignUp_ExternalProvider"

LINKED = "Your accounts are linked now. Please sign in once more."
"""What the app is told after a link, because Cognito's own sign-in does not get past one that was made meanwhile."""

MOST_PROFILES = 5
"""Profiles of one address that are looked at; a sixth is somebody trying something."""


def link(services: Triggers, event: TriggerEvent) -> dict[str, Any] | None:
    """Link, refuse, or let Cognito create a profile of its own; None leaves the response as it is.

    Raises TriggerRefused, UserPoolError, ConfigurationError, KeyUnavailable, DeadlineExceeded.
    """
    if event.source != EXTERNAL_PROVIDER:
        return None  # somebody registers, or an administrator creates: none of ours
    linking = services.configuration(event.deadline).linking
    if linking is None:
        raise ConfigurationError("linking: is missing", reason="trigger_unconfigured")
    known = split_username(event.username, linking.providers)
    if known is None:
        return None
    identity = LinkedIdentity(provider=known[0], subject=known[1])
    address = linkable(event.attributes, linking.providers[identity.provider])
    if address.reason is not None:
        _apart(services, event, identity, address.reason, allowed=linking.unlinkable == "allow")
        return None
    profile = _native_profile(services, event, linking, identity, address.email)
    if isinstance(profile, str):
        _apart(services, event, identity, profile, allowed=True)
        return None
    _link(services, event, profile, identity)
    if linking.after_linking == "sign_in_again":
        raise TriggerRefused("linked_sign_in_again", text=LINKED)
    return None


def _apart(
    services: Triggers, event: TriggerEvent, identity: LinkedIdentity, why: str, *, allowed: bool
) -> None:
    """Let Cognito create a federated profile beside whatever there is, where the configuration says so."""
    if not allowed:
        raise TriggerRefused(why)
    services.note("profile_not_linked", event, provider=identity.provider, reason=why)


def _native_profile(
    services: Triggers, event: TriggerEvent, linking: Linking, identity: LinkedIdentity, email: str
) -> UserProfile | str:
    """Return the one profile to link, or the reason for going on without; raises TriggerRefused."""
    natives = _natives(services, event, email)
    owned = [profile for profile in natives if profile.email_is_verified]
    if len(owned) > 1:
        raise TriggerRefused("link_profiles_ambiguous")
    if any(not profile.enabled for profile in owned):
        raise TriggerRefused("link_profile_disabled")  # who was locked out does not come in by another door
    if len(owned) < len(natives) and linking.native_profile_unfit == "refuse":
        raise TriggerRefused("link_profile_email_unverified")
    if owned:
        return _confirmed(services, event, linking, owned[0])
    if linking.native_profile_missing == "refuse":
        raise TriggerRefused("link_profile_missing")
    if linking.native_profile_missing == "allow" or natives:
        return "link_profile_missing"
    return _created(services, event, linking, identity, email)


def _natives(services: Triggers, event: TriggerEvent, email: str) -> list[UserProfile]:
    """Return the profiles with a password that have the address, each as it stands now: lists are a moment old."""
    profiles = services.profiles()
    names = {
        found.username
        for spelling in spellings(email)
        for found in profiles.find_by_email(event.pool_id, spelling, event.deadline)
        if not found.is_federated
    }
    if len(names) > MOST_PROFILES:
        raise TriggerRefused("link_profiles_ambiguous")
    read = (profiles.read(event.pool_id, name, event.deadline) for name in sorted(names))
    return [each for each in read if each and not each.is_federated and same(each.email, email)]


def _confirmed(
    services: Triggers, event: TriggerEvent, linking: Linking, profile: UserProfile
) -> UserProfile | str:
    """Return the profile if its owner has it for good; one that was created and never used becomes so by `create`."""
    if _answers_to_others(linking, profile):
        if linking.native_profile_unfit == "refuse":
            raise TriggerRefused("link_profile_linked_elsewhere")
        return "link_profile_linked_elsewhere"
    if profile.status == CONFIRMED:
        return profile
    if profile.status == FORCE_CHANGE_PASSWORD and linking.native_profile_missing == "create":
        # An administrator's, or our own of an attempt that was cut off. Whoever knows the temporary password is out.
        services.profiles().set_password(
            event.pool_id, profile.username, services.new_password(), event.deadline
        )
        return profile
    if linking.native_profile_unfit == "refuse":
        raise TriggerRefused("link_profile_unconfirmed")
    return "link_profile_unconfirmed"


def _answers_to_others(linking: Linking, profile: UserProfile) -> bool:
    """Tell whether a provider that is not trusted with the domain is linked to the profile.

    Each sign-in through it writes its address and `email_verified` over the profile's, so that the profile has proven
    nothing: whoever may choose an address there would wait in it for its owner.
    """
    domain = profile.email.rpartition("@")[2].lower()
    linked = {each.provider for each in read_identities(profile.attributes.get("identities"))}
    return any(domain not in linking.providers.get(provider, ()) for provider in linked)


def _created(
    services: Triggers, event: TriggerEvent, linking: Linking, identity: LinkedIdentity, email: str
) -> UserProfile | str:
    """Create the native profile; the name follows from who it is for, so that a second attempt finds it."""
    profiles = services.profiles()
    name = email.lower()
    if linking.created_username == "uuid":
        name = str(uuid5(NAMESPACE_URL, f"{event.pool_id}/{identity.provider}/{identity.subject}"))
    profiles.create(event.pool_id, name, email, event.deadline)
    profile = profiles.read(event.pool_id, name, event.deadline)
    if profile is None or profile.is_federated or not same(profile.email, email):
        raise TriggerRefused("link_username_taken")
    if not (profile.email_is_verified and profile.enabled):
        raise TriggerRefused("link_username_taken")
    return _confirmed(services, event, linking, profile)


def _link(services: Triggers, event: TriggerEvent, profile: UserProfile, identity: LinkedIdentity) -> None:
    """Link, unless it is done: Cognito asks again when an answer comes late, and two browsers may begin at once."""
    if not _is_linked(profile, identity):
        profiles = services.profiles()
        try:
            profiles.link(
                event.pool_id, profile.username, identity.provider, identity.subject, event.deadline
            )
        except UserPoolError:
            # Cognito has no error of its own for what is linked already.
            now = profiles.read(event.pool_id, profile.username, event.deadline)
            if now is None or not _is_linked(now, identity):
                raise
    services.note("profile_linked", event, provider=identity.provider)


def _is_linked(profile: UserProfile, identity: LinkedIdentity) -> bool:
    """Tell whether it is linked; raises TriggerRefused where it is to another subject of the same provider.

    An address that was given to a newcomer does not give them the profile of whoever had it before.
    """
    linked = read_identities(profile.attributes.get("identities"))
    if any(each.provider == identity.provider and each.subject != identity.subject for each in linked):
        raise TriggerRefused("link_other_subject")
    return identity in linked
