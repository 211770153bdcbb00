#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static raga_session *working; // set before the handler is, cleared after
static struct sigaction before;

static void on_interrupt(int signo) {
    (void)signo;
    if (working != NULL) {
        raga_session_cancel(working);
    }
}

void cli_interrupt_cancels(raga_session *session) {
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    if (session == NULL && working != NULL) {
        sigaction(SIGINT, &before, NULL);
    }
    if (session != NULL && working == NULL) {
        working = session;
        sigaction(SIGINT, &action, &before);
    }
    working = session;
}

static volatile sig_atomic_t was_pressed;

static void on_flag(int signo) {
    if (was_pressed) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
    was_pressed = 1;
}

bool cli_interrupt_flag(bool begins) {
    if (begins) {
        was_pressed = 0;
        signal(SIGINT, on_flag);
        signal(SIGTERM, on_flag);
    }
    return was_pressed != 0;
}
