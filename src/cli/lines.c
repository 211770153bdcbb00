#include "cli/lines.h"

#include "cli/options.h"
#include "cli/output.h"

#include <stdlib.h>

int cli_each_line(cli_line_fn *fn, void *arg) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (size = getline(&line, &capacity, stdin)) >= 0) {
        raga_error err = {0};
        char *out = NULL;
        size_t out_size = 0;
        const size_t n = size > 0 && line[size - 1] == '\n' ? (size_t)size - 1 : (size_t)size;
        const raga_status answered = fn(arg, line, n, &out, &out_size, &err);
        if (answered != RAGA_OK) {
            status = answered == RAGA_E_CANCELLED ? CLI_INTERRUPTED : cli_failed(&err);
            break;
        }
        fwrite(out, 1, out_size, stdout);
        fputc('\n', stdout);
        raga_free(out);
        status = ferror(stdout) != 0 ? CLI_FAILED : CLI_OK;
    }
    free(line);
    return status;
}
