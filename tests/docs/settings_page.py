"""The table of settings in the manual, made from their declarations.

`python -m tests.docs.settings_page` writes the page.
"""

from gateway import Settings
from tests.docs.pages import FOLDER

FILE = FOLDER / "settings.md"
INTRODUCTION = """# Settings

For operators: every setting with its default.

Settings are environment variables, or flags of `gateway serve` with the same names:
`GATEWAY_CACHE_TTL=2` is `--cache-ttl 2`. Flags win. An invalid value or an unknown name stops the
start with one line that says what is wrong. `gateway doctor --all` prints the values in use.

Exactly one of `GATEWAY_UPSTREAM_URL` and `GATEWAY_ENVIRONMENT` has to be set. Sizes are written as
`16MiB`, switches as `on` and `off`, and times in seconds. A secret can also come
[from a file](deploy.md#secrets). Most installations need [these settings](deploy.md#settings).
"""


def page() -> str:
    """Return the page: one table for each group, in the order of the declarations."""
    defaults, meanings = Settings.shown_defaults(), Settings.meanings()
    groups: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        default = f"`{defaults[name]}`" if defaults[name] else "–"  # noqa: RUF001  a dash
        row = f"| `GATEWAY_{name.upper()}` | {default} | {meanings[name]} |"
        groups.setdefault(str(extra["group"]), []).append(row)
    tables = (
        "\n".join(
            (f"\n## {group}\n", "| Setting | Default | Meaning |", "|---|---|---|", *rows, "")
        )
        for group, rows in groups.items()
    )
    return INTRODUCTION + "".join(tables)


if __name__ == "__main__":
    FILE.write_text(page(), "utf-8")
