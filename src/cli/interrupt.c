#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static raga_session *working; // set before the handler is, cleared after

static void on_interrupt(int signo) {
    (void)signo;
    if (working != NULL) {
        raga_session_cancel(working);
    }
}

void cli_interrupt_cancels(raga_session *session) {
    if (session == NULL) {
        signal(SIGINT, SIG_DFL);
    }
    working = session;
    if (session != NULL) {
        signal(SIGINT, on_interrupt);
    }
}
