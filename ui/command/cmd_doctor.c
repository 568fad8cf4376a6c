/* metic doctor: what of this host matters to metic, and which Debian package brings what is not
 * there. */
#include "ui/confine/confine.h"
#include "ui/ui.h"
#include "ui/xdg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void doctor_line(const char *what, bool good, const char *text)
{
    printf("%-4s %-22s %s\n", good ? "ok" : "no", what, text);
}

/* Firmware of others: disks need EDK2 or U-Boot. */
static void doctor_firmware(void)
{
    char root[XDG_PATH_BYTES], path[XDG_PATH_BYTES], text[XDG_PATH_BYTES + 128];
    const char *where = xdg_path(XDG_DATA, "firmware", root) ? root : NULL;
    struct metic_firmware firmware;
    const char *what;
    bool missing = false;
    unsigned i = 0;
    while ((what = metic_find_firmware(i++, where, path, sizeof(path), &firmware)) != NULL) {
        snprintf(text, sizeof(text), "apt-get install %s (Debian %u and later)", firmware.package,
                 firmware.since);
        doctor_line(what, firmware.there, firmware.there ? path : text);
        missing = missing || !firmware.there;
    }
    if (missing) {
        doctor_line("", false, "or, without root, all of them: metic build firmware");
    }
}

/* Translated code is mapped twice, once to write and once to run. */
static bool doctor_code_memory(void)
{
    const int flags = MAP_SHARED | MAP_ANONYMOUS;
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    bool ok = code != MAP_FAILED && mprotect(code, 4096, PROT_READ | PROT_EXEC) == 0;
    if (code != MAP_FAILED) {
        munmap(code, 4096);
    }
    doctor_line("executable memory", ok,
                ok ? "translated code may run"
                   : "this host forbids it (SELinux, a noexec policy): use --engine interp");
    return ok;
}

/* What the kernel lets programs use of the processor, as a line of names between spaces; "" when it
 * does not say. (The compiler's own test would ask the processor at every start of metic, which
 * takes 0.1 ms in a virtual machine.) */
static void doctor_processor_flags(char *flags, size_t flags_bytes)
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    bool found = false;
    while (!found && file != NULL && fgets(flags, (int)flags_bytes, file) != NULL) {
        found = strncmp(flags, "flags", 5) == 0;
    }
    if (file != NULL) {
        fclose(file);
    }
    flags[found ? strcspn(flags, "\n") : 0] = found ? ' ' : '\0';
}

static void doctor_processor(void)
{
#if defined(__x86_64__)
    static const struct {
        const char *flag, *name;
    } parts[] = {{" avx2 ", ", AVX2"}, {" fma ", ", FMA"}, {" bmi2 ", ", BMI2"},
                 {" avx512vl ", ", AVX-512"}};
    char flags[8192] = "", text[64] = "x86-64";
    doctor_processor_flags(flags, sizeof(flags));
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        if (strstr(flags, parts[i].flag) != NULL) {
            strcat(text, parts[i].name);
        }
    }
    doctor_line("host translator", true, text);
#else
    doctor_line("host translator", false, "none for this processor yet; guests are interpreted");
#endif
}

static void doctor_memory(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    char text[64];
    long free_mib = pages > 0 && page_bytes > 0 ? pages / 1024 * page_bytes / 1024 : 0;
    snprintf(text, sizeof(text), "%ld MiB free", free_mib);
    doctor_line("memory", free_mib >= 256, text);
}

static void doctor_confinement(void)
{
    char text[200];
    struct confine_report report;
    confine_probe(&report);
    confine_describe(&report, text, sizeof(text));
    doctor_line("confinement", report.seccomp && report.landlock != 0, text);
}

int cmd_doctor(int argc, char *const *argv)
{
    if (argc != 0) {
        struct metic_error error;
        error_set(&error, NULL, "doctor takes no arguments, not even '%s'", argv[0]);
        return ui_usage_error(&error);
    }
    doctor_processor();
    bool ok = doctor_code_memory();
    doctor_memory();
    doctor_line("SBI firmware", true, "built in");
    doctor_firmware();
    doctor_line("user network", metic_has_user_network(),
                metic_has_user_network() ? "libslirp is built in"
                                         : "built without: apt-get install libslirp-dev, "
                                           "then configure and build again");
    doctor_confinement();
    doctor_line("terminal", isatty(STDIN_FILENO) != 0,
                isatty(STDIN_FILENO) ? "standard input is one"
                                     : "standard input is none: no Ctrl-A keys there");
    return ok ? UI_EXIT_OK : 1;
}
