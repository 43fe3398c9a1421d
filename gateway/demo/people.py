"""The people of the demo tenant: agents (Associate) and customers (Person)."""

from dataclasses import dataclass
from functools import lru_cache

import orjson

from gateway.demo.companies import CATEGORIES, COMPANIES, COUNTRIES, Company
from gateway.demo.dice import dice
from gateway.demo.rights import field_properties, table_right
from gateway.demo.users import DEMO_USERS
from gateway.demo.wire import ListText, Record, Wire

CUSTOMERS_PER_COMPANY = 5

# Given and family names; the Japanese ones with their reading, kana and Latin.
_NAMES: dict[str, tuple[str, str]] = {
    "NO": (
        "Ingrid Bjørn Silje Håkon Åse Øyvind Marit Torstein",
        "Hansen Bakke Sørensen Ødegård Lie Nygård Haugen Strøm",
    ),
    "DE": (
        "Jürgen Anja Lukas Käthe Björn Sabine Günther Heike",
        "Schäfer Weiß Krüger Hoffmann Köhler Vogel Groß Lehmann",
    ),
    "GB": (
        "Oliver Amelia Harry Siobhán Isla Graham Zoë Callum",
        "Hughes O'Brien Patel Whitfield Fraser Davies Okafor Bennett",
    ),
    "JP": (
        "健/ケン/Ken 美咲/ミサキ/Misaki 翔太/ショウタ/Shota 陽子/ヨウコ/Yoko",
        "佐藤/サトウ/Sato 鈴木/スズキ/Suzuki 高橋/タカハシ/Takahashi 渡辺/ワタナベ/Watanabe",
    ),
}
_LATIN = str.maketrans(
    {"æ": "ae", "ø": "o", "å": "a", "ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "á": "a", "ë": "e"}
    | {"'": ""}
)
_POSITIONS: tuple[ListText, ...] = (
    ("Daglig leder", "Managing director", "Geschäftsführung"),
    ("Innkjøper", "Buyer", "Einkauf"),
    ("IT-ansvarlig", "IT manager", "IT-Leitung"),
    ("Regnskap", "Accounting", "Buchhaltung"),
)


@dataclass(frozen=True, slots=True)
class Agent:
    """Someone who answers chats."""

    associate_id: int
    ej_user_id: int
    login: str
    full_name: str

    @property
    def first_name(self) -> str:
        """What the agent signs a chat with."""
        return self.full_name.partition(" ")[0]


AGENTS = (
    *(Agent(u.associate_id, u.ej_user_id, u.login, u.full_name) for u in DEMO_USERS),
    Agent(104, 14, "SOLV", "Sølvi Aas-Lund"),
    Agent(105, 15, "YUKI", "Yuki 田中"),
    Agent(106, 16, "PAT", "Patrick O'Shea"),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer; in Japan, `kana` is the reading of given and family name."""

    number: int
    company: Company
    first: str
    last: str
    kana: tuple[str, str]
    email: str

    @property
    def full_name(self) -> str:
        """Given and family name in the order of the country."""
        parts = (self.first, self.last)
        return " ".join(reversed(parts) if self.company.country == "JP" else parts)

    @property
    def person_id(self) -> int:
        """The person's key."""
        return 7000 + self.number

    @property
    def mobile(self) -> str:
        """An unassigned number in the country's format."""
        return f"{self.company.phone[:3]} 900 00 {self.number:03d}"


@lru_cache(maxsize=1024)
def customer(seed: int, number: int) -> Customer:
    """Return one of the tenant's customers; numbers wrap around."""
    number %= len(COMPANIES) * CUSTOMERS_PER_COMPANY
    company = COMPANIES[number // CUSTOMERS_PER_COMPANY]
    rng = dice(seed, "customer", number)
    firsts, lasts = _NAMES[company.country]
    first, first_kana, first_latin = _spellings(rng.choice(firsts.split()))
    last, last_kana, last_latin = _spellings(rng.choice(lasts.split()))
    email = f"{first_latin}.{last_latin}@{company.domain}".lower().translate(_LATIN)
    return Customer(number, company, first, last, (first_kana, last_kana), email)


def buyer(seed: int, company: Company) -> Customer:
    """Return the contact person of a company's sale."""
    return customer(seed, (company.number - 1) * CUSTOMERS_PER_COMPANY)


def _spellings(name: str) -> tuple[str, str, str]:
    if "/" not in name:
        return name, "", name
    written, kana, latin = name.split("/")
    return written, kana, latin


@lru_cache(maxsize=512)
def associate_record(agent: Agent | None, wire: Wire) -> orjson.Fragment:
    """Return the Associate of an agent; or the blank object that stands for none."""
    some = agent or Agent(0, 0, "", "")
    number = some.associate_id
    first, _, last = some.full_name.partition(" ")
    has_custom_fields = number % 2 == 1
    record: Record = {
        "TableRight": table_right(number, wire) if agent else None,
        "FieldProperties": field_properties("Associate", False, wire) if has_custom_fields else {},
        "AssociateId": number,
        "Name": some.login.upper(),
        "PersonId": number + 400 if agent else 0,
        "Rank": number % 100,
        "Tooltip": f"{some.full_name}, Service" if agent else "",
        "Type": "InternalAssociate" if agent else "Unknown",
        "GroupIdx": 3 if agent else 0,
        "FullName": some.full_name,
        "FormalName": f"{last}, {first}" if agent else "",
        "Deleted": False,
        "EjUserId": some.ej_user_id,
        "UserName": f"{some.login.lower()}@demo.example" if has_custom_fields else None,
        "ExtraFields": _custom_fields(number) if has_custom_fields else None,
        "CustomFields": _custom_fields(number) if has_custom_fields else None,
    }
    return orjson.Fragment(orjson.dumps(record))


def _custom_fields(number: int) -> dict[str, str]:
    """Values are encoded with their type; a list item has its text in a sibling."""
    return {
        "SuperOffice:1": f"[I:{number % 20}]",
        "SuperOffice:1:DisplayText": "2. linje",
        "SuperOffice:2": "[D:06/01/2024 00:00:00.0000000]",
        "x_shift": "Dag/Tag/Day",
    }


@lru_cache(maxsize=1024)
def person_record(person: Customer, owner: Agent, wire: Wire) -> orjson.Fragment:
    """Return the Person of a customer, ready to be put into an answer."""
    company, number = person.company, person.number
    country_id = COUNTRIES[company.country][0]
    is_japanese = company.country == "JP"
    record: Record = {
        "TableRight": table_right(number, wire),
        "FieldProperties": field_properties("Person", number % 3 == 0, wire),
        "Position": wire.text(_POSITIONS[number % len(_POSITIONS)]),
        "PersonId": person.person_id,
        "Mrmrs": ("", "Mr", "Ms", "Dr.")[number % 4],
        "Firstname": person.first,
        "Lastname": person.last,
        "MiddleName": "",
        "Title": "",
        "Description": "Ringes helst før lunsj ☎️" if number % 4 == 0 else "",
        "Email": person.email,
        "FullName": person.full_name,
        "DirectPhone": company.phone,
        "FormalName": f"{person.last}, {person.first}",
        "CountryId": country_id,
        "ContactId": company.contact_id,
        "ContactName": company.name,
        "Retired": int(number % 17 == 0),
        "Rank": number % 5 + 1,
        "ActiveInterests": number % 3,
        "ContactDepartment": company.department,
        "ContactCountryId": country_id,
        "ContactOrgNr": company.org_nr,
        "FaxPhone": "",
        "MobilePhone": person.mobile,
        "ContactPhone": company.phone,
        "AssociateName": owner.login.upper(),
        "AssociateId": owner.associate_id,
        "UsePersonAddress": False,
        "ContactFax": "",
        "Kanafname": person.kana[0],
        "Kanalname": person.kana[1],
        "Post1": company.zipcode if is_japanese else None,
        "Post2": company.region if is_japanese else None,
        "Post3": None,
        "EmailName": None,
        "ContactFullName": company.full_name,
        "ActiveErpLinks": 0,
        "TicketPriorityId": number % 3,
        "SupportLanguageId": list(COUNTRIES).index(company.country) + 1,
        "SupportAssociateId": owner.associate_id if number % 2 else 0,
        "CategoryName": wire.text(CATEGORIES[number % len(CATEGORIES)]),
        "PersonNumber": f"P-{number:05d}",
    }
    return orjson.Fragment(orjson.dumps(record))
