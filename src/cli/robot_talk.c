#include "cli/robot_talk.h"

#include "cli/chat_loop.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

/** A text that grows. */
typedef struct grown {
    FILE *out;
    char *data;
    size_t size;
} grown;

/** One thing said, until it is answered. */
typedef struct turn {
    cli_talk *talk;
    size_t mark;    // where it begins in the conversation
    grown done;     // calls with their results, JSON objects with commas between
    grown replies;  // of all rounds
    bool is_halted; // by Ctrl-C
    bool is_open;   // a line of the answer was begun on the screen
} turn;

/** One answer of the model. */
typedef struct round {
    turn *turn;
    char name[TALK_NAME_BYTES]; // of the call that is being written
    grown reply;
    grown calls;  // as they go into the conversation, JSON objects with commas between
    grown listed; // the same to be carried out: name, NUL, arguments, NUL
    size_t n_calls;
} round;

static bool open_text(grown *t) {
    t->out = open_memstream(&t->data, &t->size);
    return t->out != NULL;
}

// what was written becomes readable; it can be written to no more
static bool end_text(grown *t) {
    FILE *out = t->out;
    t->out = NULL;
    return out != NULL && fclose(out) == 0;
}

static void free_text(grown *t) {
    (void)end_text(t);
    free(t->data);
    t->data = NULL;
}

int cli_talk_open(cli_talk *talk, raga_model *model, const cli_play *play, bool is_json,
                  size_t n_kept) {
    raga_error err = {0};
    size_t size = 0;
    *talk = (cli_talk){.chat = {.model = model, .system = raga_robot_system_prompt()},
                       .play = play,
                       .is_json = is_json,
                       .n_kept = n_kept};
    const raga_responder_options options = {.size = sizeof options};
    if (raga_robot_tools(&talk->tools, &size, &err) != RAGA_OK ||
        raga_responder_new(model, &options, &talk->responder, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    talk->chat.session = raga_responder_session(talk->responder);
    cli_chat_reset(&talk->chat);
    return CLI_GO_ON;
}

void cli_talk_close(cli_talk *talk) {
    cli_chat_clear(&talk->chat);
    raga_responder_free(talk->responder);
    raga_free(talk->tools);
}

// ---- the model's answer ----

static void print_reply(const char *data, size_t size) {
    for (size_t at = 0; at < size;) {
        const char *end = memchr(data + at, '\n', size - at);
        const size_t n = end == NULL ? size - at : (size_t)(end - data) - at;
        cli_print_safe(data + at, n);
        if (end != NULL) {
            putchar('\n');
        }
        at += n + (end != NULL);
    }
    fflush(stdout);
}

static void take_piece(void *arg, const raga_piece *piece) {
    round *r = arg;
    const int size = (int)piece->text_size;
    switch (piece->kind) {
    case RAGA_PIECE_TEXT:
        fwrite(piece->text, 1, piece->text_size, r->reply.out);
        fwrite(piece->text, 1, piece->text_size, r->turn->replies.out);
        if (!r->turn->talk->is_json && size != 0) {
            print_reply(piece->text, piece->text_size);
            r->turn->is_open = piece->text[size - 1] != '\n';
        }
        break;
    case RAGA_PIECE_CALL:
        snprintf(r->name, sizeof r->name, "%.*s", size, piece->text);
        break;
    case RAGA_PIECE_CALL_END:
        fprintf(r->calls.out,
                "%s{\"type\":\"function\",\"function\":{\"name\":", r->n_calls == 0 ? "" : ",");
        cli_json_text(r->calls.out, r->name, strlen(r->name));
        fputs(",\"arguments\":", r->calls.out);
        cli_json_line(r->calls.out, piece->text, piece->text_size);
        fputs("}}", r->calls.out);
        fprintf(r->listed.out, "%s%c", r->name, 0);
        cli_json_line(r->listed.out, piece->text, piece->text_size);
        fputc(0, r->listed.out);
        r->n_calls++;
        break;
    case RAGA_PIECE_REASONING:
    case RAGA_PIECE_ARGUMENTS:
    case RAGA_PIECE_BROKEN:
        break;
    }
}

static void end_line(turn *t) {
    if (t->is_open) {
        printf("\n");
        t->is_open = false;
    }
}

// the conversation as the responder takes it; free()
static char *write_request(const cli_talk *talk, size_t *size) {
    grown t = {0};
    if (!open_text(&t)) {
        return NULL;
    }
    fprintf(t.out, "{\"messages\":[%s],\"tools\":%s}", talk->chat.messages, talk->tools);
    if (!end_text(&t)) {
        free_text(&t);
    }
    *size = t.size;
    return t.data;
}

// the oldest turn goes, with the mark of this one
static size_t drop_oldest(turn *t) {
    const size_t gone = cli_chat_drop_oldest(&t->talk->chat);
    t->mark -= gone < t->mark ? gone : t->mark;
    return gone;
}

// the same with room for an answer behind it: the oldest turns make it
static raga_status fit_request(turn *t, char **request, size_t *size, raga_error *err) {
    cli_talk *talk = t->talk;
    const size_t n_ctx = raga_model_ctx(talk->chat.model);
    const size_t n_kept = n_ctx / 4 < TALK_ANSWER_TOKENS ? n_ctx / 4 : TALK_ANSWER_TOKENS;
    size_t n_dropped = 0;
    for (;;) {
        int32_t *ids = NULL;
        size_t n = 0;
        *request = write_request(talk, size);
        if (*request == NULL) {
            return err->status = RAGA_E_MEMORY;
        }
        const raga_status status = raga_chat_ids(talk->chat.model, *request, *size, &ids, &n, err);
        raga_free(ids);
        const size_t gone = status != RAGA_OK || n + n_kept <= n_ctx ? 0 : drop_oldest(t);
        if (gone == 0) {
            if (n_dropped != 0) {
                fprintf(stderr,
                        "%s(the context of %zu tokens is full: %zu earlier turn%s dropped)%s\n",
                        cli_dim(), n_ctx, n_dropped, n_dropped == 1 ? "" : "s", cli_plain());
            }
            return status;
        }
        n_dropped++;
        free(*request);
        *request = NULL;
    }
}

static raga_status answer(round *r, raga_error *err) {
    cli_talk *talk = r->turn->talk;
    char *request = NULL;
    size_t size = 0;
    raga_status status = fit_request(r->turn, &request, &size, err);
    if (status == RAGA_OK) {
        talk->chat.last = (raga_result){.size = sizeof talk->chat.last};
        cli_interrupt_cancels(talk->chat.session);
        status = raga_respond(talk->responder, request, size, take_piece, r, &talk->chat.last, err);
        cli_interrupt_cancels(NULL);
        talk->chat.has_last = status == RAGA_OK;
    }
    free(request);
    end_line(r->turn);
    const bool is_whole = end_text(&r->reply) && end_text(&r->calls) && end_text(&r->listed);
    if (status == RAGA_OK &&
        (!is_whole || !cli_chat_add_calls(&talk->chat, "assistant", r->reply.data, r->reply.size,
                                          r->calls.data, r->calls.size))) {
        status = err->status = RAGA_E_MEMORY;
    }
    return status;
}

// ---- the robot's part ----

static void print_call(const char *name, const char *args) {
    cli_print_safe(name, strlen(name));
    putchar(' ');
    cli_print_safe(args, strlen(args));
    putchar('\n');
}

// one call with its result, into the conversation and what is reported
static bool note_result(turn *t, const char *name, const char *args, const char *result) {
    fprintf(t->done.out, "%s{\"name\":", ftell(t->done.out) == 0 ? "" : ",");
    cli_json_text(t->done.out, name, strlen(name));
    fprintf(t->done.out, ",\"arguments\":%s,\"result\":%s}", args, result);
    if (!t->talk->is_json) {
        printf("  -> %s\n", result);
    }
    return cli_chat_add(&t->talk->chat, "tool", result, strlen(result));
}

/** Calls of a round on their way through the robot. */
typedef struct carrying {
    char *results[TALK_CALLS_MAX]; // NULL: it was not carried out
    size_t n;
    bool has_failed;
} carrying;

static int carry_out(turn *t, const char *name, const char *args, carrying *c) {
    const cli_play *play = t->talk->play;
    if (c->has_failed || t->is_halted || c->n == TALK_CALLS_MAX) {
        return CLI_OK;
    }
    raga_robot_start(play->robot, name, args, strlen(args));
    const int status = cli_play_call(play, &c->results[c->n]);
    if (c->results[c->n] == NULL) {
        return status;
    }
    t->is_halted = status == CLI_INTERRUPTED;
    c->has_failed = !cli_result_is_ok(c->results[c->n]);
    c->n++;
    return CLI_OK;
}

// On a terminal one map is redrawn through all calls of a round: they are listed above it, their
// results below. Elsewhere each result follows its call.
static int carry_out_all(round *r) {
    turn *t = r->turn;
    const cli_play *play = t->talk->play;
    const bool is_apart = play->is_live;
    const char *end = r->listed.data + r->listed.size;
    carrying c = {.n = 0};
    int status = CLI_OK;
    bool has_memory = true;
    for (int pass = 0; pass < (is_apart ? 3 : 1) && status == CLI_OK; pass++) {
        size_t i = 0;
        for (const char *name = r->listed.data; name < end && status == CLI_OK; i++) {
            const char *args = name + strlen(name) + 1;
            if (!t->talk->is_json && pass == 0) {
                print_call(name, args);
                fflush(stdout);
            }
            if (!is_apart || pass == 1) {
                status = carry_out(t, name, args, &c);
            }
            if (status == CLI_OK && (!is_apart || pass == 2)) {
                const char *skipped = c.n == TALK_CALLS_MAX
                                          ? "{\"ok\": false, \"error\": \"too many calls at once\"}"
                                          : "{\"ok\": false, \"error\": \"skipped\"}";
                has_memory =
                    note_result(t, name, args, i < c.n ? c.results[i] : skipped) && has_memory;
            }
            name = args + strlen(args) + 1;
        }
        if (play->map != NULL) {
            cli_map_leave(play->map);
        }
    }
    for (size_t i = 0; i < c.n; i++) {
        raga_free(c.results[i]);
    }
    if (!has_memory) {
        cli_error("no memory for the results of calls");
    }
    return has_memory ? status : CLI_FAILED;
}

// ---- a turn ----

// an answer, and its calls; CLI_GO_ON when their results wait for another answer
static int one_round(turn *t) {
    raga_error err = {0};
    round r = {.turn = t};
    int status = CLI_FAILED;
    if (!open_text(&r.reply) || !open_text(&r.calls) || !open_text(&r.listed)) {
        cli_error("no memory for an answer");
        goto done;
    }
    const raga_status answered = answer(&r, &err);
    if (answered == RAGA_E_CANCELLED) {
        t->is_halted = true;
        status = CLI_INTERRUPTED;
    } else if (answered != RAGA_OK) {
        status = cli_failed(&err);
    } else if (r.n_calls == 0) {
        status = CLI_OK;
    } else {
        status = carry_out_all(&r);
        status = status == CLI_OK ? CLI_GO_ON : status;
    }

done:
    free_text(&r.reply);
    free_text(&r.calls);
    free_text(&r.listed);
    return status;
}

static void print_json(turn *t, const char *said, size_t size, bool is_answered) {
    raga_robot_state s = {.size = sizeof s};
    raga_robot_get_state(t->talk->play->robot, &s);
    printf("{\"said\":");
    cli_json_text(stdout, said, size);
    printf(",\"calls\":[%s],\"reply\":", t->done.data);
    cli_json_text(stdout, t->replies.data, t->replies.size);
    printf(",\"answered\":%s,\"time_s\":%.2f,\"x\":%.4f,\"y\":%.4f,\"heading\":%.3f}\n",
           is_answered ? "true" : "false", s.time_s, s.x_m, s.y_m, s.heading_deg);
    fflush(stdout);
}

int cli_talk_say(cli_talk *talk, const char *said, size_t size) {
    turn t = {.talk = talk, .mark = cli_chat_mark(&talk->chat)};
    int status = CLI_FAILED;
    if (!open_text(&t.done) || !open_text(&t.replies) ||
        !cli_chat_add(&talk->chat, "user", said, size)) {
        cli_error("no memory for what was said");
        goto done;
    }
    while (cli_chat_turns(&talk->chat) - 1 > talk->n_kept && drop_oldest(&t) != 0) {
    }
    status = CLI_GO_ON;
    for (size_t n = 0; status == CLI_GO_ON && n < TALK_ROUNDS_MAX; n++) {
        status = one_round(&t);
    }
    const bool is_answered = status == CLI_OK;
    if (status == CLI_GO_ON) {
        fprintf(stderr, "%s(stopped after %d rounds of calls)%s\n", cli_dim(), TALK_ROUNDS_MAX,
                cli_plain());
        status = CLI_OK;
    }
    if (end_text(&t.done) && end_text(&t.replies) && talk->is_json) {
        print_json(&t, said, size, is_answered);
    }
    if (status == CLI_FAILED || (status == CLI_INTERRUPTED && !is_answered)) {
        // half a turn would stand in the way of the next one
        cli_chat_drop(&talk->chat, t.mark);
    }
    status = status == CLI_OK && t.is_halted ? CLI_INTERRUPTED : status;

done:
    free_text(&t.done);
    free_text(&t.replies);
    return status;
}

static void say_entry(void *arg, const char *text, size_t size) {
    (void)cli_talk_say(arg, text, size);
}

void cli_talk_chat(cli_talk *talk) {
    cli_chat_entries(&talk->chat, say_entry, talk);
}
