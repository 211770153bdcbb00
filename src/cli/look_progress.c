#include "cli/look_progress.h"

#include "cli/interrupt.h"

#include <stdio.h>
#include <unistd.h>

bool cli_look_progress(void *arg, double share, const char *what) {
    (void)arg;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s %3.0f %%", what, share * 100);
    }
    return !cli_interrupt_flag(false);
}

void cli_look_progress_end(void) {
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
}
