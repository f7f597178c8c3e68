#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What `vdpa dev add` is asked for is what the device is, and what can't be is refused
# before anything is made.

failed=0
bad() { echo "FAILED: $*"; failed=1; }
add() { vdpa dev add name "$1" mgmtdev vhost_accel_vdpa "${@:2}" 2> /dev/null; }

for name in . .. a/b /a va0 uevent; do
	add "$name" && { bad "a device named $name"; vdpa dev del "$name"; }
done
for what in "mac 00:00:00:00:00:00" "mac 01:00:00:00:00:01" "mtu 67" "mtu 0" "max_vqp 0" "max_vqp 129"; do
	# shellcheck disable=SC2086
	add other $what && { bad "a device with $what"; vdpa dev del other; }
done
[ -e /sys/kernel/debug/vhost_accel_net/other ] && bad "something of them is left"

add other mac 52:54:00:12:34:56 mtu 1500 max_vqp 2 || bad "a device with options is refused"
shown=$(vdpa dev config show other)
for want in "mac 52:54:00:12:34:56" "mtu 1500" "max_vq_pairs 2"; do
	[[ $shown = *"$want"* ]] || bad "$want, and it is: $shown"
done
add other && bad "a second device of the same name"
vdpa dev del other || bad "it does not go"
vdpa mgmtdev show vhost_accel_vdpa | grep -q 'supported_classes net' || bad "no class"
vdpa -j mgmtdev show vhost_accel_vdpa | grep -q VERSION_1 || bad "the features are not said"
[ $failed = 1 ] || echo "devices are as they were asked for"
exit $failed
