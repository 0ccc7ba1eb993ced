"""The register's schema, step by step (Alembic); run by tieout.register.database."""
