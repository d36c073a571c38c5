"""How wide a text is on a terminal."""

from monit_agent.cli.render.visible import cut, visible, width


def test_text_is_cut_by_columns_and_not_by_characters() -> None:
    """Wide characters count two, and nothing is wider than its bound."""
    assert width("日本") == 4
    assert cut("日本語", 5, "…") == "日本…"
    assert cut("short", 9, "…") == "short"
    assert visible("a\x1b[2Jb") == "a^[[2Jb"
