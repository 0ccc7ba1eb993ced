"""The workplace as a Dagster resource: opened once a run, closed when the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._config.pythonic_config import ConfigurableResourceFactory

from tieout.errors import TieoutError
from tieout.workplace import Workplace

OpenWorkplace = dg.ResourceParam[Workplace]
"""How an asset or a check asks for the open workplace."""


class WorkplaceResource(ConfigurableResourceFactory[Workplace]):
    """Names the configuration file and the home folder; secrets stay in the environment."""

    config: str
    home: str

    def create_resource(self, context: dg.InitResourceContext | None = None) -> Workplace:
        """The workplace, open: whoever asks closes it."""
        with clear_failures():
            return Workplace.open(Path(self.config), Path(self.home))

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Workplace]:
        """The workplace, open for the steps of a run."""
        with self.create_resource(context) as workplace:
            yield workplace


@contextmanager
def clear_failures() -> Iterator[None]:
    """A problem that a person can act on fails the step in its own words, and is not retried."""
    try:
        yield
    except TieoutError as problem:
        raise dg.Failure(description=str(problem), allow_retries=False) from problem
