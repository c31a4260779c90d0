"""The actors of the business: one file of rules each. They meet on the event log and nowhere else.

A new one is its file, a row here, its events (core/events/), its tables (storage/tables/). See docs/business.md.
"""

from typing import Final

from actors.business.audit import AUDIT
from actors.business.consent import CONSENT
from actors.business.garage import GARAGE
from actors.business.identity import IDENTITY
from actors.business.incident import INCIDENT
from actors.business.organisation import ORGANISATION
from core.business import SPINE, BusinessActor

BUSINESS: Final[tuple[BusinessActor, ...]] = (SPINE, ORGANISATION, IDENTITY, GARAGE, CONSENT, AUDIT, INCIDENT)
"""In the order in which they hear an event."""
