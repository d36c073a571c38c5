"""What a user types finds the instances that were meant, or says what is near."""

import pytest

from monit_agent.client import scenes
from monit_agent.client.targets import NoSuchTargetError, resolve, resolve_apps
from monit_agent.client.view import Fleet, Identity


@pytest.fixture(name="fleet")
def _fleet() -> Fleet:
    """Give the tea shop's fleet: 3 web and 2 api in @shop, 1 worker in @back."""
    return scenes.healthy().fleet


WEB = [Identity("web", number) for number in range(3)]
API = [Identity("api", number) for number in range(2)]
WORKER = [Identity("worker", 0)]


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (["all"], API + WEB + WORKER),
        (["web"], WEB),
        (["web/1"], [WEB[1]]),
        (["web/*"], WEB),
        (["w*"], WEB + WORKER),
        (["w*/0"], [WEB[0], WORKER[0]]),
        (["all/0"], [API[0], WEB[0], WORKER[0]]),
        (["@shop"], API + WEB),
        (["@shop/0"], [API[0], WEB[0]]),
        (["5"], WORKER),
        (["web/[01]"], WEB[:2]),
        (["worker", "web/2", "web", "worker/0"], WEB + WORKER),
    ],
)
def test_targets_mean_instances(fleet: Fleet, targets: list[str], expected: list[Identity]) -> None:
    """Each form of target gives its instances, in order, each once."""
    assert resolve(fleet, targets) == expected


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("wbe", "did you mean web"),
        ("worke/0", "did you mean worker"),
        ("web/7", "web has no instance 7; it has 0, 1, 2"),
        ("@shoop", "there are shop, back"),
        ("99", "there are api, web, worker"),
        ("zzz*", "`monit list` shows all"),
        ("", "nothing is called ''"),
        ("web/", "web has no instance"),
        ("[", "nothing is called '['"),
        ("²", "nothing is called"),
        ("9" * 5000, "nothing is called"),
    ],
)
def test_a_target_that_means_nothing_is_explained(fleet: Fleet, target: str, says: str) -> None:
    """The error names what is near or what there is."""
    with pytest.raises(NoSuchTargetError) as caught:
        resolve(fleet, ["web", target])

    assert says in str(caught.value)


def test_an_empty_home_says_how_to_begin() -> None:
    """Without any app, even `all` means nothing, and the error names `monit start`."""
    with pytest.raises(NoSuchTargetError, match="monit start"):
        resolve(scenes.empty().fleet, ["all"])


def test_an_app_called_like_an_id_wins(fleet: Fleet) -> None:
    """An app may be called 5: then 5 means it and not the instance with that id."""
    fleet.apps["5"] = fleet.apps.pop("api")

    assert {identity.app for identity in resolve(fleet, ["5"])} == {"api"}


def test_an_app_without_instances_is_an_app(fleet: Fleet) -> None:
    """An app scaled to none can be deleted or scaled; as instances it says what to do."""
    fleet.apps["api"].instances.clear()

    assert resolve_apps(fleet, ["api", "web/1"]) == ["api", "web"]
    with pytest.raises(NoSuchTargetError, match="monit scale api 1"):
        resolve(fleet, ["api"])
