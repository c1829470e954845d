"""The facts of all OpenID Connect presets; GitHub's are in its own test."""

from tests.presets import government, health_and_brokers, workforce_and_consumer

ALL = (*government.FACTS, *health_and_brokers.FACTS, *workforce_and_consumer.FACTS)
