"""Alembic migrations of the business database, run by storage.migrate. Released steps are never changed, only added."""
