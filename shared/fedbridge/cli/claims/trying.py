"""`fedbridge claims try`: a sample through the mapping of a connection, by the very code of a sign-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fedbridge.claims.attributes import attribute_mapper, identity_of_attributes
from fedbridge.claims.documents import DocumentMapper, identity_of_documents
from fedbridge.claims.mapping import VERIFIED, mapper_of, rules_of, to_identity
from fedbridge.claims.names import is_protected
from fedbridge.cli.claims.rules import Tried, tried
from fedbridge.cli.claims.samples import Samples
from fedbridge.cli.claims.telling import told
from fedbridge.cli.claims.trial import Refusal, Trial
from fedbridge.cli.connections import load_one
from fedbridge.cli.explain.causes import cause_of, plain
from fedbridge.errors import ConfigurationError, UpstreamError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from fedbridge.claims.mapping import Mapper, MappingResult
    from fedbridge.model.connection import Connection
    from fedbridge.model.identity import Identity


def attempt(options: argparse.Namespace) -> int:
    """Print the trial; the exit code is 1 where the sign-in would be refused."""
    trial = trial_of(load_one(options), options)
    if options.json:
        print(json.dumps(trial.as_json(), indent=2))
    else:
        print("\n".join(told(trial)))
    return 0 if trial.refusal is None else 1


def trial_of(connection: Connection, options: argparse.Namespace) -> Trial:
    """Return what the samples come to; raises ConfigurationError for samples that do not go with the connection."""
    samples = Samples()
    by_protocol: Mapping[str, Callable[..., Trial]] = {"oidc": _oidc, "oauth2": _oauth2, "saml": _saml}
    _refuse_others(connection, options)
    return by_protocol[connection.protocol](connection, options, samples)


def _refuse_others(connection: Connection, options: argparse.Namespace) -> None:
    wanted = {"oidc": {"id_token", "userinfo"}, "oauth2": {"document"}, "saml": {"assertion"}}
    given = {name for name in ("id_token", "userinfo", "document", "assertion") if getattr(options, name)}
    mine = wanted[connection.protocol]
    shown = " and ".join(f"--{name.replace('_', '-')}" for name in sorted(mine))
    if given - mine or not given & (mine - {"userinfo"}):
        raise ConfigurationError(f"{connection.name} speaks {connection.protocol}: give {shown}")


def _oidc(connection: Connection, options: argparse.Namespace, samples: Samples) -> Trial:
    id_token = samples.claims("--id-token", options.id_token)
    userinfo = samples.claims("--userinfo", options.userinfo) if options.userinfo else None
    issuer = id_token.get("iss", connection.issuer)
    _note_oidc(connection, id_token, userinfo, samples)
    if connection.userinfo.method == "none":
        userinfo = None
    subject = id_token.get("sub")
    documents: dict[str, Any] = {"upstream_issuer": issuer, "id_token": id_token, "userinfo": userinfo}
    if not isinstance(subject, str) or not isinstance(issuer, str):
        return _refused(connection, options, samples, "id_token_subject_malformed")
    mapper = mapper_of(connection, upstream_subject=subject, **documents)
    if userinfo is not None and userinfo.get("sub") != subject:
        return _refused(connection, options, samples, "userinfo_subject_mismatch", mapper)
    return _trial(
        connection,
        options,
        samples,
        mapper=mapper,
        run=lambda: to_identity(
            connection,
            upstream_subject=subject,
            upstream_id_token="a token" if connection.tokens == "relay" else None,
            **documents,
        ),
        sent=[*id_token, *(userinfo or ())],
    )


def _note_oidc(
    connection: Connection, id_token: Mapping[str, Any], userinfo: object, samples: Samples
) -> None:
    notes = samples.notes
    if connection.tenants is None and id_token.get("iss", connection.issuer) != connection.issuer:
        notes.append(f"iss of the sample is not {connection.issuer}: a sign-in would refuse the token")
    if connection.userinfo.method == "none" and userinfo is not None:
        notes.append("the connection fetches no userinfo (userinfo.method: none): that sample is left out")
    if connection.userinfo.method != "none" and userinfo is None:
        notes.append("a sign-in reads userinfo, too, if the provider has it: give --userinfo")
    if connection.userinfo.nested:
        notes.append(
            "tokens within userinfo are taken as the sample has them: give their claims in their place"
        )
    if connection.tokens == "relay":
        notes.append(
            "tokens are relayed: Cognito has these claims from userinfo, and the provider's own ID token"
        )


def _oauth2(connection: Connection, options: argparse.Namespace, samples: Samples) -> Trial:
    from fedbridge.rp.oauth2 import find_subject  # noqa: PLC0415  an HTTP client's worth of modules

    profile = connection.oauth2
    if profile is None:
        raise ConfigurationError(f"{connection.name}: oauth2 is missing")
    documents = samples.named("--document", options.document)
    missing = [each.name for each in profile.documents if each.required and each.name not in documents]
    if missing:
        raise ConfigurationError(f"--document: {', '.join(missing)}: a sign-in cannot do without")
    documents = {each.name: documents.get(each.name) for each in profile.documents}
    try:
        subject = find_subject(profile, documents)
    except UpstreamError as failure:
        return _refused(connection, options, samples, failure.reason)
    upstream = {"upstream_sub": subject, "upstream_iss": connection.issuer}
    return _trial(
        connection,
        options,
        samples,
        mapper=DocumentMapper(documents, upstream),
        run=lambda: identity_of_documents(
            connection, upstream_issuer=connection.issuer, upstream_subject=subject, documents=documents
        ),
        sent=[],
    )


def _saml(connection: Connection, options: argparse.Namespace, samples: Samples) -> Trial:
    try:
        from fedbridge.cli.claims.assertion import read_assertion  # noqa: PLC0415  lxml and xmlsec
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"SAML is read with {error.name}, which is not installed here") from None
    if connection.saml is None:
        raise ConfigurationError(f"{connection.name}: saml is missing")
    try:
        sample = read_assertion(connection, connection.saml, options.assertion, samples)
    except UpstreamError as failure:
        return _refused(connection, options, samples, failure.reason)
    read: dict[str, Any] = {
        "subject": sample.subject,
        "attributes": sample.attributes.by_name,
        "friendly_names": sample.attributes.by_friendly_name,
        "acr": sample.authn_context,
        "auth_time": sample.auth_time,
    }
    return _trial(
        connection,
        options,
        samples,
        mapper=attribute_mapper(connection, **read),
        run=lambda: identity_of_attributes(connection, **read),
        sent=list(sample.attributes.by_name),
    )


def _trial(
    connection: Connection,
    options: argparse.Namespace,
    samples: Samples,
    *,
    mapper: Mapper,
    run: Callable[[], MappingResult],
    sent: list[str],
) -> Trial:
    """Map as a sign-in does, and rule by rule."""
    rules = tuple(tried(connection, mapper))
    identity, refusal = None, None
    try:
        mapped = run()
    except UpstreamError as failure:
        refusal = _refusal(failure.reason)
    else:
        identity = mapped.identity
        samples.notes += [
            f"{name} has a value that cannot be used, and is left out"
            for name in mapped.dropped
            if name in {"acr", "amr", "auth_time"}
        ]
        rules = tuple(_beside(each, identity) for each in rules)
    return Trial(
        connection=connection,
        identity=identity,
        rules=rules,
        refusal=refusal,
        unmapped=_unmapped(connection, sent),
        notes=tuple(samples.notes),
        provider_name=_provider_name(connection, options),
    )


def _beside(each: Tried, identity: Identity) -> Tried:
    """Return a rule's outcome, with what relaying takes away after the rules have spoken."""
    if each.outcome != "sent" or each.claim in identity.claims:
        return each
    return Tried(
        claim=each.claim,
        rule=each.rule,
        outcome="dropped",
        found=each.found,
        why="the relayed ID token speaks of another address, and Cognito reads that token as well",
        todo="have the provider send one address in both documents",
    )


def _refused(
    connection: Connection,
    options: argparse.Namespace,
    samples: Samples,
    reason: str,
    mapper: Mapper | None = None,
) -> Trial:
    return Trial(
        connection=connection,
        identity=None,
        rules=tuple(tried(connection, mapper)) if mapper is not None else (),
        refusal=_refusal(reason),
        notes=tuple(samples.notes),
        provider_name=_provider_name(connection, options),
    )


def _refusal(reason: str) -> Refusal:
    cause = cause_of(reason)
    return Refusal(reason=reason, means=plain(cause.means), todo=plain(cause.todo))


def _unmapped(connection: Connection, sent: list[str]) -> tuple[str, ...]:
    """Return the names that were sent, belong to nobody else, and stand in no expression."""
    rules = rules_of(connection)
    expressions = [rule.value or "" for rule in rules.values()]
    expressions += [flag for address, flag in VERIFIED.items() if address in rules]
    return tuple(
        dict.fromkeys(
            name for name in sent if not is_protected(name) and not any(name in text for text in expressions)
        )
    )


def _provider_name(connection: Connection, options: argparse.Namespace) -> str | None:
    if options.provider_name:
        return str(options.provider_name)
    pools = [party.user_pool for party in connection.relying_parties if party.user_pool is not None]
    return pools[0].identity_provider if pools else None
