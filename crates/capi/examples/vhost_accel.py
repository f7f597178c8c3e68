#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
"""Lists the devices of this machine and what each offers: the C library from Python.

vhost-accel emulate -- python3 vhost_accel.py
"""
import ctypes
import os

lib = ctypes.CDLL("libvhost_accel.so.0")
lib.vhost_accel_last_error.restype = ctypes.c_char_p
# A handle is a number of 64 bits. Without this ctypes would pass 32 of them.
DEVICE = ctypes.c_void_p
lib.vhost_accel_features.argtypes = [DEVICE, ctypes.POINTER(ctypes.c_uint64)]
lib.vhost_accel_close.argtypes = [DEVICE]


def check(answer):
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer), lib.vhost_accel_last_error().decode())
    return answer


def devices():
    text = ctypes.create_string_buffer(check(lib.vhost_accel_devices(None, 0)) + 1)
    check(lib.vhost_accel_devices(text, ctypes.c_size_t(len(text))))
    return text.value.decode().splitlines()


for uri in devices():
    device, features = DEVICE(), ctypes.c_uint64()
    check(lib.vhost_accel_open(uri.encode(), ctypes.byref(device)))
    check(lib.vhost_accel_features(device, ctypes.byref(features)))
    print(f"{uri}: features {features.value:#x}")
    check(lib.vhost_accel_close(device))
