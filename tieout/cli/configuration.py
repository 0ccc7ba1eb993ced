"""`tieout validate`: is the configuration right, and what may it say?"""

from __future__ import annotations

import json

import click

from tieout.cli.common import Places, examples, located, write
from tieout.config import json_schema
from tieout.render.layout import count_of
from tieout.settings import Settings
from tieout.validation import validated


@click.command(epilog=examples("tieout validate", "tieout validate --schema > tieout.schema.json"))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of tieout.yaml, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as one JSON object.")
@located
def validate(places: Places, schema: bool, as_json: bool) -> None:
    """Check the configuration.

    Every problem is named with its file, its line and what is allowed there; the exit code is 2
    when there is one. Nothing is read but the configuration and the formats.
    """
    if schema:
        write(json.dumps(json_schema(), indent=2) + "\n", None)
        return
    settings = validated(places.config)
    if as_json:
        write(json.dumps(_summary(places, settings), indent=2) + "\n", None)
        return
    passes = sum(len(r.passes) for r in settings.reconciliations.values())
    click.echo(
        f"{places.config} is valid: {settings.company},"
        f" {len(settings.entities)} {'entity' if len(settings.entities) == 1 else 'entities'},"
        f" {count_of(len(settings.feeds), 'feed')},"
        f" {count_of(len(settings.reconciliations), 'reconciliation')},"
        f" {passes} {'pass' if passes == 1 else 'passes'}."
    )


def _summary(places: Places, settings: Settings) -> dict[str, object]:
    return {
        "config": str(places.config),
        "valid": True,
        "company": settings.company,
        "entities": list(settings.entities),
        "feeds": {name: feed.format for name, feed in settings.feeds.items()},
        "reconciliations": {
            name: list(one.chain) if one.chain else [rule.name for rule in one.passes]
            for name, one in settings.reconciliations.items()
        },
    }
