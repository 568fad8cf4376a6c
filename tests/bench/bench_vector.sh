#!/bin/sh
# The vector kernels (vector/vector.def), bare metal in metic and QEMU with VLEN 128, and native as
# gcc -O3 -march=native vectorises them.

set -u
. "$(dirname "$0")/common.sh"
cpu=rv64,v=on
echo "vector: QEMU runs every loop as often as metic, which takes minutes; no figure is scaled"
run_kernels vector vectors "$here/vector/vector.def"
