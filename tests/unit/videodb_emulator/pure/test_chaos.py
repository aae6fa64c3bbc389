"""A plan is read as it is written, and each fault comes to the connection it is for."""

import re

import pytest

from videodb_emulator.pure.chaos import EXAMPLES, Chaos, ChaosError, Fault, parse

ENTRIES = [
    ("drop@3s", Fault("drop", at_s=3.0)),
    ("rst@500ms", Fault("rst", at_s=0.5)),
    ("close:1011@4s", Fault("close", at_s=4.0, code=1011)),
    ("close:4999@0", Fault("close", code=4999)),
    ("freeze@1.5m", Fault("freeze", at_s=90.0)),
    ("duplicate@2", Fault("duplicate", at_s=2.0)),
    ("truncate@3s", Fault("truncate", at_s=3.0)),
    ("hello-delay:15s", Fault("hello-delay", delay_s=15.0)),
    ("rest:500", Fault("rest", code=500)),
    ("rest:500x2", Fault("rest", code=500, times=2)),
    ("rest:429:2s", Fault("rest", code=429, delay_s=2.0)),
    ("rest:503x3:1m", Fault("rest", code=503, times=3, delay_s=60.0)),
    ("expire-url", Fault("expire-url")),
    ("drop@3s#2", Fault("drop", at_s=3.0, connection=2)),
    ("drop@3s#*", Fault("drop", at_s=3.0, connection=None)),
    ("rest:401#7", Fault("rest", code=401, connection=7)),
    ("expire-url#*", Fault("expire-url", connection=None)),
    ("api:500", Fault("api", code=500)),
    ("api:503x3:1m#2", Fault("api", code=503, times=3, delay_s=60.0, connection=2)),
    ("api:429:2s@10%#*", Fault("api", code=429, share=0.1, delay_s=2.0, connection=None)),
    ("api:500x3@50%", Fault("api", code=500, times=3, share=0.5)),
    ("owner-stop@5s#2", Fault("owner-stop", at_s=5.0, connection=2)),
]


@pytest.mark.parametrize(("entry", "fault"), ENTRIES, ids=[entry for entry, _ in ENTRIES])
def test_an_entry_is_one_fault(entry: str, fault: Fault) -> None:
    assert parse(entry) == (fault,)


def test_a_plan_is_entries_with_commas_and_blanks_between() -> None:
    assert parse(",".join(entry for entry, _ in ENTRIES)) == tuple(fault for _, fault in ENTRIES)
    assert parse(" drop@3s , rst@4s#2 ") == (Fault("drop", at_s=3.0), Fault("rst", at_s=4.0, connection=2))


@pytest.mark.parametrize("plan", ["", "  "])
def test_an_empty_plan_has_no_faults(plan: str) -> None:
    assert parse(plan) == ()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ("drip@3s", "'drip@3s' is no fault; known: drop, rst, close"),
        ("drop@3s,", "'' is no fault"),
        ("DROP@3s", "is no fault"),
        ("drop", "'drop': it says not when, write it as drop@3s"),
        ("drop@", "'' is no time, write it as drop@3s"),
        ("drop@soon", "'soon' is no time"),
        ("drop@-1s", "'-1s' is no time"),
        ("drop@1s@2s", "'1s@2s' is no time"),
        ("drop@nan", "'nan' is no time"),
        ("drop:1@2s", "too few or too many arguments, write it as drop@3s"),
        ("expire-url@2s", "has no time, write it as expire-url"),
        ("expire-url:2", "too few or too many arguments"),
        ("close@3s", "too few or too many arguments, write it as close:1011@4s"),
        ("close:@3s", "'' is no code"),
        ("close:1006@3s", "'1006' is no code that a Close can carry"),
        ("close:1011x2@3s", "'1011x2' is no code"),
        ("rest", "too few or too many arguments, write it as rest:500x2"),
        ("rest:200", "'200' is no status of a failure"),
        ("rest:500x", "'' is no number of times"),
        ("rest:500x0", "'0' is no number of times"),
        ("rest:429:soon", "'soon' is no time"),
        ("rest:500:1s:2s", "too few or too many arguments"),
        ("rest:\u0665\u0660\u0660", "is no status"),
        ("rest:500@10%", "it has no time"),
        ("api:200", "'200' is no status of a failure"),
        ("api:500@10", "'10' is no share, write it as api:503x2 or api:429:2s@10%"),
        ("api:500@0%", "'0' is no percentage"),
        ("api:500@101%", "'101' is no percentage"),
        ("owner-stop", "it says not when"),
        ("hello-delay", "too few or too many arguments, write it as hello-delay:15s"),
        ("drop@3s#0", "'0' is no number of a connection"),
        ("drop@3s#", "'' is no number of a connection"),
        ("drop@3s#x", "'x' is no number of a connection"),
    ],
)
def test_what_cannot_be_understood_is_named_with_what_would_do(plan: str, said: str) -> None:
    with pytest.raises(ChaosError) as caught:
        parse(plan)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def names(faults: tuple[Fault, ...]) -> list[str]:
    return [fault.name for fault in faults]


def test_an_entry_without_a_number_is_for_the_first_connection_only() -> None:
    chaos = Chaos(parse("drop@1s,freeze@2s#2,hello-delay:1s#*"))
    assert [names(chaos.accepted()) for _ in range(3)] == [
        ["hello-delay", "drop"],
        ["hello-delay", "freeze"],
        ["hello-delay"],
    ]


def test_what_a_connection_endures_comes_in_the_order_of_time() -> None:
    assert names(Chaos(parse("rst@3s,duplicate@1s,truncate@2s")).accepted()) == ["duplicate", "truncate", "rst"]


def test_a_request_is_refused_as_often_as_the_plan_says_and_in_its_order() -> None:
    chaos = Chaos(parse("rest:500x2,rest:429:2s"))
    answers = [chaos.refuses_url() for _ in range(4)]
    assert [answer and (answer.code, answer.delay_s) for answer in answers] == [
        (500, None),
        (500, None),
        (429, 2.0),
        None,
    ]


def test_what_comes_before_a_connection_waits_until_the_one_before_was_accepted() -> None:
    chaos = Chaos(parse("rest:503#2,expire-url#2,drop@1s"))
    assert chaos.refuses_url() is None
    assert not chaos.expires_url()
    chaos.accepted()
    assert chaos.refuses_url() == Fault("rest", code=503, connection=2)
    assert chaos.refuses_url() is None
    assert chaos.expires_url()
    assert not chaos.expires_url()


def test_a_fault_for_every_connection_comes_before_each_anew() -> None:
    chaos = Chaos(parse("rest:500x2#*"))
    seen = []
    for _ in range(3):
        seen.append([chaos.refuses_url() is not None for _ in range(3)])
        chaos.accepted()
    assert seen == [[True, True, False]] * 3


def refused(chaos: Chaos, requests: int) -> list[bool]:
    return [chaos.refuses() is not None for _ in range(requests)]


def test_other_requests_are_refused_while_their_connection_is_the_last_one() -> None:
    chaos = Chaos(parse("api:503x2#2"))
    seen = [refused(chaos, 3)]
    for _ in range(3):
        chaos.accepted()
        seen.append(refused(chaos, 3))
    assert seen == [[False] * 3, [False] * 3, [True, True, False], [False] * 3]


def test_other_requests_are_refused_before_the_first_connection_if_that_is_planned_for_every_one() -> None:
    chaos = Chaos(parse("api:503#*"))
    assert refused(chaos, 2) == [True, False]
    chaos.accepted()
    assert refused(chaos, 2) == [True, False]


def test_a_share_of_the_requests_is_refused_at_random_and_the_same_ones_with_the_same_seed() -> None:
    plan = parse("api:500@10%#*")
    first, again, other = (refused(Chaos(plan, seed), 1000) for seed in (0, 0, 1))
    assert 60 < sum(first) < 140
    assert first == again != other


def test_a_share_can_have_an_end() -> None:
    assert sum(refused(Chaos(parse("api:500x3@50%#*")), 1000)) == 3


def test_every_example_is_an_entry() -> None:
    assert [parse(example)[0].name for example in EXAMPLES] == [re.split("[:@]", example)[0] for example in EXAMPLES]


def test_without_a_plan_nothing_ever_goes_wrong() -> None:
    chaos = Chaos()
    assert (chaos.refuses_url(), chaos.expires_url(), chaos.refuses(), chaos.accepted()) == (None, False, None, ())
