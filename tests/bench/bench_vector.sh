#!/bin/sh
# The vector kernels (vector/vector.def), bare metal in metic and QEMU with VLEN 128, and native as
# gcc -O3 -march=native vectorises them.

set -u
. "$(dirname "$0")/common.sh"
cpu=rv64,v=on
run_kernels vector vectors
