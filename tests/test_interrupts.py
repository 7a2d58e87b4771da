"""Signals end a program when it lets them."""

import os
import signal
import threading

import pytest

from mmcvgssl.interrupts import Interrupts

ENDS = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]


@pytest.mark.parametrize(('number', 'error'), ENDS)
def test_a_signal_ends_at_once_or_after_what_is_deferred(number, error):
    before, done = signal.getsignal(number), []

    def work(deferred: bool) -> None:
        with Interrupts() as interrupts:
            if deferred:
                with interrupts.deferred():
                    with interrupts.deferred():
                        os.kill(os.getpid(), number)
                    done.append('deferred')
            else:
                os.kill(os.getpid(), number)
            done.append('after')

    for deferred in (True, False):
        with pytest.raises(error):
            work(deferred)
    assert done == ['deferred']
    assert signal.getsignal(number) == before


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize('active', [True, False])
def test_signals_are_left_alone_elsewhere(active):
    seen = []

    def look() -> None:
        with Interrupts(active):
            seen.append(signal.getsignal(signal.SIGTERM))

    if active:
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
    else:
        look()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_a_forked_process_ends_as_it_would():
    with Interrupts():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGTERM


def test_a_forked_process_leaves_ctrl_c_to_its_owner():
    with Interrupts():
        child = os.fork()
        if not child:
            os.kill(os.getpid(), signal.SIGINT)
            os._exit(7)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
