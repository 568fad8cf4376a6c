/* metic doctor: what of this host matters to metic, and which Debian package brings what is not
 * there. */
#include "ui/ui.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void doctor_line(const char *what, bool good, const char *text)
{
    printf("%-4s %-22s %s\n", good ? "ok" : "no", what, text);
}

/* Firmware that can take the place of the built-in one. */
static void doctor_file(const char *what, const char *path, const char *package)
{
    char text[192];
    bool there = access(path, R_OK) == 0;
    snprintf(text, sizeof(text), there ? "%s" : "if you want it: apt-get install %s",
             there ? path : package);
    doctor_line(what, there, text);
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

static void doctor_processor(void)
{
#if defined(__x86_64__)
    static const char *const names[] = {"plain x86-64", "AVX2", "BMI2", "AVX2 and BMI2"};
    unsigned index = (__builtin_cpu_supports("avx2") ? 1u : 0) |
                     (__builtin_cpu_supports("bmi2") ? 2u : 0);
    doctor_line("host translator", true, names[index]);
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
    doctor_file("OpenSBI (--firmware)", "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
                "opensbi");
    doctor_file("U-Boot", "/usr/lib/u-boot/qemu-riscv64_smode/u-boot.bin", "u-boot-qemu");
    doctor_file("EDK2 (--flash)", "/usr/share/qemu-efi-riscv64/RISCV_VIRT_CODE.fd",
                "qemu-efi-riscv64");
    doctor_line("user network", metic_has_user_network(),
                metic_has_user_network() ? "libslirp is built in"
                                         : "built without: apt-get install libslirp-dev, "
                                           "then configure and build again");
    doctor_line("terminal", isatty(STDIN_FILENO) != 0,
                isatty(STDIN_FILENO) ? "standard input is one"
                                     : "standard input is none: no Ctrl-A keys there");
    return ok ? UI_EXIT_OK : 1;
}
