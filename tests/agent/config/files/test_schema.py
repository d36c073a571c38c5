"""The published JSON Schema, and the page about config files."""

from monit_agent.config.files.keys import APP_KEYS
from monit_agent.config.files.schema import config_schema
from support.config_page import PAGE, SCHEMA, config_page, schema_text


def test_the_published_files_are_up_to_date() -> None:
    """docs/ has the schema and the keys of this version (tests/support/config_page.py)."""
    assert schema_text() == SCHEMA.read_text()
    assert config_page() == PAGE.read_text()


def test_the_schema_has_every_key() -> None:
    """Each key of an app is described, in both spellings, and no other is allowed."""
    app = config_schema()["definitions"]["app"]
    assert app["additionalProperties"] is False
    assert set(app["properties"]) == {
        spelling for key in APP_KEYS if "." not in key for spelling in (key, key.replace("-", "_"))
    }
    assert all(
        "description" in value or value["properties"] for value in app["properties"].values()
    )
