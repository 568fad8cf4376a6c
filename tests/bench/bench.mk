# Builds what `make bench` runs, into the current directory. SRC is tests/bench.

GUEST_CC = riscv64-unknown-elf-gcc
GUEST_OBJCOPY = riscv64-unknown-elf-objcopy
HOST_CC = gcc
KERNELS = $(SRC)/kernels
# Loops stay loops: neither compiler may make a call to memset or strlen of them.
COMMON = -O2 -std=gnu11 -Wall -Wextra -ffp-contract=off -fno-math-errno -fno-builtin \
	-fno-tree-loop-distribute-patterns -fno-strict-aliasing -I$(KERNELS)
GUEST = $(COMMON) -march=rv64gc -mabi=lp64d -mcmodel=medany -ffreestanding -nostdlib \
	-nostartfiles -static -Wl,--no-relax,--build-id=none
SRCS = $(patsubst %,$(KERNELS)/%.c,integer memory calls float cold main run)
PRIMITIVES = $(SRC)/primitives
RUN_GUEST = $(KERNELS)/start.S $(KERNELS)/run_guest.c
VECTOR = $(SRC)/vector
VECTOR_SRCS = $(VECTOR)/vector.c $(KERNELS)/main.c $(KERNELS)/run.c
VECTOR_DEF = -DKERNELS_DEF='"../vector/vector.def"'
HEADERS = $(wildcard $(KERNELS)/*.h) $(KERNELS)/kernels.def $(PRIMITIVES)/primitives.def \
	$(KERNELS)/guest.ld $(SRC)/bench.mk
COLD = $(foreach tens,1 2 3 4,$(foreach one,0 1 2 3 4 5 6 7 8 9,$(tens)$(one)))
cold_objects = $(COLD:%=$(1)/cold_%.o)

.PHONY: guest host
guest: kernels.elf primitives.elf vectors.elf
host: kernels.native vectors.native

cold_part.c: $(KERNELS)/make_cold.awk
	awk -f $(KERNELS)/make_cold.awk >$@
guest/cold.o: cold_part.c
	mkdir -p guest
	$(GUEST_CC) $(GUEST) -c -o $@ cold_part.c
host/cold.o: cold_part.c
	mkdir -p host
	$(HOST_CC) $(COMMON) -c -o $@ cold_part.c
guest/cold_%.o: guest/cold.o
	$(GUEST_OBJCOPY) --redefine-sym cold_part=cold_part_$* $< $@
host/cold_%.o: host/cold.o
	objcopy --redefine-sym cold_part=cold_part_$* $< $@

kernels.elf: $(SRCS) $(RUN_GUEST) $(HEADERS) $(call cold_objects,guest)
	$(GUEST_CC) $(GUEST) -T $(KERNELS)/guest.ld -o $@ $(RUN_GUEST) $(SRCS) \
		$(call cold_objects,guest)
primitives.elf: $(wildcard $(PRIMITIVES)/*) $(KERNELS)/run.c $(RUN_GUEST) $(HEADERS)
	$(GUEST_CC) $(GUEST) -T $(KERNELS)/guest.ld -o $@ $(RUN_GUEST) $(KERNELS)/run.c \
		$(PRIMITIVES)/primitives.c $(PRIMITIVES)/traps.S
first.elf: $(SRC)/start/first.S $(KERNELS)/guest.ld
	$(GUEST_CC) $(GUEST) -T $(KERNELS)/guest.ld -o $@ $<
restore.elf: $(SRC)/start/restore.S $(KERNELS)/guest.ld
	$(GUEST_CC) $(GUEST) -T $(KERNELS)/guest.ld -o $@ $<
first: $(SRC)/start/first.c
	$(HOST_CC) -O2 -std=gnu11 -Wall -Wextra -o $@ $<
# LIBRARY is the folder of libmetic.so.
snapshot: $(SRC)/snapshot.c $(wildcard $(SRC)/../../hw/metic/*.h)
	$(HOST_CC) -O2 -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -I$(SRC)/../../hw -I$(SRC)/../.. -o $@ $< \
		-L$(LIBRARY) -lmetic -Wl,-rpath,$(LIBRARY)
kernels.native: $(SRCS) $(KERNELS)/run_host.c $(HEADERS) $(call cold_objects,host)
	$(HOST_CC) $(COMMON) -o $@ $(KERNELS)/run_host.c $(SRCS) $(call cold_objects,host)

vectors.elf: $(wildcard $(VECTOR)/*) $(RUN_GUEST) $(HEADERS)
	$(GUEST_CC) $(GUEST) $(VECTOR_DEF) -T $(KERNELS)/guest.ld -o $@ $(RUN_GUEST) \
		$(VECTOR_SRCS) $(VECTOR)/loops.S
# The host's loops as good as its compiler and library make them.
host/loops.o: $(wildcard $(VECTOR)/*)
	mkdir -p host
	$(HOST_CC) -O3 -march=native -std=gnu11 -Wall -Wextra -c -o $@ \
		$(VECTOR)/loops.c
vectors.native: host/loops.o $(VECTOR_SRCS) $(KERNELS)/run_host.c $(HEADERS)
	$(HOST_CC) $(COMMON) $(VECTOR_DEF) -o $@ $(KERNELS)/run_host.c $(VECTOR_SRCS) host/loops.o
