import pytest

from api.admission import Buckets


class Clock:
    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


def test_a_bucket_holds_a_seconds_worth_and_fills_at_its_rate():
    clock = Clock()
    buckets = Buckets(5, clock=clock)

    assert [buckets.wait_s("a") for _ in range(5)] == [0.0] * 5
    assert buckets.wait_s("a") == pytest.approx(0.2)
    clock.s += 0.199
    assert buckets.wait_s("a") > 0
    clock.s += 0.0011
    assert buckets.wait_s("a") == 0.0
    assert buckets.wait_s("a") > 0


def test_keys_do_not_share_a_bucket():
    buckets = Buckets(1, clock=Clock())

    assert [buckets.wait_s(key) for key in "ab"] == [0.0, 0.0]
    assert buckets.wait_s("a") > 0


def test_a_refused_request_costs_nothing():
    clock = Clock()
    buckets = Buckets(1, clock=clock)
    buckets.wait_s("a")
    for _ in range(100):
        buckets.wait_s("a")

    clock.s += 1.0001

    assert buckets.wait_s("a") == 0.0


def test_full_buckets_are_forgotten_and_the_others_stay_bounded():
    clock = Clock()
    buckets = Buckets(1, keys_max=10, clock=clock)
    for n in range(10):
        buckets.wait_s(f"old {n}")
    clock.s += 2
    for n in range(25):
        buckets.wait_s(f"new {n}")

    assert len(buckets._full_at) <= 10
    assert buckets.wait_s("new 24") > 0
