"""A fit in a thread is interrupted like by Ctrl-C, but never while it draws."""

import threading
import time

import pytest

from sparsedecomp.decomposition.progress import announce_phase
from sparsedecomp.gui.background import BackgroundTask


def spin(until):
    """Pure Python that ends when an event is set, or by an exception."""
    while not until.is_set():
        time.sleep(0.001)


@pytest.fixture
def ends():
    return []


def test_result_is_told_once_and_errors_are_passed_on(ends):
    for work in (lambda: None, lambda: 1 / 0):
        task = BackgroundTask(work, ends.append)
        task.start()
        assert task.join(10) and not task.running
    assert ends[0] is None and isinstance(ends[1], ZeroDivisionError)


def test_interrupt_ends_the_work_within_a_moment(ends):
    task = BackgroundTask(lambda: spin(threading.Event()), ends.append)
    task.start()
    began = time.perf_counter()
    task.interrupt()
    assert task.join(10)
    assert time.perf_counter() - began < 0.4
    assert isinstance(ends[0], KeyboardInterrupt) and task.interrupted


def test_interrupt_waits_for_the_last_passes_and_strikes_after_them(ends):
    last_pass, done = threading.Event(), []

    def work():
        announce_phase("last passes")
        spin(last_pass)
        done.append("complete")
        announce_phase("verdict")
        done.append("verdict")

    task = BackgroundTask(work, ends.append)
    task.start()
    time.sleep(0.02)
    task.interrupt()
    assert not task.join(0.05)
    last_pass.set()
    assert task.join(10)
    assert done == ["complete"] and isinstance(ends[0], KeyboardInterrupt)


def test_abandoned_last_passes_end_at_once(ends):
    def work():
        announce_phase("last passes")
        spin(threading.Event())

    task = BackgroundTask(work, ends.append)
    task.start()
    time.sleep(0.02)
    task.abandon()
    assert task.join(10) and isinstance(ends[0], KeyboardInterrupt)


def test_drawing_is_not_interrupted_but_what_follows_is(ends):
    drawing, done = threading.Event(), []

    def work():
        with task.shielded():
            drawing.set()
            time.sleep(0.05)
            done.append("drawn")
        done.append("next step")

    task = BackgroundTask(work, ends.append)
    task.start()
    drawing.wait(10)
    task.interrupt()
    assert task.join(10)
    assert done == ["drawn"] and isinstance(ends[0], KeyboardInterrupt)


def test_interrupt_after_the_end_harms_nobody(ends):
    task = BackgroundTask(lambda: None, ends.append)
    task.start()
    task.join(10)
    task.interrupt()
    task.abandon()
    assert ends == [None]
