#include "cli/output.h"

#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void cli_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "raga: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

int cli_failed(const raga_error *err) {
    cli_error("%s", err->text[0] != '\0' ? err->text : raga_status_name(err->status));
    return CLI_FAILED;
}

static bool has_color(void) {
    const char *no_color = getenv("NO_COLOR");
    return isatty(STDERR_FILENO) && (no_color == NULL || no_color[0] == '\0');
}

const char *cli_dim(void) {
    return has_color() ? "\033[2m" : "";
}

const char *cli_plain(void) {
    return has_color() ? "\033[0m" : "";
}

bool cli_has_utf8(void) {
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0') {
            return strstr(value, "UTF-8") != NULL || strstr(value, "utf8") != NULL;
        }
    }
    return false;
}

unsigned cli_columns(void) {
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) {
        return 80;
    }
    return size.ws_col;
}

// length of a well-formed UTF-8 character at p, 0 when it is none
static size_t character(const unsigned char *p, size_t n) {
    const size_t size = p[0] < 0x80 ? 1 : p[0] < 0xC2 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (size == 0 || size > n || p[0] > 0xF4) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    const bool is_bad = (p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) ||
                        (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] > 0x8F);
    return is_bad ? 0 : size;
}

void cli_json_number(FILE *out, double value) {
    if (isfinite(value)) {
        fprintf(out, "%.9g", value);
    } else {
        fputs("null", out);
    }
}

void cli_json_text(FILE *out, const char *text, size_t size) {
    const unsigned char *p = (const unsigned char *)text;
    fputc('"', out);
    for (size_t i = 0; i < size;) {
        const size_t n = character(p + i, size - i);
        if (n == 0) {
            fputs("\xEF\xBF\xBD", out);
            i++;
        } else if (p[i] == '"' || p[i] == '\\') {
            fprintf(out, "\\%c", p[i++]);
        } else if (p[i] == '\n') {
            fputs("\\n", out);
            i++;
        } else if (p[i] < 0x20 || p[i] == 0x7F) {
            fprintf(out, "\\u%04x", p[i++]);
        } else {
            fwrite(p + i, 1, n, out);
            i += n;
        }
    }
    fputc('"', out);
}

void cli_json_line(FILE *out, const char *json, size_t size) {
    for (size_t i = 0; i < size; i++) {
        fputc(json[i] == '\n' || json[i] == '\r' ? ' ' : json[i], out);
    }
}

void cli_print_safe(const char *text, size_t size) {
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0; i < size;) {
        const size_t n = character(p + i, size - i);
        // C0 and C1 controls, and what is no character
        const bool is_control =
            n == 0 || p[i] < 0x20 || p[i] == 0x7F || (n == 2 && p[i] == 0xC2 && p[i + 1] < 0xA0);
        if (is_control) {
            putchar('?');
        } else {
            fwrite(p + i, 1, n, stdout);
        }
        i += n == 0 ? 1 : n;
    }
}

const char *cli_bytes(uint64_t bytes) {
    static char texts[4][32];
    static unsigned next;
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char *text = texts[next++ % 4];
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(text, sizeof texts[0], unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

static bool write_all(FILE *out, const char *data, size_t size, bool is_file) {
    const bool is_written = out != NULL && fwrite(data, 1, size, out) == size && fflush(out) == 0 &&
                            (!is_file || fsync(fileno(out)) == 0);
    return out != NULL && (out == stdout || fclose(out) == 0) && is_written;
}

int cli_write_file(const char *path, const char *data, size_t size) {
    char temp[4096];
    struct stat there;
    const bool is_file =
        strcmp(path, "-") != 0 && (stat(path, &there) != 0 || S_ISREG(there.st_mode));
    if (snprintf(temp, sizeof temp, "%s.%ld.part", path, (long)getpid()) >= (int)sizeof temp) {
        cli_error("the path %s is too long", path);
        return CLI_FAILED;
    }
    FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(is_file ? temp : path, "we");
    if (!write_all(out, data, size, is_file) || (is_file && rename(temp, path) != 0)) {
        cli_error("cannot write %s: %s", path, strerror(errno));
        if (is_file) {
            unlink(temp);
        }
        return CLI_FAILED;
    }
    return CLI_OK;
}

char *cli_read_all(const char *path, size_t *size) {
    return cli_read_most(path, SIZE_MAX, size);
}

char *cli_read_most(const char *path, size_t most, size_t *size) {
    const bool is_stdin = strcmp(path, "-") == 0;
    FILE *in = is_stdin ? stdin : fopen(path, "rbe");
    char *text = NULL;
    if (in == NULL) {
        cli_error("cannot open %s: %s", path, strerror(errno));
        return NULL;
    }
    FILE *out = open_memstream(&text, size);
    char buffer[65536];
    size_t n = 0, left = most;
    while (out != NULL && (n = fread(buffer, 1, sizeof buffer, in)) != 0 && n <= left) {
        fwrite(buffer, 1, n, out);
        left -= n;
    }
    const bool failed = out == NULL || ferror(in) != 0;
    if (out == NULL || fclose(out) != 0 || failed || n > left) {
        if (n > left) {
            cli_error("%s has more than %zu bytes", path, most);
        } else {
            cli_error("cannot read %s", path);
        }
        free(text);
        text = NULL;
    }
    if (!is_stdin) {
        fclose(in);
    }
    return text;
}

long cli_read_ids(const char *text, int32_t **ids) {
    char *file = NULL;
    char *out = NULL;
    size_t size = 0;
    long n = 0;
    if (text[0] == '@') {
        file = cli_read_all(text + 1, &size);
        if (file == NULL) {
            return -1;
        }
        text = file;
    }
    FILE *list = open_memstream(&out, &size);
    const char *p = text;
    while (list != NULL && n >= 0) {
        char *end = NULL;
        p += strspn(p, ", \t\r\n");
        if (*p == '\0') {
            break;
        }
        errno = 0;
        const long long id = strtoll(p, &end, 10);
        if (end == p || errno != 0 || id < INT32_MIN || id > INT32_MAX) {
            cli_error("\"%.20s\" is no token id: give numbers between commas, or @FILE", p);
            n = -1;
            break;
        }
        const int32_t one = (int32_t)id;
        fwrite(&one, sizeof one, 1, list);
        n++;
        p = end;
    }
    if (list == NULL || fclose(list) != 0 || n < 0) {
        free(out);
        out = NULL;
        n = -1;
    }
    free(file);
    *ids = (int32_t *)(void *)out;
    return n;
}
