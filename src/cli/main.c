/* raga: the table of commands. */
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/output.h"
#include "raga/system.h"

#include <signal.h>
#include <string.h>

static const struct {
    const char *name;
    cli_command_fn *fn;
    const char *help;
} commands[] = {
    {"run", cmd_run, "chat with a model, or answer one prompt"},
    {"serve", cmd_serve, "answer programs over HTTP: OpenAI's, Anthropic's, Ollama's ways"},
    {"pull", cmd_pull, "bring a model onto this machine, from a hub"},
    {"list", cmd_list, "the models of the store"},
    {"rm", cmd_rm, "remove models from the store"},
    {"du", cmd_du, "the room that the store takes"},
    {"robot", cmd_robot, "drive a robot, by words or by its skills"},
    {"show", cmd_show, "what a model is, and what running it takes"},
    {"tokenize", cmd_tokenize, "text to token ids and back"},
    {"template", cmd_template, "render a chat template"},
    {"parse", cmd_parse, "take a model's answer apart: reasoning, reply, calls"},
    {"logits", cmd_logits, "write a model's logits to a file"},
    {"bench", cmd_bench, "measure prefill and decode against the machine's limits"},
    {"train", cmd_train, "train a model from nothing, by a recipe"},
    {"tune", cmd_tune, "tune a model on your data: LoRA, or all weights"},
    {"eval", cmd_eval, "measure a model: perplexity, distance from another, tasks"},
    {"runs", cmd_runs, "recorded runs: list, curves, comparison"},
    {"inspect", cmd_inspect, "look inside a model while it reads a text"},
    {"steer", cmd_steer, "make a direction that steers a model"},
    {"quantize", cmd_quantize, "write a model as a GGUF file of a smaller type"},
    {"imatrix", cmd_imatrix, "measure which columns matter, for quantize"},
    {"merge", cmd_merge, "merge adapters into a model"},
    {"verify", cmd_verify, "check a model on this machine: tokenizer, template, numbers"},
    {"doctor", cmd_doctor, "what this machine has, and what is missing"},
    {"version", cmd_version, "the version"},
};

enum { N_COMMANDS = sizeof commands / sizeof *commands };

static int help(void) {
    printf(
        "raga %s: open-weight models on the machine in front of you\n\nusage: raga COMMAND ...\n\n",
        raga_version());
    for (size_t i = 0; i < N_COMMANDS; i++) {
        printf("  %-10s %s\n", commands[i].name, commands[i].help);
    }
    printf("\n`raga COMMAND --help` says more. A model is a GGUF file, a Hugging Face directory, "
           "\"builtin\", or "
           "a name as `raga pull` takes it:\n"
           "  raga pull hf:Qwen/Qwen3-0.6B\n"
           "  raga run model.gguf \"Why is the sky blue?\"\n"
           "  raga robot sim:flat \"go to the red ball, then sit\"\n");
    return CLI_OK;
}

// the command of a name, or NULL with the nearest on stderr
static cli_command_fn *find(const char *name) {
    size_t best = 0;
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].fn;
        }
        best = cli_distance(name, commands[i].name) < cli_distance(name, commands[best].name)
                   ? i
                   : best;
    }
    if (cli_distance(name, commands[best].name) <= 3) {
        cli_error("there is no command \"%s\"; did you mean \"%s\"?", name, commands[best].name);
    } else {
        cli_error("there is no command \"%s\"; `raga help` lists them", name);
    }
    return NULL;
}

static int run(int argc, char **argv) {
    char *help_words[] = {"", "--help", NULL};
    const char *name = argv[1];
    const bool is_help =
        strcmp(name, "help") == 0 || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (is_help && argc == 2) {
        return help();
    }
    name = is_help ? argv[2] : strcmp(name, "--version") == 0 ? "version" : name;
    cli_command_fn *fn = find(name);
    if (fn == NULL) {
        return CLI_USAGE;
    }
    return is_help ? fn(2, help_words) : fn(argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    // a reader that goes away is an error of writing, not the end of the process
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        help();
        return CLI_USAGE;
    }
    const int status = run(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        cli_error("cannot write to standard output");
        return CLI_FAILED;
    }
    return status;
}
