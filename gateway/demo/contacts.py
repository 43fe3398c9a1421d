"""A company as SuperOffice writes it: the Contact, with its Address in three forms."""

from collections.abc import Iterator
from functools import lru_cache

import orjson

from gateway.demo.companies import CATEGORIES, COUNTRIES, Company
from gateway.demo.rights import field_properties, table_right
from gateway.demo.wire import ListText, Record, Wire

_BUSINESSES: tuple[ListText, ...] = (
    ("Varehandel", "Retail", "Einzelhandel"),
    ("Industri", "Manufacturing", "Industrie"),
    ("IT og telekom", "IT & telecom", "IT & Telekommunikation"),
    ("Transport", "Transport", "Verkehr"),
)

# The lines of an address, in the country's order; the first field of a line has a label.
_LINES: dict[str, tuple[tuple[str, str], ...]] = {
    "NO": (
        ("Address1", "SR_AL_ADDRESS1"),
        ("Address2", "SR_AL_ADDRESS2"),
        ("Zipcode City", "SR_AL_ZIPCITY"),
    ),
    "DE": (("Address1", "SR_AL_ADDRESS1"), ("Zipcode City", "SR_AL_ZIPCITY")),
    "GB": (
        ("Address1", "SR_AL_ADDRESS1"),
        ("Address2", "SR_AL_ADDRESS2"),
        ("City", "SR_AL_CITY"),
        ("County Zipcode", "SR_AL_COUNTYPCODE"),
    ),
    "JP": (
        ("Zipcode", "SR_AL_ZIPCITY"),
        ("State City", "SR_AL_STATECITY"),
        ("Address1", "SR_AL_ADDRESS1"),
    ),
}


@lru_cache(maxsize=1024)
def contact_record(company: Company, owner_id: int, owner: str, wire: Wire) -> orjson.Fragment:
    """Return the Contact of a company, ready to be put into an answer."""
    country_id, country = COUNTRIES[company.country]
    address = None if company.number % 7 == 0 else _address(company, wire)
    record: Record = {
        "TableRight": table_right(company.number, wire),
        "FieldProperties": field_properties("Contact", company.number % 3 == 0, wire),
        "ContactId": company.contact_id,
        "Name": company.name,
        "OrgNr": company.org_nr,
        "Department": company.department,
        "URL": f"www.{company.domain}",
        "City": company.city,
        "DirectPhone": company.phone,
        "AssociateId": owner_id,
        "CountryId": country_id,
        "EmailAddress": f"post@{company.domain}",
        "Kananame": company.kana,
        "EmailAddressName": None,
        "URLName": None,
        "AssociateFullName": owner,
        "BusinessName": wire.text(_BUSINESSES[company.number % len(_BUSINESSES)]),
        "CategoryName": wire.text(CATEGORIES[company.number % len(CATEGORIES)]),
        "CountryName": country,
        "Address": address,
        "FormattedAddress": "\n".join(_lines(company)),
        "FullName": company.full_name,
        "IsOwnerContact": False,
        "ActiveErpLinks": company.number % 2,
        "Number1": f"K-{10000 + company.number}",
        "Number2": "",
    }
    return orjson.Fragment(orjson.dumps(record))


def _address(company: Company, wire: Wire) -> Record:
    formatted = "".join(f"{line}\n" for line in _lines(company))
    is_japanese = company.country == "JP"
    return {
        "TableRight": table_right(company.number, wire) if is_japanese else None,
        "FieldProperties": {},
        "Wgs84Latitude": company.latitude,
        "Wgs84Longitude": company.longitude,
        "LocalizedAddress": [
            *_localized(company, "Postal", wire),
            *([] if is_japanese else _localized(company, "Street", wire)),
        ],
        "Street": None if is_japanese else _structured(company, "ContactStreetAddress", formatted),
        "Postal": _structured(company, "ContactPostalAddress", formatted),
        "Formatted": formatted if is_japanese else formatted * 2,
    }


def _part(company: Company, name: str) -> str:
    values = {"Address1": company.street, "Zipcode": company.zipcode, "City": company.city}
    return values.get(name, company.region if name in {"County", "State"} else "")


def _lines(company: Company) -> Iterator[str]:
    for names, _ in _LINES[company.country]:
        if line := " ".join(_part(company, name) for name in names.split()).strip():
            yield line


def _localized(company: Company, prefix: str, wire: Wire) -> list[list[Record]]:
    return [
        [
            {
                "TableRight": table_right(company.number, wire) if name == "City" else None,
                "FieldProperties": _localized_rights(name, wire),
                "Name": f"{prefix}{name}",
                "Value": _part(company, name),
                "Tooltip": "",
                "Label": wire.label(label) if place == 0 else "",
                "ValueLength": 80 if name == "Address1" else 30,
                "AddressType": f"Contact{prefix}Address",
            }
            for place, name in enumerate(names.split())
        ]
        for names, label in _LINES[company.country]
    ]


def _localized_rights(name: str, wire: Wire) -> object:
    if name == "City":
        return field_properties("LocalizedField", False, wire)
    return None if name == "Zipcode" else {}


def _structured(company: Company, kind: str, formatted: str) -> Record:
    return {
        "AtypeIdx": kind,
        "Address1": company.street,
        "Address2": "",
        "Address3": None,
        "City": company.city,
        "County": company.region if company.country == "GB" else "",
        "State": company.region if company.country == "JP" else "",
        "Zipcode": company.zipcode,
        "Formatted": formatted,
    }
