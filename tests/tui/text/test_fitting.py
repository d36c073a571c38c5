"""Names and texts cut to a width in cells."""

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from monit_tui.text.fitting import different_names, fit_end, fit_middle

TEXTS = st.text("ab-9茶ส\u0e34\u0301", max_size=40)


@given(TEXTS, st.integers(1, 50), st.integers(0, 40))
def test_fitted_text_has_the_width(text: str, width: int, keep: int) -> None:
    """Whatever the text, it takes exactly the cells that it was fitted to."""
    assert cell_len(fit_end(text, width, "…")) == width
    assert cell_len(fit_middle(text, width, "…", keep)) == width


def test_a_long_name_loses_its_middle() -> None:
    """Beginning and end of a long name are shown."""
    assert fit_middle("customer-notifications/12", 14, "…") == "customer-…s/12"
    assert fit_middle("web", 6, "…") == "web   "


def test_names_that_begin_and_end_alike_look_different() -> None:
    """Names with the same beginning and end show the place in which they differ."""
    names = [f"customer-notifications-{kind}-worker-eu" for kind in ("email", "sms", "push")]
    for width in (12, 16, 24):
        shown = different_names(names, width, "…")
        assert len(set(shown.values())) == 3, shown
        assert all(cell_len(text) == width for text in shown.values())


def test_names_that_fit_are_whole() -> None:
    """Names that fit are not changed."""
    assert different_names(["web", "api"], 5, "…") == {"web": "web  ", "api": "api  "}
