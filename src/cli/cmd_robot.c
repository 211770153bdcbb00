#include "cli/commands.h"
#include "cli/open_model.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/robot_talk.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUILTIN_TURNS = 2, WORDS_MAX = 256 }; // the robot's name, and what is said to it

typedef struct robot_command {
    const char *words[WORDS_MAX];
    cli_model m;
    bool has_chat;
    cli_calls calls;
    const char *file; // of calls, JSON lines
    bool has_map, is_json, goes_on, has_seed, has_pace, has_tools, has_turns;
    int64_t seed;
    int64_t n_turns;
    double pace;
    cli_play play;
    cli_map map;
    bool has_failed;
} robot_command;

// one call that was started: carry it out, say what came of it; CLI_GO_ON when the next may come
static int carry_out(robot_command *r, const char *call, size_t size) {
    char *result = NULL;
    raga_robot_state s = {.size = sizeof s};
    if (!r->is_json) {
        cli_print_safe(call, size);
        printf("\n");
        fflush(stdout);
    }
    const int status = cli_play_call(&r->play, &result);
    if (result == NULL) {
        return status;
    }
    raga_robot_get_state(r->play.robot, &s);
    if (r->is_json) {
        printf("{\"call\":");
        cli_json_text(stdout, call, size);
        printf(",\"result\":%s,\"time_s\":%.2f,\"x\":%.4f,\"y\":%.4f,\"heading\":%.3f}\n", result,
               s.time_s, s.x_m, s.y_m, s.heading_deg);
    } else {
        printf("  -> %s\n", result);
    }
    fflush(stdout);
    if (r->play.map != NULL) {
        cli_map_leave(r->play.map);
    }
    const bool is_ok = cli_result_is_ok(result);
    raga_free(result);
    r->has_failed = r->has_failed || !is_ok;
    return status == CLI_OK && (is_ok || r->goes_on) ? CLI_GO_ON
           : status == CLI_OK                        ? CLI_FAILED
                                                     : status;
}

static int carry_out_listed(robot_command *r) {
    int status = CLI_GO_ON;
    for (size_t i = 0; i < r->calls.n && status == CLI_GO_ON; i++) {
        char *shown = NULL;
        size_t size = 0;
        const char *name = r->calls.items[i].name;
        const char *args = r->calls.items[i].arguments;
        FILE *out = open_memstream(&shown, &size);
        if (out == NULL || fprintf(out, "%s %s", name, args == NULL ? "{}" : args) < 0 ||
            fclose(out) != 0) {
            cli_error("no memory for a call");
            return CLI_FAILED;
        }
        raga_robot_start(r->play.robot, name, args, args == NULL ? 0 : strlen(args));
        status = carry_out(r, shown, size);
        free(shown);
    }
    return status;
}

static int carry_out_file(robot_command *r) {
    int status = CLI_GO_ON;
    size_t size = 0;
    char *text = cli_read_all(r->file, &size);
    if (text == NULL) {
        return CLI_FAILED;
    }
    for (size_t at = 0; at < size && status == CLI_GO_ON;) {
        const char *line = text + at;
        const char *end = memchr(line, '\n', size - at);
        const size_t n = end == NULL ? size - at : (size_t)(end - line);
        at += n + 1;
        size_t blank = 0;
        while (blank < n && strchr(" \t\r", line[blank]) != NULL) {
            blank++;
        }
        if (blank < n) {
            raga_robot_start_json(r->play.robot, line, n);
            status = carry_out(r, line, n);
        }
    }
    free(text);
    return status;
}

static int describe(const raga_robot *robot) {
    raga_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (raga_robot_describe(robot, &text, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    printf("%s\n", text);
    raga_free(text);
    return CLI_OK;
}

static int print_tools(void) {
    raga_error err = {0};
    char *text = NULL;
    size_t size = 0;
    if (raga_robot_tools(&text, &size, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    printf("%s\n", text);
    raga_free(text);
    return CLI_OK;
}

// ---- talk ----

// each line of standard input is said
static int say_lines(cli_talk *talk) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size = 0;
    int status = CLI_OK;
    while (status == CLI_OK && (size = getline(&line, &capacity, stdin)) >= 0) {
        size -= size > 0 && line[size - 1] == '\n';
        if (size == 0) {
            continue;
        }
        if (!talk->is_json) {
            printf("> ");
            cli_print_safe(line, (size_t)size);
            printf("\n");
        }
        status = cli_talk_say(talk, line, (size_t)size);
    }
    free(line);
    return status;
}

// the words behind the robot's name, as one sentence
static int say_words(cli_talk *talk, const char *const *words) {
    char *said = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&said, &size);
    for (size_t i = 0; out != NULL && words[i] != NULL; i++) {
        fprintf(out, "%s%s", i == 0 ? "" : " ", words[i]);
    }
    int status = CLI_FAILED;
    if (out == NULL || fclose(out) != 0) {
        cli_error("no memory for what is said");
    } else {
        status = cli_talk_say(talk, said, size);
    }
    free(said);
    return status;
}

static int talk(robot_command *r) {
    cli_talk t = {0};
    raga_model *model = cli_open_model(&r->m);
    if (model == NULL) {
        return CLI_FAILED;
    }
    // the built-in model takes a new order for one that has to do with what was said before
    const bool is_builtin = strcmp(r->m.path, RAGA_BUILTIN) == 0;
    const size_t n_kept = r->has_turns ? (size_t)r->n_turns : is_builtin ? BUILTIN_TURNS : SIZE_MAX;
    int status = cli_talk_open(&t, model, &r->play, r->is_json, n_kept);
    if (status == CLI_GO_ON && r->words[1] != NULL) {
        status = say_words(&t, r->words + 1);
    } else if (status == CLI_GO_ON && isatty(STDIN_FILENO) && !r->is_json) {
        cli_talk_chat(&t);
        status = CLI_OK;
    } else if (status == CLI_GO_ON) {
        status = say_lines(&t);
    }
    cli_talk_close(&t);
    raga_model_close(model);
    return status;
}

static int work(robot_command *r) {
    const bool has_calls = r->calls.n != 0 || r->file != NULL;
    const bool is_talk = r->words[1] != NULL || r->has_chat;
    const bool is_idle = !has_calls && !is_talk;
    if (r->has_map) {
        cli_map_init(&r->map, r->play.robot);
        r->play.map = &r->map;
        r->play.is_live = isatty(STDOUT_FILENO) && !r->is_json;
    }
    r->play.pace = r->has_pace ? r->pace : r->play.is_live ? 1 : 0;
    if (is_idle && !r->has_map) {
        return describe(r->play.robot);
    }
    int status = carry_out_listed(r);
    if (status == CLI_GO_ON && r->file != NULL) {
        status = carry_out_file(r);
    }
    if (status == CLI_GO_ON && is_talk) {
        status = talk(r);
    }
    if (r->has_map && (is_idle || !r->play.is_live)) {
        cli_map_draw(&r->map, false);
    }
    if (status != CLI_GO_ON && status != CLI_OK) {
        return status;
    }
    return r->has_failed ? CLI_FAILED : CLI_OK;
}

int cmd_robot(int argc, char **argv) {
    robot_command r = {.m = {.path = RAGA_BUILTIN}};
    // clang-format off
    const cli_option options[] = {
        {"--chat", CLI_FLAG, &r.has_chat, NULL, "what is said comes from the terminal, or standard input, a line each", 0, 0, NULL},
        {"--model,-m", CLI_TEXT, &r.m.path, "MODEL", "the language model (builtin)", 0, 0, NULL},
        {"--turns", CLI_INT, &r.n_turns, "N", "earlier turns that the model is told of (builtin: 2; else all)", 0, 1e6, &r.has_turns},
        {"--call", CLI_CALL, &r.calls, "SKILL [JSON]", "call a skill, with its arguments; may be given again", 0, 0, NULL},
        {"--calls", CLI_TEXT, &r.file, "FILE", "calls as JSON lines: {\"name\":..,\"arguments\":{..}}; - is standard input", 0, 0, NULL},
        {"--keep-going", CLI_FLAG, &r.goes_on, NULL, "go on after a call that failed", 0, 0, NULL},
        {"--map", CLI_FLAG, &r.has_map, NULL, "draw the world; live on a terminal", 0, 0, NULL},
        {"--pace", CLI_REAL, &r.pace, "X", "times real time; 0: at once (1 with a live map, else 0)", 0, 1000, &r.has_pace},
        {"--seed", CLI_INT, &r.seed, "N", "of a simulation that slips (its world's)", 0, 9e15, &r.has_seed},
        {"--tools", CLI_FLAG, &r.has_tools, NULL, "print the skills as a JSON list of tools", 0, 0, NULL},
        {"--json", CLI_FLAG, &r.is_json, NULL, "print one JSON object per call, or per thing said", 0, 0, NULL},
        CLI_MODEL_OPTIONS(r.m),
    };
    // clang-format on
    const cli_spec spec = {
        .usage = "raga robot NAME [WORDS | --call SKILL [JSON]...]",
        .about =
            "Drive a robot: by words, which a language model turns into calls of its skills, or by "
            "calls.\nsim:flat is a kinematic robot in a world of named objects; "
            "sim:flat:WORLD.json "
            "has your own. Without words\nand calls: a chat, on a terminal with a built-in model "
            "or "
            "--model; else what the robot senses and takes.\nCtrl-C stops the robot, then the "
            "answer.",
        .options = options,
        .n_options = sizeof options / sizeof *options,
        .words = r.words,
        .words_min = 1,
        .words_max = WORDS_MAX - 1,
        .examples = "  raga robot sim:flat \"go to the red ball, then sit\"\n"
                    "  raga robot sim:flat --map\n"
                    "  raga robot sim:flat --call walk '{\"distance\":2}' --call look\n"
                    "  raga robot sim:flat --map --call approach '{\"object\":\"red ball\"}' "
                    "--call sit\n"};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_GO_ON) {
        return status;
    }
    if (r.has_map && r.is_json) {
        cli_error("--map and --json both want standard output: give one of them");
        return CLI_USAGE;
    }
    if (r.calls.n != 0 && (r.has_chat || r.words[1] != NULL)) {
        cli_error("--call names calls, words are turned into them: give one of the two");
        return CLI_USAGE;
    }
    const bool is_named = strcmp(r.m.path, RAGA_BUILTIN) != 0;
    const bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    const bool is_free = r.calls.n == 0 && r.file == NULL && !r.is_json && !r.has_tools;
    r.has_chat = r.has_chat || (is_free && has_terminal && (is_named || raga_has_builtin()));
    raga_error err = {0};
    const raga_robot_options o = {
        .size = sizeof o, .name = r.words[0], .has_seed = r.has_seed, .seed = (uint64_t)r.seed};
    if (raga_robot_open(&o, &r.play.robot, &err) != RAGA_OK) {
        return cli_failed(&err);
    }
    status = r.has_tools ? print_tools() : work(&r);
    raga_robot_close(r.play.robot);
    return status;
}
