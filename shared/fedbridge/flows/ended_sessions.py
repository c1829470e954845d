"""What happens here when the IdP says that a session there has ended: its user is signed out of the user pools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedbridge.claims.subject import to_subject
from fedbridge.errors import UpstreamError
from fedbridge.flows.sessions import recall_by_name

if TYPE_CHECKING:
    from fedbridge.flows.services import Services
    from fedbridge.model.connection import Connection, RelyingParty
    from fedbridge.model.deadline import Deadline
    from fedbridge.model.session import EndedSession


def receives_logouts(connection: Connection) -> bool:
    """Tell whether the IdP could end anything here: some relying party has named its user pool."""
    return any(party.user_pool is not None for party in connection.relying_parties)


def end_sessions(
    services: Services, connection: Connection, ended: EndedSession, deadline: Deadline
) -> list[str]:
    """End the user's sessions in every pool of the connection; returns the client ids of those that knew the user.

    Cognito ends all of a user's sessions or none, so one that ended at the IdP takes the others along. Raises
    UpstreamError (`logout_session_mismatch` for a session that is another user's, `logout_session_unknowable` where nothing
    here could tell whose it is), UserPoolError, StoreUnavailable, OutcomeUnknown, DeadlineExceeded.
    """
    named = _subject(connection, ended)
    if named is None and (ended.sid is None or services.sessions is None):
        raise UpstreamError("logout_session_unknowable")
    recalled = [
        (party.client_id, party.user_pool, *_recall(services, connection, party, ended, deadline))
        for party in connection.relying_parties
        if party.user_pool is not None
    ]
    # Before anybody is signed out anywhere: a message that contradicts itself ends nothing.
    if named is not None and any(kept not in {None, named} for *_, kept in recalled):
        raise UpstreamError("logout_session_mismatch")
    found = []
    for client_id, pool, key, kept in recalled:
        subject = kept or named
        if subject is None:
            continue
        if services.user_pools().sign_out(pool.id, pool.username(subject), deadline):
            found.append(client_id)
        if key is not None and services.sessions is not None:
            services.sessions.remove(key, deadline)
    return found


def _recall(
    services: Services, connection: Connection, party: RelyingParty, ended: EndedSession, deadline: Deadline
) -> tuple[str, str] | tuple[None, None]:
    if ended.sid is None:
        return None, None
    kept = recall_by_name(services, connection, party, issuer=ended.issuer, sid=ended.sid, deadline=deadline)
    return kept or (None, None)


def _subject(connection: Connection, ended: EndedSession) -> str | None:
    """Return what Cognito gets as `sub` for the subject that the IdP names, None where that does not follow from it.

    It does not where the connection's subjects are made of other claims. A subject that could never have signed in is
    nobody's.
    """
    if ended.known_subject is not None:
        return ended.known_subject
    if ended.subject is None or connection.subject_claims:
        return None
    try:
        return to_subject(connection, ended.issuer, ended.subject)
    except UpstreamError:
        return None
