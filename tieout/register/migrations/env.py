"""How Alembic runs a step: on the connection it is handed, inside that connection's transaction."""

from __future__ import annotations

from alembic import context

from tieout.register.database import REVISION_TABLE
from tieout.register.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=False,
    version_table=REVISION_TABLE,
)
context.run_migrations()
