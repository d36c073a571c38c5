"""What a user types finds the instances that were meant, or says what is near."""

import re

import msgspec
import pytest

from monit_agent.client import fold
from monit_agent.client.targets import (
    AmbiguousTargetError,
    NoSuchTargetError,
    means_instance,
    resolve_apps,
    resolve_instances,
)
from monit_agent.client.view import AppView, Fleet
from monit_agent.replay import scenes
from monit_agent.wire.ids import AppId, InstanceId, local_app, local_instance


@pytest.fixture(name="fleet")
def _fleet() -> Fleet:
    """Return the tea shop's fleet: 3 web and 2 api in @shop, 1 worker in @back."""
    return scenes.healthy().fleet


WEB = [local_instance("web", number) for number in range(3)]
API = [local_instance("api", number) for number in range(2)]
WORKER = [local_instance("worker", 0)]


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
        (["localhost:web/1"], [WEB[1]]),
        ([":web"], WEB),
        (["localhost:@shop/0"], [API[0], WEB[0]]),
        ([":5"], WORKER),
    ],
)
def test_targets_mean_instances(
    fleet: Fleet, targets: list[str], expected: list[InstanceId]
) -> None:
    """Each form of target gives its instances, in order, each once."""
    assert resolve_instances(fleet, targets) == expected


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("wbe", "did you mean web"),
        ("worke/0", "did you mean worker"),
        ("web/7", "web has no instance 7; it has 0, 1, 2"),
        ("@shoop", "; namespaces: shop, back"),
        ("99", "there are api, web, worker"),
        ("/^we/", "write a pattern: 'api-*'"),
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
        resolve_instances(fleet, ["web", target])

    assert says in str(caught.value)


def test_an_empty_home_says_how_to_begin() -> None:
    """Without any app, even `all` means nothing, and the error names `monit start`."""
    with pytest.raises(NoSuchTargetError, match="monit start"):
        resolve_instances(scenes.empty().fleet, ["all"])


@pytest.mark.parametrize("name", ["5", "57"])
def test_an_app_called_like_an_id_is_not_confused_with_it(fleet: Fleet, name: str) -> None:
    """A number with two meanings is refused; the error shows how to write each, and that works."""
    named, worker = AppView(local_app(name)), fleet.apps[local_app("worker")]
    record = msgspec.structs.replace(worker.instances[0].record, id=int(name))
    fold.set_instances(worker, [record])
    fold.set_instances(named, [msgspec.structs.replace(record, id=99)])
    fleet.apps[named.id] = named

    with pytest.raises(AmbiguousTargetError) as caught:
        resolve_instances(fleet, [name])
    with pytest.raises(AmbiguousTargetError):
        resolve_apps(fleet, [name])

    of_app, of_instance = re.search(
        r"write '(.+)' for the app, (.+) for", str(caught.value)
    ).groups()
    assert resolve_instances(fleet, [of_app]) == [local_instance(name, 0)]
    assert resolve_apps(fleet, [of_app]) == [named.id]
    assert resolve_instances(fleet, [of_instance]) == WORKER


def test_an_app_whose_own_instance_has_its_name_as_id_is_clear(fleet: Fleet) -> None:
    """Where both meanings are the same instance, nothing is refused."""
    worker, named = fleet.apps.pop(local_app("worker")), AppView(local_app("5"))
    fold.set_instances(named, [worker.instances[0].record])
    fleet.apps[named.id] = named

    assert resolve_instances(fleet, ["5"]) == [local_instance("5", 0)]


def test_an_app_without_instances_is_an_app(fleet: Fleet) -> None:
    """An app scaled to none can be deleted or scaled; as instances it says what to do."""
    fleet.apps[local_app("api")].instances.clear()

    assert resolve_apps(fleet, ["api", "web/1"]) == [local_app("api"), local_app("web")]
    with pytest.raises(NoSuchTargetError, match="monit scale api 1"):
        resolve_instances(fleet, ["api"])


ATHENS = [InstanceId("athens", "web", 0), InstanceId("athens", "web", 1)]


@pytest.fixture(name="hosts")
def _hosts(fleet: Fleet) -> Fleet:
    """The fleet of this machine, and an app of the same name on another host."""
    app = AppView(AppId("athens", "web"))
    app.record = fleet.apps[local_app("web")].record
    records = [view.record for view in fleet.apps[local_app("web")].instances.values()]
    fold.set_instances(app, records[:2])
    fleet.apps[app.id] = app
    return fleet


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("athens:web", ATHENS), ("athens:web/1", ATHENS[1:]), ("athens:all", ATHENS),
        ("athens:@shop", ATHENS), ("athens:w*/0", ATHENS[:1]), ("localhost:web", WEB),
        (":web/0", WEB[:1]), ("localhost:all", API + WEB + WORKER), ("web", WEB + ATHENS),
        ("web/0", [WEB[0], ATHENS[0]]), ("@shop/1", [API[1], WEB[1], ATHENS[1]]),
    ],
)  # fmt: skip
def test_a_host_before_the_colon_limits_a_target(
    hosts: Fleet, target: str, expected: list[InstanceId]
) -> None:
    """With a host a target means that host's apps only, without one those of every host."""
    assert resolve_instances(hosts, [target]) == expected
    assert resolve_apps(hosts, [target]) == sorted({each.app_id for each in expected})
    chosen = [
        view.identity
        for app in hosts.apps.values()
        for number, view in app.instances.items()
        if means_instance(app, number, target)
    ]
    assert sorted(chosen) == expected


@pytest.mark.parametrize("target", ["sparta:web", "sparta:all", "sparta:@shop", "sparta:3"])
def test_an_unknown_host_names_the_known_ones(hosts: Fleet, target: str) -> None:
    """Nobody has to guess what the hosts are called."""
    with pytest.raises(NoSuchTargetError, match="no host 'sparta'; known hosts: athens, localhost"):
        resolve_instances(hosts, [target])


def test_two_apps_of_one_name_stay_apart_on_two_hosts(hosts: Fleet) -> None:
    """Ids of instances find their own views, and their texts name the hosts."""
    here, there = hosts.instance(WEB[0]), hosts.instance(ATHENS[0])

    assert here is not None
    assert there is not None
    assert here is not there
    assert (str(here.identity), str(there.identity)) == ("web/0", "athens:web/0")
    assert {app.name for app in hosts.apps.values()} == {"api", "web", "worker", "athens:web"}
