/* Giving up what a process does not need, once everything it needs is open: no_new_privs, a list of
 * system calls (seccomp), and a list of paths (Landlock). The guest's bytes, packets and requests
 * are then worked on by threads that can open no other file, start no program, look into no other
 * process and speak to nobody new, whatever mistake one of them falls for.
 *
 *   struct confine *confine = confine_new();
 *   confine_allow(confine, path, CONFINE_READ);
 *   confine_enter(confine, &needs, &report, error);
 *
 * Each of the three is there or not on a host: seccomp needs libseccomp (configure), Landlock
 * Linux 5.19 and a kernel that has it enabled. What is missing is reported, not an error.
 *
 * Landlock's lists belong to threads and are inherited by those they make. Those that run already
 * are told by a signal (SIGRTMIN + 5); one that blocks all signals, as sound servers' libraries
 * have them, stays outside and is counted. Seccomp's list reaches all threads by itself.
 *
 * Left to them: what is open already, and the process's own memory. */
#ifndef METIC_UI_CONFINE_H
#define METIC_UI_CONFINE_H

#include "cpu/base/error.h"
#include "cpu/base/types.h"

/* What may be done with a path and everything below it. */
enum confine_access {
    CONFINE_READ,   /* files read, folders listed */
    CONFINE_WRITE,  /* this file may be written, and read; it must be there */
    CONFINE_REMOVE, /* names in the folder may be taken away, folders when they are empty */
    CONFINE_SOCKET, /* the same, and sockets made */
    CONFINE_ALL,    /* anything but device nodes and execution */
};

struct confine_needs {
    bool internet;     /* connections to anywhere */
    bool unix_sockets; /* the same on this host */
    bool window;       /* what SDL and the libraries under it do: everything but programs, debugging
                        * other processes and the kernel's administration */
    bool children;     /* waits for children, sends them signals */
};

struct confine_report {
    bool no_new_privs;
    bool seccomp;
    unsigned landlock;        /* its version; 0: not there */
    unsigned threads_outside; /* of Landlock */
};

struct confine;

/* NULL: no memory. */
struct confine *confine_new(void);
void confine_free(struct confine *confine); /* NULL allowed */

/* A path that is not there is left out. */
void confine_allow(struct confine *confine, const char *path, enum confine_access access);

/* Gives the rest up, for the whole process and for good. False with a reason: the host has it but
 * refused; some of it may be in force. */
bool confine_enter(struct confine *confine, const struct confine_needs *needs,
                   struct confine_report *report, struct metic_error *error);

/* What this host would do; nothing is changed. */
void confine_probe(struct confine_report *report);
/* One line: "no_new_privs, seccomp, Landlock 7". */
void confine_describe(const struct confine_report *report, char *text, size_t text_bytes);

#endif
