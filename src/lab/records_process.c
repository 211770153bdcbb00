#include "lab/records_process.h"

#include "base/cpu.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

// a short file of the system in one line; "" when it is not there
static void read_line(const char *path, char *out, int size) {
    FILE *in = fopen(path, "re");
    out[0] = '\0';
    if (in != NULL) {
        if (fgets(out, size, in) == NULL) {
            out[0] = '\0';
        }
        fclose(in);
    }
    out[strcspn(out, "\n")] = '\0';
}

// proc(5): field 22 of stat, the moment a process began, in ticks since boot
static bool began(const char *pid, char out[32]) {
    char path[64];
    char stat[1024];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    read_line(path, stat, sizeof stat);
    const char *p = strrchr(stat, ')'); // the name before it may hold anything
    for (int field = 2; p != NULL && field < 22; field++) {
        p = strchr(p + 1, ' ');
    }
    return p != NULL && sscanf(p, " %31[0-9]", out) == 1;
}

// "host boot"
static void where(char out[RG_PROCESS_BYTES]) {
    struct utsname host;
    char boot[64];
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    snprintf(out, RG_PROCESS_BYTES, "%.64s %.40s", uname(&host) == 0 ? host.nodename : "", boot);
}

void rg_process_self(char out[RG_PROCESS_BYTES]) {
    char here[RG_PROCESS_BYTES];
    char pid[32];
    char start[32];
    where(here);
    snprintf(pid, sizeof pid, "%ld", (long)getpid());
    out[0] = '\0';
    if (began(pid, start)) {
        snprintf(out, RG_PROCESS_BYTES, "%.110s %s %s", here, pid, start);
    }
}

bool rg_process_is_gone(const char *process) {
    char here[RG_PROCESS_BYTES];
    char host[65];
    char boot[41];
    char pid[32];
    char start[32];
    char now[32];
    if (process == NULL ||
        sscanf(process, "%64s %40s %20[0-9] %31[0-9]", host, boot, pid, start) != 4) {
        return false;
    }
    where(here);
    const size_t n = strlen(host);
    if (strncmp(here, host, n) != 0 || here[n] != ' ') {
        return false;
    }
    return strcmp(here + n + 1, boot) != 0 || !began(pid, now) || strcmp(now, start) != 0;
}

void rg_process_host(rg_buf *out, const char *program) {
    struct utsname host = {0};
    rg_cpu cpu;
    const bool is_known = rg_cpu_choose(&cpu, NULL) == RG_OK;
    (void)uname(&host);
    rg_buf_str(out, RG_STR("{\"name\":"));
    rg_buf_json(out, rg_str_of(host.nodename));
    rg_buf_str(out, RG_STR(",\"system\":"));
    rg_buf_json(out, rg_str_of(host.sysname));
    rg_buf_str(out, RG_STR(",\"machine\":"));
    rg_buf_json(out, rg_str_of(host.machine));
    rg_buf_str(out, RG_STR(",\"cpu\":"));
    rg_buf_json(out, rg_str_of(is_known ? rg_cpu_level_name(cpu) : "?"));
    rg_buf_format(out, ",\"threads\":%u,\"program\":", rg_cpu_threads());
    rg_buf_json(out, rg_str_of(program));
    rg_buf_char(out, '}');
}
