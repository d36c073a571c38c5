"""What a client knows is what the agent sent: nothing twice, nothing missing, nothing old."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monit_agent.client import fold
from monit_agent.client.view import AppView
from monit_agent.wire.ids import local_app
from monit_agent.wire.messages import (
    AppChanged,
    AppDeleted,
    AppRecord,
    AppSnapshot,
    EventAdded,
    EventRecord,
    InstanceChanged,
    InstanceRecord,
    InstanceRemoved,
    LogEnd,
    Metric,
    Rollout,
    Sample,
    TreeFigures,
    Update,
)

APP = AppRecord(name="web", script="app.py", cwd="/srv", user="shop", created_at=1.0, keeper_pid=41)


def slot(number: int, restarts: int = 0) -> InstanceRecord:
    return InstanceRecord(
        instance=number, id=number, status="online", desired="running", ready=True,
        pid=100 + number, started_at=1.0, restarts=restarts,
    )  # fmt: skip


def snapshot(*slots: InstanceRecord, seq: int = 0, epoch: int = 7) -> AppSnapshot:
    return AppSnapshot(
        epoch=epoch, event_seq=seq, agent_pid=42, agent_version="1", app=APP, instances=slots
    )


def view(*slots: InstanceRecord, seq: int = 0) -> AppView:
    app = AppView(local_app("web"))
    fold.apply_snapshot(app, snapshot(*slots, seq=seq), 10.0)
    return app


def records(app: AppView) -> list[InstanceRecord]:
    return [each.record for each in app.instances.values()]


# ------------------------------------------------------------ snapshot, then events


def test_events_that_the_snapshot_has_already_are_ignored() -> None:
    """An event up to the snapshot's number changes nothing; the next one does."""
    app = view(slot(0, restarts=5), seq=9)

    old = fold.apply_update(app, 7, 9, InstanceChanged(instance=slot(0, restarts=4)), 11.0)
    new = fold.apply_update(app, 7, 10, InstanceChanged(instance=slot(0, restarts=6)), 11.0)

    assert (old, new) == ("ignored", "applied")
    assert [each.restarts for each in records(app)] == [6]


def test_a_hole_in_the_numbers_asks_for_a_snapshot() -> None:
    """A missed event is noticed at the next one, which is not folded into what is wrong."""
    app = view(slot(0), seq=3)

    assert fold.apply_update(app, 7, 5, InstanceRemoved(instance=0), 11.0) == "needs_snapshot"
    assert len(app.instances) == 1


def test_another_life_of_the_agent_asks_for_a_snapshot() -> None:
    """Numbers of another epoch mean something else, whatever they are."""
    app = view(slot(0), seq=3)

    assert fold.apply_update(app, 8, 4, InstanceRemoved(instance=0), 11.0) == "needs_snapshot"
    assert fold.apply_beat(app, 8, 3, 11.0) == "needs_snapshot"
    assert fold.apply_sample(app, 8, 0, Sample(at=1.0), 11.0) == "needs_snapshot"


def test_a_beat_shows_that_the_last_event_was_missed() -> None:
    """When the newest event was lost and none follows, the beat's number shows it."""
    app = view(slot(0), seq=3)

    assert fold.apply_beat(app, 7, 3, 11.0) == "applied"
    assert fold.apply_beat(app, 7, 4, 11.0) == "needs_snapshot"


def test_the_exit_of_an_agent_is_announced() -> None:
    """The good-bye of a deleted app is passed on, so that it can leave the fleet."""
    assert fold.apply_update(view(seq=3), 7, 4, AppDeleted(), 11.0) == "deleted"


def test_slots_stand_in_order_of_their_numbers() -> None:
    """A slot that comes later with a lower number is listed where it belongs."""
    app = view(slot(2), slot(10))

    fold.apply_update(app, 7, 1, InstanceChanged(instance=slot(1)), 11.0)

    assert list(app.instances) == [1, 2, 10]


def test_a_lost_keeper_is_known() -> None:
    """An agent that lost its keeper says so by a record without a keeper."""
    app = view(slot(0))

    fold.apply_update(app, 7, 1, AppChanged(app=replace(APP, keeper_pid=None)), 11.0)

    assert not app.keeper_alive


numbers = st.integers(0, 4)
events: st.SearchStrategy[Update] = st.one_of(
    st.builds(lambda n, r: InstanceChanged(instance=slot(n, r)), numbers, st.integers(0, 99)),
    st.builds(lambda n: InstanceRemoved(instance=n), numbers),
    st.builds(
        lambda n, w: AppChanged(app=replace(APP, instances=n), rollout=Rollout(waiting=w)),
        numbers,
        st.tuples(numbers),
    ),
    st.builds(lambda n: EventAdded(event=EventRecord(seq=n, at=1.0, kind="ready")), numbers),
)


@given(st.lists(events, max_size=30), st.data())
def test_snapshot_and_events_equal_the_later_snapshot(story: list[Update], data: st.DataObject):
    """Wherever a client joins, folding what follows gives what a later snapshot would say."""
    joined = data.draw(st.integers(0, len(story)))
    early = data.draw(st.integers(0, joined))
    whole = view(slot(0))
    late: AppView | None = None
    for seq, event in enumerate(story, 1):
        if seq - 1 == joined:
            late = AppView(local_app("web"))
            fold.apply_snapshot(late, as_snapshot(whole, joined), 12.0)
            # it had subscribed before its request, so it gets some events twice
            for again in range(early + 1, joined + 1):
                assert fold.apply_update(late, 7, again, story[again - 1], 12.0) == "ignored"
        assert fold.apply_update(whole, 7, seq, event, 12.0) == "applied"
        if late is not None:
            assert fold.apply_update(late, 7, seq, event, 12.0) == "applied"
    if late is not None:
        assert as_snapshot(late, len(story)) == as_snapshot(whole, len(story))


def as_snapshot(app: AppView, seq: int) -> AppSnapshot:
    assert app.record is not None
    assert app.event_seq == seq
    return AppSnapshot(
        epoch=7, event_seq=seq, agent_pid=42, agent_version="1", app=app.record,
        rollout=app.rollout, instances=tuple(records(app)), events=tuple(app.events),
    )  # fmt: skip


# ------------------------------------------------------------ samples, logs, history


def test_samples_of_unknown_slots_are_ignored() -> None:
    """A sample that overtakes its slot, or comes after its end, does no harm."""
    app = view(slot(0))

    assert fold.apply_sample(app, 7, 3, Sample(at=1.0), 11.0) == "ignored"
    assert (
        fold.apply_sample(app, 7, 0, Sample(at=1.0, tree=TreeFigures(cpu_percent=4.0)), 11.0)
        == "applied"
    )
    assert app.instances[0].sample == Sample(at=1.0, tree=TreeFigures(cpu_percent=4.0))


def test_a_new_snapshot_keeps_the_history() -> None:
    """Samples collected so far survive a snapshot, and its own newest is not counted twice."""
    app = view(slot(0))
    for at in (1.0, 2.0):
        fold.apply_sample(app, 7, 0, Sample(at=at), 11.0)

    again = replace(snapshot(slot(0), epoch=8), samples={0: Sample(at=2.0)})
    fold.apply_snapshot(app, again, 12.0)

    assert [sample.at for sample in app.instances[0].history] == [1.0, 2.0]


def test_samples_are_kept_after_the_clock_was_set_back() -> None:
    """The charts go on at once; what has a later time than now is dropped, and one late sample is
    no reason to drop any."""
    app = view(slot(0))
    for at in (4000.0, 4001.0, 4000.5):
        fold.apply_sample(app, 7, 0, Sample(at=at), 11.0)
    assert [sample.at for sample in app.instances[0].history] == [4000.0, 4001.0]

    for at in (400.0, 401.0):
        fold.apply_sample(app, 7, 0, Sample(at=at), 12.0)

    assert [sample.at for sample in app.instances[0].history] == [400.0, 401.0]


def test_samples_of_the_past_do_not_hold_the_metrics_again() -> None:
    """The newest sample has them, the history has them in columns only."""
    app = view(slot(0))
    fold.apply_sample(app, 7, 0, Sample(at=1.0, metrics={"queue": Metric(value=7)}), 11.0)

    shown = app.instances[0]
    assert shown.own.value("queue", 1.0) == 7
    assert shown.sample is not None
    assert shown.sample.metrics == {"queue": Metric(value=7)}
    assert [sample.metrics for sample in shown.history] == [{}]


def test_a_slot_that_goes_takes_its_log_ends_along() -> None:
    """After scaling down nothing is known of the streams of the slot that went."""
    app = AppView(local_app("web"))
    ends = tuple(LogEnd(instance=n, stream="out", begin=0, end=5) for n in (0, 1))
    fold.apply_snapshot(app, replace(snapshot(slot(0), slot(1)), logs=ends), 10.0)

    fold.apply_update(app, 7, 1, InstanceRemoved(instance=1), 11.0)
    fold.extend_log(app, 0, "out", 9)
    fold.extend_log(app, 0, "out", 3)

    assert {key: end.end for key, end in app.logs.items()} == {(0, "out"): 9}


# ------------------------------------------------------------ silence


def test_three_seconds_of_silence_make_an_app_stale_and_a_word_makes_it_live() -> None:
    """Silence is reported once, with a reason and the age; the next message ends it."""
    app = view(slot(0))

    assert not fold.mark_silence(app, 12.9)
    assert fold.mark_silence(app, 13.1)
    assert not fold.mark_silence(app, 14.0)
    assert (app.link, app.age_s(14.0)) == ("stale", 4.0)
    assert app.problem is not None

    fold.apply_beat(app, 7, 0, 15.0)

    assert (app.link, app.problem, app.age_s(15.0)) == ("live", None, 0.0)
