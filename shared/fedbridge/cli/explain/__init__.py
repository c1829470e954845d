"""`fedbridge explain`: from the reference that a user reads off the screen to the story of that sign-in, and its cause."""

from fedbridge.cli.explain.command import add_command
from fedbridge.cli.explain.records import parse_records
from fedbridge.cli.explain.story import Failure, Step, Story
from fedbridge.cli.explain.telling import explain, recent_failures

__all__ = ["Failure", "Step", "Story", "add_command", "explain", "parse_records", "recent_failures"]
