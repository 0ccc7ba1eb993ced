"""The console script `tieout`: the domain's commands, and those that run the pipeline.

Each command is loaded when it is called, so that `tieout --help` answers at once and a statement is
printed without Dagster.
"""

from __future__ import annotations

import click

from tieout.cli.group import Commands, Lazy, short_unexpected_errors

COMMANDS = {
    "validate": Lazy("tieout.cli.configuration:validate", "Check the configuration."),
    "inspect": Lazy("tieout.cli.inspect:inspect", "Say what an extract is and how it reads."),
    "run": Lazy("pipelines.run_command:run", "Take in, reconcile and state a range of days."),
    "backfill": Lazy(
        "pipelines.backfill_command:backfill",
        "A long range of days, going on where it was cut off.",
    ),
    "statement": Lazy("tieout.cli.statements:statement", "Print completeness statements."),
    "breaks": Lazy("tieout.cli.statements:breaks", "List breaks with their explanations."),
    "diff": Lazy("tieout.cli.diff:diff", "Say what changed in a statement since, and why."),
    "line": Lazy("tieout.cli.lines:line", "Show everything known of a line, payment or batch."),
    "trace": Lazy("tieout.cli.trace:trace", "Where an invoice or payment is, across systems."),
    "explain": Lazy("tieout.cli.explain:explain", "Explain a difference to zero, step by step."),
    "rollforward": Lazy(
        "tieout.cli.rollforward:rollforward", "Open items by class, from opening to closing."
    ),
    "restatement": Lazy(
        "tieout.cli.restatement:restatement", "What came of a month since it was signed."
    ),
    "close": Lazy("tieout.cli.close:close", "Prepare, approve, lock and reopen months."),
    "verify": Lazy("tieout.cli.audit:verify_", "That nothing is other than it was recorded."),
    "audit": Lazy("tieout.cli.audit:audit", "The audit chain, and an archive for an auditor."),
    "prune": Lazy("tieout.cli.prune:prune", "Take away versions that were replaced long ago."),
    "journals": Lazy("tieout.cli.journals:journals", "Propose journals that correct the ledger."),
    "decide": Lazy("tieout.cli.decide:decide", "What a person decides about lines."),
    "intake": Lazy("tieout.cli.intake:intake", "Take events in that senders post."),
    "events": Lazy("tieout.cli.events:events", "The inbox, and what waits in its dead letters."),
    "live": Lazy("tieout.cli.live:live", "What the senders told, and what is awaited."),
    "alerts": Lazy("tieout.cli.alerts:alerts", "What waits for a person, and who is told."),
    "quarantine": Lazy("tieout.cli.quarantine:quarantine", "Rows refused by validation."),
    "formats": Lazy("tieout.cli.formats:formats", "The formats of extracts that can be read."),
    "sample": Lazy("tieout.cli.sample:sample", "Make the extracts of a sample company."),
    "demo": Lazy("pipelines.demo:demo", "A month of the sample company, end to end."),
    "dev": Lazy("pipelines.dev_command:dev", "Open the Dagster UI on this machine."),
}


@click.group(
    cls=Commands,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="tieout")
def tieout() -> None:
    """Prove that every settlement, usage record and invoice line landed in the ledger.

    Exit codes: 0 done, 1 failed, 2 bad configuration or command line, 3 breaks found (where
    --fail-on-breaks was given).
    """


def main() -> None:
    """Run the command line."""
    short_unexpected_errors()
    tieout(prog_name="tieout")
