"""Addresses of the page."""

import errno
import os
import socket

import pytest

from mmcvgssl.serving import Address, Limits


def test_a_port_in_use_is_said():
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=f'port {port} of .* is in use'):
            Address.take(port=port)
    again = Address.take(port=port)
    with pytest.raises(OSError, match='in use'):
        Address.take(port=port)
    again.close()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'host': 'no.such.host.invalid'}, 'none that is called'),
        ({'host': '192.0.2.1'}, 'that of another: choose 127.0.0.1'),
        ({'host': ''}, 'none that is called'),
        ({'port': 65536}, 'port of 1 to 65535'),
        ({'port': -1}, 'port of 1 to 65535'),
        ({'token': 'short'}, '8 or more letters'),
        ({'token': 'with a space'}, 'without spaces'),
        ({'token': 'schlüssel!'}, 'letters and digits'),
    ],
)
def test_what_can_be_no_address_is_refused(options, said):
    with pytest.raises((OSError, ValueError), match=said):
        Address.take(**{'port': 0, **options})


@pytest.mark.parametrize(
    ('host', 'token', 'expected'),
    [
        ('127.0.0.1', None, None),
        ('localhost', None, None),
        ('127.0.0.1', 'of-my-own', 'of-my-own'),
        ('0.0.0.0', 'of-my-own', 'of-my-own'),
        ('0.0.0.0', None, 'made'),
    ],
)
def test_others_than_loopback_have_a_token(host, token, expected):
    address = Address.take(host, 0, token)
    if expected == 'made':
        assert len(address.token) >= 20
        other = Address.take(host, 0)
        assert other.token != address.token
        other.close()
    else:
        assert address.token == expected
    assert (address.token or 'none') in address.link or not address.token
    assert address.is_loopback == (host != '0.0.0.0')
    address.close()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({'max_mb': 0}, 'more than 0 megabytes'),
        ({'max_mb': float('nan')}, 'more than 0 megabytes'),
        ({'max_mb': float('inf')}, 'more than 0 megabytes'),
        ({'max_images': 0}, '1 image or more'),
    ],
)
def test_limits_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Limits(**options)


@pytest.mark.parametrize(
    ('number', 'said'),
    [
        (errno.EACCES, 'port 80 of 127.0.0.1 is not for this user'),
        (errno.EMFILE, 'port 80 of 127.0.0.1 cannot be had: Too many open'),
    ],
)
def test_what_the_system_refuses_is_said(number, said, monkeypatch):
    class Refused(socket.socket):
        def bind(self, address):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr('mmcvgssl.serving.address.socket.socket', Refused)
    with pytest.raises(OSError, match=said):
        Address.take(port=80)
