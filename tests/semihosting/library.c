/* A program with a C library whose system is semihosting: standard input, arguments, files of every
 * mode, times. Prints the same on every machine; argv[0] is the library's own. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static unsigned sum(FILE *file)
{
    unsigned value = 0;
    for (int c; (c = getc(file)) != EOF;) {
        value = value * 31 + (unsigned char)c;
    }
    return value;
}

static void whole(const char *name, const char *mode)
{
    FILE *file = fopen(name, mode);
    if (file == NULL) {
        printf("%s %s: errno %d\n", name, mode, errno);
        return;
    }
    if (mode[0] == 'r') {
        unsigned value = sum(file);
        fseek(file, 0, SEEK_END);
        long end = ftell(file);
        fseek(file, end / 2, SEEK_SET);
        printf("%s %s: %u, %ld bytes, in the middle %d\n", name, mode, value, end, getc(file));
    } else {
        for (int i = 0; i < 30000; i++) {
            fprintf(file, "%d %s\n", i * 7919 % 1009, mode);
        }
        printf("%s %s: written\n", name, mode);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    int a, b;
    char word[32];
    for (int i = 2; i < argc; i++) {
        printf("argument %d: %s\n", i, argv[i]);
    }
    if (scanf("%d %d %31s", &a, &b, word) == 3) {
        printf("%d, %s\n", a * b, word);
    }
    unsigned value = 0; /* SYS_READC, by which the library reads, knows no end */
    for (char line[16]; fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "end\n") != 0;) {
        value = value * 31 + (unsigned)atoi(line);
    }
    printf("what was typed: %u\n", value);
    whole("missing", "r");
    whole("given", "r");
    whole("made", "w");
    whole("made", "a");
    whole("made", "rb");
    printf("remove %d\n", unlink("made"));
    whole("made", "r");
    whole("folder/inside", "w");
    whole("folder/inside", "r");
    clock_t before = clock();
    for (volatile int i = 0; i < 1000000; i++) {
    }
    printf("time goes on: %d, %d\n", clock() >= before && before != (clock_t)-1,
           time(NULL) > 1700000000);
    fprintf(stderr, "on standard error\n");
    void *memory = malloc(100000);
    printf("memory: %d\n", memory != NULL);
    exit(argc > 3 ? atoi(argv[3]) : 7);
}
