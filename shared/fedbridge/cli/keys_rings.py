"""`fedbridge keys init|list|stage|activate|confirm|retire`: key rings by hand, as the scheduled function moves them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fedbridge.aws import sdk_client
from fedbridge.cli.connections.desk import open_desk
from fedbridge.cli.connections.loading import (
    BUDGET,
    Quiet,
    add_environment_option,
    add_file_options,
    add_table_option,
)
from fedbridge.cli.key_rings import NO_ENVIRONMENT
from fedbridge.errors import ConfigurationError, StoreError
from fedbridge.flows.ring_publication import settle, users_of
from fedbridge.flows.rotation import RING_BUDGET, move, read, stage
from fedbridge.model.deadline import Deadline
from fedbridge.model.key_ring import (
    DAY,
    SPREAD,
    RingKey,
    StoredRing,
    activated,
    confirmed,
    ready_at,
    removed,
    upcoming,
)
from fedbridge.operations import rotation

if TYPE_CHECKING:
    import argparse

    from fedbridge.flows.ring_publication import Published, Rotation
    from fedbridge.model.key_ring import KeyRing, RingState, Step

_WORDS = {
    "stage": "the next key is made",
    "publish": "is published with its connection",
    "confirm": "waits: upload it at the provider, then fedbridge keys confirm",
    "activate": "becomes active",
    "remove": "is accepted no longer",
    "disable": "is switched off",
}


def add_commands(actions: Any) -> None:
    """Add the commands of rings to the actions of `keys`."""
    init = actions.add_parser(
        "init", help="write the key rings of connections.yaml, and make their first keys"
    )
    add_file_options(init)
    every = actions.add_parser("list", help="list the keys of rings, and what happens next")
    every.add_argument("--json", action="store_true", help="print it for machines")
    staging = actions.add_parser("stage", help="make the next key of a ring now, and publish it")
    activating = actions.add_parser("activate", help="make the next key of a ring the active one now")
    confirming = actions.add_parser("confirm", help="say that the provider has a key that it had to be given")
    retiring = actions.add_parser("retire", help="accept a former key no longer, or give up a next one")
    for action, run in (
        (init, _init),
        (every, _list),
        (staging, _stage),
        (activating, _activate),
        (confirming, _confirm),
        (retiring, _retire),
    ):
        add_table_option(action)
        action.set_defaults(run=run, offline=True)
    for action in (init, staging):
        add_environment_option(action)
    for action in (staging, activating, confirming, retiring):
        action.add_argument("ring", metavar="RING")
    for action in (confirming, retiring):
        action.add_argument("kid", metavar="KID", help="the key; how its kid begins will do")
    for action in (activating, retiring):
        action.add_argument("--force", action="store_true", help="do it although sign-ins may fail")


def _init(options: argparse.Namespace) -> int:
    open_desk(options).prepare_rings()
    return 0


def _list(options: argparse.Namespace) -> int:
    services, deadline = _services(options), Deadline.after(BUDGET)
    used = {name: each.stored.name for name, each in users_of(services, deadline).items()}
    rings, unreadable = _every(services, deadline)
    now = services.clock()
    if options.json:
        listed = [_as_json(ring, used.get(ring.name)) for ring in rings]
        print(json.dumps({"rings": listed}, indent=2))
    else:
        for ring in rings:
            print("\n".join(_told(ring, used.get(ring.name), now)))
        if not rings and not unreadable:
            print("There is no key ring in the table: key_rings of connections.yaml declares them.")
    for failure in unreadable:
        print(f"fedbridge: {failure}", file=sys.stderr)
    return 1 if unreadable else 0


def _every(services: Rotation, deadline: Deadline) -> tuple[list[StoredRing], list[StoreError]]:
    """Return the rings of the table, and what is wrong with those that cannot be read."""
    rings: list[StoredRing] = []
    failures: list[StoreError] = []
    for name in services.rings.names(deadline):
        try:
            rings.append(read(services, name, deadline))
        except StoreError as failure:
            failures.append(failure)
    return rings, failures


def _stage(options: argparse.Namespace) -> int:
    if options.environment is None:
        raise ConfigurationError(NO_ENVIRONMENT)
    services, deadline = _services(options), Deadline.after(2 * RING_BUDGET)
    ring = read(services, options.ring, deadline)
    for line in _lost(ring):
        print(line)
    ring = stage(services, replace(ring, state=replace(ring.state, lost=())), deadline)
    key = ring.state.next or ring.state.keys[-1]
    print(f"{ring.name}: {key.kid} is {key.state} ({key.reference})")
    _published(services, ring, deadline)
    return 0


def _activate(options: argparse.Namespace) -> int:
    services, deadline = _services(options), Deadline.after(RING_BUDGET)
    ring = read(services, options.ring, deadline)
    key = ring.state.next
    if key is None:
        raise ConfigurationError(f"{ring.name}: has no next key: fedbridge keys stage makes one")
    if not options.force and (problem := _unready(ring.policy, key, services.clock())):
        raise ConfigurationError(f"{ring.name}: {key.kid}: {problem}; --force does it all the same")
    ring = move(services, ring, activated(ring.state, key.kid), deadline, step="activate", kid=key.kid)
    print(f"{ring.name}: {key.kid} is active")
    _published(services, ring, deadline)
    return 0


def _confirm(options: argparse.Namespace) -> int:
    services, deadline = _services(options), Deadline.after(RING_BUDGET)
    ring = read(services, options.ring, deadline)
    key = ring.state.key(options.kid)
    state = confirmed(ring.state, key.kid, services.clock())
    ring = services.rings.put(replace(ring, state=state), deadline)
    print(f"{ring.name}: {key.kid} is confirmed")
    _say_next(ring, services.clock())
    return 0


def _retire(options: argparse.Namespace) -> int:
    services, deadline = _services(options), Deadline.after(RING_BUDGET)
    ring = read(services, options.ring, deadline)
    key = ring.state.key(options.kid)
    state = removed(ring.state, key.kid)
    until = (key.retired_at or int(services.clock())) + ring.policy.retired_for
    if key.state == "retired" and services.clock() < until and not options.force:
        raise ConfigurationError(
            f"{ring.name}: {key.kid}: is accepted until {_time(until)}: sign-ins under way, or tokens of a provider that has"
            " not fetched the new key, would fail; --force does it all the same"
        )
    ring = move(services, ring, state, deadline, step="remove", kid=key.kid)
    print(f"{ring.name}: {key.kid} is accepted no longer")
    _published(services, ring, deadline)
    return 0


def _services(options: argparse.Namespace) -> Rotation:
    return rotation(options.table, getattr(options, "environment", None) or "", sdk_client, Quiet())


def _published(services: Rotation, ring: StoredRing, deadline: Deadline) -> None:
    """Publish the connection that the ring fills, and say so, or when that happens."""
    user = users_of(services, deadline).get(ring.name)
    if user is None:
        if ring.policy.use == "id-token":
            print(
                "  The scheduled function notes it as published in its next run, if the stack's IdTokenKeyRing names it."
            )
        else:
            print("  It fills no published connection yet: fedbridge connections apply")
        _say_next(ring, services.clock())
        return
    rings = {name: read(services, name, deadline) for name in user.rings}
    if settle(services, user, rings, deadline):
        print(f"  {user.stored.name}: published")
        _say_next(rings[ring.name], services.clock())
    else:
        print(f"  {user.stored.name}: {_postponed(user)}")


def _postponed(user: Published) -> str:
    since = (user.stored.current.published_at or 0) + SPREAD
    return f"is published by the scheduled function after {_time(since)}: sign-ins of the version before are under way"


def _unready(policy: KeyRing, key: RingKey, now: float) -> str | None:
    """Return why making the next key active now could fail sign-ins, None where it could not."""
    ready = ready_at(policy, key)
    if ready is not None and ready <= now:
        return None
    if key.published_at is None:
        return "is not published yet: nobody could verify or use it"
    if ready is None:
        return "is not confirmed: a provider that was not given it refuses every sign-in (fedbridge keys confirm)"
    return (
        f"is published since {_time(key.published_at)}: whoever fetched the keys before that may know nothing of it"
        f" until {_time(ready)}, and would refuse sign-ins"
    )


def _told(ring: StoredRing, user: str | None, now: float) -> Iterator[str]:
    fills = (
        f"fills {user}" if user else "signs ID tokens" if ring.policy.use == "id-token" else "fills nothing"
    )
    yield f"{ring.name}: {ring.policy.use}, {ring.policy.kind}, {fills}"
    steps = {} if fills == "fills nothing" else _by_key(ring.policy, ring.state)
    for key in ring.state.keys:
        said = f": {_WORDS[steps[key.kid].action]}{_when(steps[key.kid].at, now)}" if key.kid in steps else ""
        yield f"  {key.kid}  {key.state}{_since(key, now)}{_ends(key, now)}{said}"
    if None in steps:
        yield f"  next: {_WORDS['stage']}{_when(steps[None].at, now)}"
    yield from _lost(ring)


def _lost(ring: StoredRing) -> Iterator[str]:
    """Yield where keys may be that the ring does not know; making another by hand takes them off the list."""
    for serial in ring.state.lost:
        yield f"  lost: the key tagged fedbridge:ring={ring.name} and fedbridge:serial={serial}, if there is one"


def _say_next(ring: StoredRing, now: float) -> None:
    step = upcoming(ring.policy, ring.state)[0]
    print(f"  next: {f'{step.kid} ' if step.kid else ''}{_WORDS[step.action]}{_when(step.at, now)}")


def _by_key(policy: KeyRing, state: RingState) -> dict[str | None, Step]:
    return {step.kid: step for step in reversed(upcoming(policy, state))}


def _as_json(ring: StoredRing, user: str | None) -> dict[str, Any]:
    steps = upcoming(ring.policy, ring.state)
    return {
        "name": ring.name,
        "use": ring.policy.use,
        "kind": ring.policy.kind,
        "connection": user,
        "confirmation": "required" if ring.policy.needs_confirmation else "automatic",
        "keys": [
            {field: getattr(key, field) for field in key.__dataclass_fields__} for key in ring.state.keys
        ],
        "next": [{"action": step.action, "at": step.at, "kid": step.kid} for step in steps],
        "lost": list(ring.state.lost),
    }


def _since(key: RingKey, now: float) -> str:
    times = {
        "next": key.published_at,
        "active": key.activated_at,
        "retired": key.retired_at,
        "removed": key.removed_at,
    }
    since = times[key.state]
    return "" if since is None else f" for {_days(now - since)}"


def _ends(key: RingKey, now: float) -> str:
    return "" if key.not_after is None else f", certificate for {_days(key.not_after - now)} more"


def _when(at: int, now: float) -> str:
    return "" if at <= now else f" on {_time(at)}"


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


def _days(seconds: float) -> str:
    return f"{seconds / DAY:.1f} days"
