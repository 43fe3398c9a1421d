"""The Project and the Sale of each company."""

from functools import lru_cache

import orjson

from gateway.demo.companies import Company
from gateway.demo.dice import dice
from gateway.demo.people import Agent, buyer
from gateway.demo.rights import field_properties, table_right
from gateway.demo.wire import UNSET, ListText, Record, Wire

_DAY_S = 86_400
_NEW_YEAR_2026 = 1_767_225_600

_PROJECT_TYPES: tuple[ListText, ...] = (
    ("Innføring", "Rollout", "Einführung"),
    ("Vedlikehold", "Maintenance", "Wartung"),
    ("Messe", "Trade fair", "Messe"),
)
_PROJECT_STATUSES: tuple[ListText, ...] = (
    ("Pågår", "In progress", "In Bearbeitung"),
    ("På vent", "On hold", "Angehalten"),
    ("Fullført", "Completed", "Abgeschlossen"),
)
_SALE_TYPES: tuple[ListText, ...] = (
    ("Nysalg", "New business", "Neugeschäft"),
    ("Mersalg", "Upsell", "Zusatzverkauf"),
)
_SALE_STATES = (
    ("Open", "NotStarted"),
    ("Open", "Started"),
    ("Sold", "Completed"),
    ("Lost", "Completed"),
    ("Stalled", "Started"),
)
_CURRENCIES = {"NO": "NOK", "DE": "EUR", "GB": "GBP", "JP": "JPY"}


def project_id(company: Company) -> int:
    """The key of a company's project."""
    return 300 + company.number


def project_name(company: Company) -> str:
    """The name of a company's project."""
    return f"{company.name.split()[0]}: onboarding 2026"


def sale_id(company: Company) -> int:
    """The key of a company's sale."""
    return 4000 + company.number


def sale_title(company: Company) -> str:
    """The heading of a company's sale."""
    return f"{10 * company.number} Service Plus"


@lru_cache(maxsize=1024)
def project_record(seed: int, company: Company, owner: Agent, wire: Wire) -> orjson.Fragment:
    """Return the Project of a company, ready to be put into an answer."""
    rng = dice(seed, "project", company.number)
    start = _NEW_YEAR_2026 + rng.randrange(90) * _DAY_S
    number, is_published = company.number, company.number % 2 == 0
    record: Record = {
        "TableRight": table_right(number + 2, wire),
        "FieldProperties": field_properties("Project", number % 3 == 1, wire),
        "ProjectId": project_id(company),
        "Name": project_name(company),
        "Description": "Milepæler & ansvar: se vedlegg.\r\nFrist før sommeren ☀️",
        "URL": f"https://www.{company.domain}/projects?id={number}&view=all",
        "Type": wire.text(_PROJECT_TYPES[number % 3]),
        "AssociateId": owner.associate_id,
        "AssociateFullName": owner.full_name,
        "TypeId": number % 3 + 1,
        "Updated": wire.utc(start + rng.randrange(30 * _DAY_S), rng.randrange(10_000_000)),
        "StatusId": number % 3 + 1,
        "Status": wire.text(_PROJECT_STATUSES[number % 3]),
        "TextId": 0,
        "PublishTo": wire.forever() if is_published else UNSET,
        "PublishFrom": wire.date(start if is_published else None),
        "IsPublished": is_published,
        "URLName": None,
        "ProjectNumber": f"PR-{2600 + number}",
        "ActiveErpLinks": 0,
        "EventId": 0,
        "StartDate": wire.date(start),
    }
    return orjson.Fragment(orjson.dumps(record))


@lru_cache(maxsize=1024)
def sale_record(seed: int, company: Company, owner: Agent, wire: Wire) -> orjson.Fragment:
    """Return the Sale of a company, ready to be put into an answer."""
    number, person = company.number, buyer(seed, company)
    rng = dice(seed, "sale", number)
    amount = float(rng.randrange(20, 900) * 500)
    probability = rng.randrange(5, 100, 5)
    earning_percent = rng.choice([12.5, 30.0, 41.35])
    status, completed = _SALE_STATES[number % len(_SALE_STATES)]
    sold = _NEW_YEAR_2026 + rng.randrange(400) * _DAY_S
    record: Record = {
        "TableRight": table_right(number + 4, wire),
        "FieldProperties": field_properties("Sale", number % 3 == 2, wire),
        "ContactName": company.name,
        "SaleDate": wire.date(sold),
        "SaleId": sale_id(company),
        "Probability": probability,
        "Title": sale_title(company),
        "Amount": amount,
        "Currency": _CURRENCIES[company.country],
        "ProjectName": project_name(company),
        "AssociateFullName": owner.full_name,
        "Description": "",
        "Status": status,
        # Such products have binary noise: 1629.6799999999998.
        "WeightedAmount": amount * probability / 100,
        "ProjectId": project_id(company),
        "EarningPercent": earning_percent,
        "Earning": amount * (earning_percent / 100),
        "ContactId": company.contact_id,
        "AssociateId": owner.associate_id,
        "PersonId": person.person_id,
        "SaleTypeId": number % 2 + 1,
        "SaleTypeName": wire.text(_SALE_TYPES[number % 2]),
        "PersonFullName": person.full_name,
        "Completed": completed,
        "ActiveErpLinks": 0,
        "NextDueDate": wire.date(sold - 7 * _DAY_S if status == "Open" else None),
        "Number": f"S-{20_000 + number}",
    }
    return orjson.Fragment(orjson.dumps(record))
