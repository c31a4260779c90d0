"""Tables of the actor organisation."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    pass
