# A C file for the compiler to work on: 15 functions.
BEGIN {
    for (i = 0; i < 15; i++) {
        printf "int f%d(int x, int *p)\n{\n    int i, y = p[%d];\n", i, i % 31
        printf "    for (i = 0; i < x; i++) {\n        y = y * %d + (x >> %d) - p[i];\n", i, i % 30
        printf "        if (y > %d) {\n            y -= x;\n        }\n    }\n", i * 7
        print "    return y;\n}"
    }
}
