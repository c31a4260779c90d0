"""What alembic runs for each migration: use the connection and transaction that storage.database.migrate holds."""

from alembic import context

from storage.tables.business import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
