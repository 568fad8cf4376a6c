# Writes cold_part.c: 500 functions, no two alike, each called once, in an order of their own. The
# program has COLD_PARTS copies of the object file (cold.c): what they cost is what it costs to
# translate code that runs once.
BEGIN {
    count = 500
    split("+ ^ - |", op, " ")
    print "#include \"kernels.h\""
    print "typedef uint64_t (*cold_fn)(uint64_t, uint64_t *);"
    print "uint64_t cold_part(uint64_t x);"
    for (i = 0; i < count; i++) {
        printf "static uint64_t f%d(uint64_t x, uint64_t *p)\n{\n", i
        printf "    uint64_t y = p[%d] %s (x >> %d);\n", i % 61, op[i % 4 + 1], i % 23 + 1
        printf "    if ((x & %d) != 0) {\n        y += x << %d;\n    }\n", 2 ^ (i % 10), i % 13 + 1
        printf "    x = x * %d %s (y >> %d);\n", 2 * i + 3, op[int(i / 4) % 4 + 1], i % 17 + 1
        printf "    if (y > x) {\n        x ^= y >> %d;\n    }\n", i % 31 + 1
        printf "    p[%d] = y %s %d;\n    return x + y;\n}\n", i % 59, op[int(i / 16) % 4 + 1], i
    }
    print "static const cold_fn functions[] = {"
    for (i = 0; i < count; i++) {
        printf "    f%d,\n", (i * 79) % count
    }
    print "};"
    print "uint64_t cold_part(uint64_t x)\n{"
    printf "    for (int i = 0; i < %d; i++) {\n", count
    print "        x = functions[i](x, (uint64_t *)arena);\n    }\n    return x;\n}"
}
