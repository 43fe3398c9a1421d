"""The companies that are customers of the demo tenant, and what classifies them."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.demo.wire import ListText

COUNTRIES = {
    "NO": (578, "Norway"),
    "DE": (276, "Germany"),
    "GB": (826, "United Kingdom"),
    "JP": (392, "Japan"),
}
"""Id and name; the name is in the language of SuperOffice's installation, for all users."""

CATEGORIES: tuple[ListText, ...] = (
    ("Kunde", "Customer", "Kunde"),
    ("Leverandør", "Supplier", "Lieferant"),
    ("VIP-kunde", "VIP customer", "VIP-Kunde"),
    ("Prospekt", "Prospect", "Interessent"),
)


@dataclass(frozen=True, slots=True)
class Company:
    """A customer company; `region` is a British county or a Japanese prefecture."""

    number: int
    country: str
    name: str
    domain: str
    org_nr: str
    phone: str
    street: str
    zipcode: str
    city: str
    region: str
    latitude: float
    longitude: float
    department: str
    kana: str

    @property
    def contact_id(self) -> int:
        """The company's key."""
        return 2000 + self.number

    @property
    def full_name(self) -> str:
        """Name and department, as lists show it."""
        return f"{self.name} ({self.department})" if self.department else self.name


# Two lines each. The domains end in .example, and the numbers are from unassigned blocks.
_TABLE = """
NO | Fjordbris Energi AS |  |  | fjordbris.example | 999 000 101
     +47 00 00 01 01 | Strandgaten 14 | 5013 | Bergen |  | 60.3951 | 5.3221
NO | Nordlys & Sønner AS | Kundesenter |  | nordlys.example | 999 000 102
     +47 00 00 01 02 | Storgata 92 | 9008 | Tromsø |  | 69.6501 | 18.9561
NO | Brødrene Ødegård Møbler |  |  | odegard.example | 999 000 103
     +47 00 00 01 03 | Kirkegata 5 | 2609 | Lillehammer |  | 0.0 | 0.0
NO | Havbruk Vest AS |  |  | havbruk.example | 999 000 104
     +47 00 00 01 04 | Skansekaia 3B | 6002 | Ålesund |  | 62.4722 | 6.1549
DE | Müller & Söhne GmbH |  |  | mueller-soehne.example | HRB 000101
     +49 000 0000101 | Königsallee 27 | 40212 | Düsseldorf |  | 51.2217 | 6.7762
DE | Grüne Welle Logistik AG | Einkauf |  | gruenewelle.example | HRB 000102
     +49 000 0000102 | Große Elbstraße 68 | 22767 | Hamburg |  | 53.5447 | 9.9367
DE | Bäckerei Schöneberg KG |  |  | schoeneberg.example | HRA 000103
     +49 000 0000103 | Akazienstraße 9 | 10823 | Berlin |  | 0.0 | 0.0
DE | Weiß Präzisionstechnik GmbH |  |  | weiss-technik.example | HRB 000104
     +49 000 0000104 | Marktplatz 1 | 73033 | Göppingen |  | 48.7036 | 9.6521
GB | Pemberton & Hale Ltd |  |  | pemberton-hale.example | 00000101
     +44 20 7946 0101 | 12 Buckingham Street | MK9 2AE | Milton Keynes | Bucks | 52.0406 | -0.7594
GB | O'Connor Fine Foods | Wholesale |  | oconnor-foods.example | 00000102
     +44 20 7946 0102 | Unit 4, Quayside House | BS1 4QA | Bristol | Avon | 51.4492 | -2.5972
GB | Thistle Outdoor plc |  |  | thistle.example | SC000103
     +44 131 496 0103 | 88 Rose Street | EH2 3DT | Edinburgh | Midlothian | 0.0 | 0.0
JP | 株式会社さくら電機 | 営業部 | サクラデンキ | sakura-denki.example | 0000000000101
     +81 0 0000 0101 | 丸の内1-9-1 | 100-0005 | 千代田区 | 東京都 | 35.6812 | 139.7671
JP | 大阪精密工業株式会社 |  | オオサカセイミツコウギョウ | osaka-seimitsu.example | 0000000000102
     +81 0 0000 0102 | 梅田3-1-1 | 530-0001 | 大阪市北区 | 大阪府 | 34.7025 | 135.4959
JP | 京都茶舗合同会社 |  | キョウトチャホ | kyoto-chaho.example | 0000000000103
     +81 0 0000 0103 | 四条通烏丸東入2 | 600-8008 | 京都市下京区 | 京都府 | 0.0 | 0.0
"""


def _companies() -> Iterator[Company]:
    lines = _TABLE.strip().splitlines()
    for number, pair in enumerate(zip(lines[::2], lines[1::2], strict=True), start=1):
        *words, latitude, longitude = (cell.strip() for cell in " | ".join(pair).split("|"))
        country, name, department, kana, domain, org_nr, phone, *address = words
        street, zipcode, city, region = address
        yield Company(
            number=number,
            country=country,
            name=name,
            department=department,
            kana=kana,
            domain=domain,
            org_nr=org_nr,
            phone=phone,
            street=street,
            zipcode=zipcode,
            city=city,
            region=region,
            latitude=float(latitude),
            longitude=float(longitude),
        )


COMPANIES = tuple(_companies())
