#include "cli/robot_play.h"

#include "cli/options.h"
#include "cli/output.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static raga_robot *moving; // set before the handler is, cleared after
static volatile sig_atomic_t n_interrupts;

static void on_interrupt(int signo) {
    n_interrupts++;
    if (moving != NULL) {
        raga_robot_stop(moving);
    }
    if (n_interrupts > 1) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
}

// the moment `seconds` after another
static struct timespec later(struct timespec from, double seconds) {
    const long long ns = from.tv_nsec + (long long)(seconds * 1e9);
    from.tv_sec += (time_t)(ns / 1000000000);
    from.tv_nsec = (long)(ns % 1000000000);
    return from;
}

static raga_status tick_all(const cli_play *play, raga_error *err) {
    raga_robot_facts facts = {.size = sizeof facts};
    struct timespec due;
    bool is_busy = true;
    raga_status status = RAGA_OK;
    raga_robot_get_facts(play->robot, &facts);
    clock_gettime(CLOCK_MONOTONIC, &due);
    // a robot without a clock of its own has ours
    const double pace = facts.has_own_clock ? play->pace : 1;
    const double frame_s = 0.1 * (pace > 1 ? pace : 1);
    const unsigned ticks_a_frame = (unsigned)(frame_s / facts.period_s) + 1;
    for (unsigned i = 0; status == RAGA_OK && is_busy; i++) {
        status = raga_robot_tick(play->robot, &is_busy, err);
        if (play->map != NULL && i % ticks_a_frame == 0) {
            cli_map_note(play->map);
            if (play->is_live) {
                cli_map_draw(play->map, true);
            }
        }
        if (pace > 0 && is_busy) {
            due = later(due, facts.period_s / pace);
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
        }
    }
    if (play->map != NULL) {
        cli_map_note(play->map);
        if (play->is_live) {
            cli_map_draw(play->map, true);
        }
    }
    return status;
}

int cli_play_call(const cli_play *play, char **result) {
    raga_error err = {0};
    size_t size = 0;
    struct sigaction action = {.sa_handler = on_interrupt};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    n_interrupts = 0;
    moving = play->robot;
    sigaction(SIGINT, &action, &before);
    const raga_status status = tick_all(play, &err);
    sigaction(SIGINT, &before, NULL);
    moving = NULL;
    if (status != RAGA_OK || raga_robot_result(play->robot, result, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    return n_interrupts > 0 ? CLI_INTERRUPTED : CLI_OK;
}

bool cli_result_is_ok(const char *result) {
    const char *ok = "{\"ok\": true";
    return strncmp(result, ok, strlen(ok)) == 0;
}
