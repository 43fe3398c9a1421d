"""How SuperOffice writes dates and list texts, which depends on four request headers.

Without a language, list texts have all languages in one string, and system messages are resource
ids::

    NO:"Leverandør";US:"Supplier";GE:"Lieferant"        [SR_MANDATORY_FIELD_1281]
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

Record = dict[str, object]
"""One JSON object."""

ListText = tuple[str, str, str]
"""One list item in the languages of `LANGUAGES`, in that order."""

LANGUAGES = ("NO", "US", "GE")
UNSET = "0001-01-01T00:00:00"
_FOREVER = "9999-12-31T23:59:59.9999999"

_LANGUAGE_TAGS = {"no": 0, "nb": 0, "nn": 0, "us": 1, "en": 1, "uk": 1, "ge": 2, "de": 2}
_ENGLISH = 1

# SuperOffice has its own codes and numbers for zones; one number is published.
_ZONES = {
    "NO": "Europe/Oslo",
    "261": "Europe/Oslo",
    "DK": "Europe/Copenhagen",
    "SE": "Europe/Stockholm",
    "FI": "Europe/Helsinki",
    "DE": "Europe/Berlin",
    "NL": "Europe/Amsterdam",
    "CH": "Europe/Zurich",
    "FR": "Europe/Paris",
    "UK": "Europe/London",
    "JP": "Asia/Tokyo",
    "US-NY": "America/New_York",
    "US-CA": "America/Los_Angeles",
    "UTC": "UTC",
}
_BASE_ZONE = "NO"

_RESOURCES: dict[str, ListText] = {
    "SR_MANDATORY_FIELD_1281": (
        "Feltet må fylles ut",
        "This field is mandatory",
        "Dieses Feld muss ausgefüllt werden",
    ),
    "SR_FIELD_READONLY_ROLE_1290": (
        "Rollen din gir bare lesetilgang",
        "Your role gives read access only",
        "Ihre Rolle erlaubt nur Lesezugriff",
    ),
    "SR_TABLE_NOT_OWNER_1302": (
        "Du eier ikke denne posten",
        "You do not own this record",
        "Dieser Datensatz gehört Ihnen nicht",
    ),
    "SR_AL_ADDRESS1": ("Adresse", "Address", "Adresse"),
    "SR_AL_ADDRESS2": ("Adresse 2", "Address 2", "Adresszusatz"),
    "SR_AL_ZIPCITY": ("Postnr./sted", "Postcode/City", "PLZ/Ort"),
    "SR_AL_CITY": ("Sted", "City", "Ort"),
    "SR_AL_COUNTYPCODE": ("Fylke/postnr.", "County/Postcode", "Kreis/PLZ"),
    "SR_AL_STATECITY": ("Prefektur/by", "Prefecture/City", "Präfektur/Stadt"),
}


@dataclass(frozen=True, slots=True)
class Wire:
    """The format a caller has requested: language (an index, None = all), zone, UTC offset."""

    language: int | None = None
    zone: str = _BASE_ZONE
    has_offset: bool = False

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> "Wire":
        """Read `SO-Language`, `Accept-Language` and `SO-TimeZone`; an invalid value is ignored."""
        zone, _, option = headers.get("so-timezone", "").partition(",")
        zone = zone.strip().upper()
        return cls(
            language=_language(headers.get("so-language"), headers.get("accept-language", "")),
            zone=zone if zone in _ZONES else _BASE_ZONE,
            has_offset=option.strip().lower() == "includetzoffset",
        )

    def text(self, item: ListText) -> str:
        """Write a list item: `Supplier`, or all languages if none was requested."""
        if self.language is not None:
            return item[self.language]
        return ";".join(f'{code}:"{text}"' for code, text in zip(LANGUAGES, item, strict=True))

    def label(self, resource: str) -> str:
        """Write a label: `Postcode/City`, or `SR_AL_ZIPCITY`."""
        return resource if self.language is None else _RESOURCES[resource][self.language]

    def reason(self, resource: str) -> str:
        """Write a reason: `This field is mandatory`, or `[SR_MANDATORY_FIELD_1281]`."""
        return f"[{resource}]" if self.language is None else self.label(resource)

    def date(self, seconds: int | None, ticks: int = 0) -> str:
        """Write an instant as wall time: `2026-11-23T17:46:13.25+0100`, None as the unset date.

        Args:
            seconds: since 1970, UTC.
            ticks: of 100 ns, 0 to 9,999,999; written without trailing zeros.
        """
        return UNSET if seconds is None else self._date(seconds, ticks, _zone(self.zone))

    def forever(self) -> str:
        """Write .NET's latest time, which means that a publication never ends."""
        return f"{_FOREVER}+0000" if self.has_offset else _FOREVER

    def utc(self, seconds: int, ticks: int = 0) -> str:
        """Write a created or updated stamp, which is in UTC whatever zone was requested."""
        return self._date(seconds, ticks, UTC)

    def _date(self, seconds: int, ticks: int, zone: tzinfo) -> str:
        local = datetime.fromtimestamp(seconds, zone)
        written = local.isoformat()[:19]
        if ticks:
            written += f".{ticks:07d}".rstrip("0")
        return written + local.strftime("%z") if self.has_offset else written


def _zone(code: str) -> ZoneInfo:
    return ZoneInfo(_ZONES[code])  # cached by ZoneInfo


def _language(so_language: str | None, accept_language: str) -> int | None:
    """Prefer SO-Language, which can switch translation off; an unknown language gets English."""
    if so_language is not None:
        tag = so_language.strip()
        return None if tag in {"*", "x", "X", ""} else _LANGUAGE_TAGS.get(_primary(tag), _ENGLISH)
    if not accept_language.strip():
        return None
    tags = sorted(accept_language.split(","), key=_quality, reverse=True)
    known = (_LANGUAGE_TAGS[_primary(tag)] for tag in tags if _primary(tag) in _LANGUAGE_TAGS)
    return next(known, _ENGLISH)


def _primary(tag: str) -> str:
    return tag.partition(";")[0].strip().lower().partition("-")[0]


def _quality(tag: str) -> float:
    try:
        return float(tag.partition("q=")[2] or 1)
    except ValueError:
        return 0.0
