#!/bin/sh
# The kernels (kernels/kernels.def), bare metal in metic and QEMU, and native.

set -u
. "$(dirname "$0")/common.sh"
run_kernels kernels kernels "$here/kernels/kernels.def"
