"""The people of a chat: companies, the people in them, their addresses, and our own users."""

from gateway.schema.declare.entity import entity, entries, prop
from gateway.schema.declare.nodes import Node
from gateway.schema.entities.access import (
    LIST_TEXT,
    CustomField,
    ExtraField,
    Rights,
    WebAddress,
    erp_links,
)
from gateway.schema.entities.enums import AddressType, UserType


@entity("One field of an address, as a form in the address's own country would show it.")
class LocalizedField(Rights):
    name: str | None = prop("Which field it is, for example `PostalZipcode`. Not for display.")
    value: str | None = prop("The value of the field.")
    tooltip: str | None = prop("Help text for the field; may be empty.")
    label: str | None = prop(
        "Label to show before the field; empty if the field before it has the label for both. "
        "Without a language header it is a resource id such as `SR_AL_ADDRESS1`."
    )
    value_length: int | None = prop("The maximum length of the value, in characters.")
    address_type: str | None = prop(
        "Which address it belongs to: an address type such as `ContactPostalAddress`, as plain "
        "text."
    )


@entity("One address in its parts. Which of them are used depends on the country.")
class StructuredAddress:
    atype_idx: AddressType | None = prop("Address type: what it is used for.")
    address1: str | None = prop("First line, usually street and number.")
    address2: str | None = prop("Second line; often empty.")
    address3: str | None = prop("Third line; often empty.")
    city: str | None = prop("City or town.")
    county: str | None = prop("County, where addresses have one.")
    state: str | None = prop("State, where addresses have one.")
    zipcode: str | None = prop(
        "Postal code. Text, not a number: it can hold letters and leading zeros."
    )
    formatted: str | None = prop("The address ready to show, one line per `\\n`.")


@entity("A company's street and postal address, in parts and ready to show.")
class Address(Rights):
    wgs84_latitude: float | None = prop(
        "Degrees north, WGS84. 0.0 = not set: with `wgs84Longitude` 0.0 too, show no map."
    )
    wgs84_longitude: float | None = prop("Degrees east, WGS84. 0.0 = not set.")
    localized_address: list[list[LocalizedField]] | None = prop(
        "The address laid out for its country: a list of lines, each a list of fields. Their "
        "number and order differ between countries."
    )
    street: StructuredAddress | None = prop("The visiting address.")
    postal: StructuredAddress | None = prop("The mailing address.")
    formatted: str | None = prop(
        "Street and postal address as one text, one line per `\\n`, also at the end."
    )


@entity("A company or organisation; the people in it are `Person`s.", key="contact_id")
class Contact(Node, Rights, WebAddress):
    contact_id: int | None = prop("Primary key.")
    name: str | None = prop("The company's name, without the department.")
    org_nr: str | None = prop("Organisation or VAT number, as typed.")
    department: str | None = prop("Distinguishes records of one company; often empty.")
    city: str | None = prop("The city of its address.")
    direct_phone: str | None = prop("The company's phone number, as typed.")
    associate_id: int | None = prop("The `associateId` of our contact for the company.")
    country_id: int | None = prop("The country's id in SuperOffice; 0 = none.")
    email_address: str | None = prop("The company's e-mail address.")
    kananame: str | None = prop("The name in kana. Used in Japan only.")
    email_address_name: str | None = prop("Text to show instead of the e-mail address; often null.")
    associate_full_name: str | None = prop("The full name of our contact for the company.")
    business_name: str | None = prop(f"The line of business. {LIST_TEXT}")
    category_name: str | None = prop(f"The company's category, for example supplier. {LIST_TEXT}")
    country_name: str | None = prop(
        "The country's name, in the language that SuperOffice is installed in. To compare, use "
        "`countryId`."
    )
    address: Address | None = prop("Its street and postal address.")
    formatted_address: str | None = prop("The address as one text, one line per `\\n`.")
    full_name: str | None = prop("The company's whole name, for display.")
    is_owner_contact: bool | None = prop(
        "Whether it is one of our own companies. Persons there can be employees with a login, "
        "never external users."
    )
    active_erp_links: int | None = erp_links("company")
    number1: str | None = prop("A field for letters and digits. What it means is up to the tenant.")
    number2: str | None = prop("A second field like `number1`.")


@entity(
    "A person at a company, or a private customer. Every field that starts with `contact` is about "
    "the company.",
    key="person_id",
)
class Person(Node, Rights):
    position: str | None = prop(f"The role at the company. {LIST_TEXT} See also `title`.")
    person_id: int | None = prop("Primary key.")
    mrmrs: str | None = prop(
        "Salutation: what goes before the name in a letter, for example `Mrs`."
    )
    firstname: str | None = prop("Given name.")
    lastname: str | None = prop("Family name.")
    middle_name: str | None = prop("Middle name, or a particle such as `van`; often empty.")
    title: str | None = prop("Job title, in free text; `position` is the one from a list.")
    description: str | None = prop("A note about the person, written by employees.")
    email: str | None = prop("The first of the person's e-mail addresses.")
    full_name: str | None = prop("The name for display, its parts in the order the country uses.")
    direct_phone: str | None = prop("The person's own phone number, as typed.")
    formal_name: str | None = prop("The name with its titles, as on an address label.")
    country_id: int | None = prop("The person's country, by its id in SuperOffice; 0 = none.")
    contact_id: int | None = prop("The company the person belongs to; 0 = none.")
    contact_name: str | None = prop("The company's name, without the department.")
    retired: int | None = prop(
        "1 = retired: has left, do not offer in lists; 0 = not. A number, not a boolean."
    )
    rank: int | None = prop("Place among the company's persons when they are listed.")
    active_interests: int | None = prop("How many interests are ticked on the person.")
    contact_department: str | None = prop("The company's department; often empty.")
    contact_country_id: int | None = prop("The company's country, by its id in SuperOffice.")
    contact_org_nr: str | None = prop("The company's organisation or VAT number.")
    fax_phone: str | None = prop("The person's fax number.")
    mobile_phone: str | None = prop("The person's mobile number, as typed.")
    contact_phone: str | None = prop("The company's phone number, as typed.")
    associate_name: str | None = prop("The name of our contact for the person.")
    associate_id: int | None = prop("The `associateId` of our contact for the person.")
    use_person_address: bool | None = prop(
        "Whether mail goes to the person's own address instead of the company's."
    )
    contact_fax: str | None = prop("The company's fax number, as typed.")
    kanafname: str | None = prop("Given name in kana. Used in Japan only.")
    kanalname: str | None = prop("Family name in kana. Used in Japan only.")
    post1: str | None = prop("Part of the postal address. Used in Japan only.")
    post2: str | None = prop("Part of the postal address. Used in Japan only.")
    post3: str | None = prop("Part of the postal address. Used in Japan only.")
    email_name: str | None = prop("Text to show instead of the e-mail address.")
    contact_full_name: str | None = prop("The company's name with its department, for display.")
    active_erp_links: int | None = erp_links("person")
    ticket_priority_id: int | None = prop("The priority the person's new tickets start with.")
    support_language_id: int | None = prop(
        "The person's language, by its id in SuperOffice's list of customer languages. Not an "
        "ISO code."
    )
    support_associate_id: int | None = prop(
        "The `associateId` of our contact for the person in support."
    )
    category_name: str | None = prop(
        f"The category of the person, or of their company if they have one. {LIST_TEXT}"
    )
    person_number: str | None = prop(
        "A field for letters and digits. What it means is up to the tenant."
    )


@entity(
    "A user of SuperOffice: most often an employee, but also a resource, an external user or the "
    "system.",
    key="associate_id",
)
class Associate(Node, Rights):
    associate_id: int | None = prop("Primary key.")
    name: str | None = prop("Initials, such as a login name. To show a name, use `fullName`.")
    person_id: int | None = prop("The person this user is; see `Person.personId`.")
    rank: int | None = prop("Place in lists of users.")
    tooltip: str | None = prop("A short description, shown on hover in SuperOffice.")
    type: UserType | None = prop("The kind of user.")
    group_idx: int | None = prop(
        "Id of the user's primary group. Users can be in other groups too."
    )
    full_name: str | None = prop("The name for display.")
    formal_name: str | None = prop("The name with its titles, as on an address label.")
    deleted: bool | None = prop(
        "Whether the user is retired: has no rights; do not offer in lists."
    )
    ej_user_id: int | None = prop(
        "The same user's id in Service, which `Ticket.ownedBy` and `Ticket.createdBy` refer to; "
        "0 = not a user of Service."
    )
    user_name: str | None = prop("The name to log in with, perhaps an e-mail address; may be null.")
    extra_fields: list[ExtraField] | None = entries(
        "The fields that the tenant added to users, in an older form. Servers older than 11.3 do "
        "not send it. Unknown `names` are skipped.",
        deprecated="SuperOffice has deprecated it. Use `customFields`.",
    )
    custom_fields: list[CustomField] | None = entries(
        "The fields that the tenant added to users: one entry per field. Servers older than 11.3 "
        "do not send it. Unknown `names` are skipped."
    )
