"""Everything Dagster is told, made from the configuration: a feed needs no Python of its own.

The configuration is $TIEOUT_CONFIG or ./tieout.yaml, the home folder $TIEOUT_HOME or ./.tieout.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import dagster as dg

from assets.expectations import expectations, has_expectations
from assets.extracts import extracts
from assets.lines import lines
from assets.matches import matches
from assets.report import completeness_report
from assets.resources import WorkplaceResource
from assets.statements import statements
from checks.extracts import extract_checks
from checks.lines import line_checks
from checks.matches import match_checks
from checks.statements import statement_checks
from pipelines.jobs import jobs
from pipelines.schedules import schedules
from pipelines.sensors import sensors
from tieout.config import load
from tieout.formats.catalogue import format_of
from tieout.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """The entry point for Dagster; the configuration is read when Dagster asks, not on import."""
    return build_definitions(workplace_from_environment())


def workplace_from_environment() -> WorkplaceResource:
    """The configuration file and the home folder that the environment names."""
    config = Path(os.environ.get("TIEOUT_CONFIG", "tieout.yaml"))
    home = Path(os.environ.get("TIEOUT_HOME", ".tieout"))
    return WorkplaceResource(config=str(config.absolute()), home=str(home.absolute()))


def build_definitions(
    workplace_resource: WorkplaceResource, *, settings: Settings | None = None
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of a configuration.

    `settings` is what the resource's configuration file says, where that has been read already.
    Raises ConfigurationError.
    """
    settings = settings or load(workplace_resource.config)
    made = jobs(settings)
    with warnings.catch_warnings():
        # Backfill policies and partitioned checks, which Dagster calls beta and preview: the
        # version is pinned, and the tests run both.
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return dg.Definitions(
            assets=_assets(settings),
            asset_checks=_checks(settings),
            jobs=made,
            schedules=schedules(settings, workplace_resource),
            sensors=sensors(settings, workplace_resource, made),
            resources={"workplace": workplace_resource},
        )


def _assets(settings: Settings) -> list[dg.AssetsDefinition]:
    made = [extracts(feed, settings) for feed in settings.feeds]
    made += [lines(feed, format_of(settings, feed).kind, settings) for feed in settings.feeds]
    made += [matches(name, settings) for name in settings.reconciliations]
    made += [statements(name, settings) for name in settings.reconciliations]
    if has_expectations(settings):
        made.append(expectations(settings))
    return [*made, completeness_report(settings)]


def _checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    made = [extract_checks(feed, settings) for feed in settings.feeds]
    made += [line_checks(feed, format_of(settings, feed).kind, settings) for feed in settings.feeds]
    made += [match_checks(name, settings) for name in settings.reconciliations]
    return [*made, *(statement_checks(name, settings) for name in settings.reconciliations)]
