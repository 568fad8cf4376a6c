/* How long an emulator takes from the start of its process to the first guest instruction, and what
 * it has resident then: runs a command whose guest writes '!' before anything else, takes the time
 * when that comes out of a pipe, and ends the command. Prints nanoseconds and KiB.
 *
 *     first COMMAND [ARGUMENT]... */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

static long resident_kib(pid_t process)
{
    char path[64], line[256];
    long kib = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)process);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "VmRSS:", 6) == 0) {
            kib = atol(line + 6);
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return kib;
}

static void run(char **command, const int *pipe_ends)
{
    int nothing = open("/dev/null", O_RDWR);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDERR_FILENO);
    dup2(pipe_ends[1], STDOUT_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    execvp(command[0], command);
    _exit(127);
}

int main(int argc, char **argv)
{
    int pipe_ends[2];
    char byte = 0;
    if (argc < 2 || pipe(pipe_ends) != 0) {
        return 2;
    }
    alarm(60);
    long long start_ns = now_ns();
    pid_t child = fork();
    if (child == 0) {
        run(argv + 1, pipe_ends);
    }
    close(pipe_ends[1]);
    while (byte != '!' && read(pipe_ends[0], &byte, 1) == 1) {
    }
    long long took_ns = now_ns() - start_ns;
    long kib = resident_kib(child);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (byte != '!') {
        return 1;
    }
    printf("%lld %ld\n", took_ns, kib);
    return 0;
}
