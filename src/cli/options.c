#include "cli/options.h"

#include "cli/output.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t cli_distance(const char *a, const char *b) {
    enum { LONGEST = 32 };
    size_t row[LONGEST + 1];
    const size_t n = strnlen(a, LONGEST);
    const size_t m = strnlen(b, LONGEST);
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < n; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < m; j++) {
            const size_t change = corner + (a[i] != b[j]);
            const size_t drop = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            corner = row[j + 1];
            row[j + 1] = change < drop ? change : drop;
        }
    }
    return row[m];
}

// the part of "--long,-s" that matches a word of n characters
static bool matches(const cli_option *o, const char *word, size_t n) {
    const char *comma = strchr(o->name, ',');
    const size_t size = comma == NULL ? strlen(o->name) : (size_t)(comma - o->name);
    return (size == n && memcmp(o->name, word, n) == 0) ||
           (comma != NULL && strlen(comma + 1) == n && memcmp(comma + 1, word, n) == 0);
}

static void print_help(const cli_spec *s) {
    printf("usage: %s\n\n%s\n", s->usage, s->about);
    if (s->n_options != 0) {
        printf("\noptions:\n");
    }
    for (size_t i = 0; i < s->n_options; i++) {
        const cli_option *o = &s->options[i];
        char left[64];
        const char *comma = strchr(o->name, ',');
        const int size = comma == NULL ? (int)strlen(o->name) : (int)(comma - o->name);
        snprintf(left, sizeof left, "%s%s%.*s%s%s", comma == NULL ? "" : comma + 1,
                 comma == NULL ? "" : ", ", size, o->name, o->metavar == NULL ? "" : " ",
                 o->metavar == NULL ? "" : o->metavar);
        printf("  %-26s %s\n", left, o->help);
    }
    printf("  %-26s %s\n", "--help", "show this");
    if (s->examples != NULL) {
        printf("\nexamples:\n%s", s->examples);
    }
}

static int usage_error(const cli_spec *s, const char *sentence, const char *word) {
    cli_error("%s%s", sentence, word);
    fprintf(stderr, "usage: %s\n(--help says more)\n", s->usage);
    return CLI_USAGE;
}

static int unknown_option(const cli_spec *s, const char *word) {
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < s->n_options; i++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(s->options[i].name, ","),
                 s->options[i].name);
        const size_t d = cli_distance(word, name);
        if (d < least) {
            least = d;
            best = s->options[i].name;
        }
    }
    char sentence[128];
    snprintf(sentence, sizeof sentence, "unknown option %.40s%s%.*s%s", word,
             best == NULL ? "" : "; did you mean ", best == NULL ? 0 : (int)strcspn(best, ","),
             best == NULL ? "" : best, best == NULL ? "" : "?");
    return usage_error(s, sentence, "");
}

// "8g": a number and a unit of 1024s
static bool read_size(const char *text, uint64_t *out) {
    char *end = NULL;
    const double value = strtod(text, &end);
    const char unit = *end == '\0' ? 'b' : (char)(*end | 32);
    const char *units = "bkmgt";
    const char *at = strchr(units, unit);
    if (end == text || at == NULL || !(value >= 0) || (*end != '\0' && end[1] != '\0')) {
        return false;
    }
    const double bytes = value * pow(1024, (double)(at - units));
    *out = (uint64_t)bytes;
    return bytes < 1e18;
}

// "0,5,10-12"
static bool read_layers(const char *text, cli_layers *out) {
    out->n = 0;
    for (const char *p = text;; p++) {
        char *end = NULL;
        if (*p < '0' || *p > '9') {
            return false;
        }
        const unsigned long first = strtoul(p, &end, 10);
        unsigned long last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9') {
            last = strtoul(end + 1, &end, 10);
        }
        if (last >= CLI_LAYERS_MAX || last < first ||
            (out->n > 0 && first <= out->items[out->n - 1])) {
            return false;
        }
        for (unsigned long layer = first; layer <= last; layer++) {
            out->items[out->n++] = (uint32_t)layer;
        }
        p = end;
        if (*p != ',') {
            return *p == '\0';
        }
    }
}

static bool set_value(const cli_option *o, const char *text) {
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)o->value = true;
        return true;
    case CLI_INT: {
        const long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || (double)value < o->min ||
            (double)value > o->max) {
            return false;
        }
        *(int64_t *)o->value = value;
        return true;
    }
    case CLI_REAL: {
        const double value = strtod(text, &end);
        if (end == text || *end != '\0' || !(value >= o->min && value <= o->max)) {
            return false;
        }
        *(double *)o->value = value;
        return true;
    }
    case CLI_SIZE:
        return read_size(text, o->value);
    case CLI_TEXT:
        *(const char **)o->value = text;
        return true;
    case CLI_LIST: {
        cli_list *list = o->value;
        if (list->n == CLI_LIST_MAX) {
            return false;
        }
        list->items[list->n++] = text;
        return true;
    }
    case CLI_LAYERS:
        return read_layers(text, o->value);
    case CLI_CALL: {
        cli_calls *calls = o->value;
        if (calls->n == CLI_LIST_MAX) {
            return false;
        }
        calls->items[calls->n++].name = text;
        return true;
    }
    }
    return false;
}

static int bad_value(const cli_spec *s, const cli_option *o, const char *text) {
    char sentence[256];
    if (o->kind == CLI_INT || o->kind == CLI_REAL) {
        snprintf(sentence, sizeof sentence, "%.*s is \"%.60s\", valid are %g to %g",
                 (int)strcspn(o->name, ","), o->name, text, o->min, o->max);
    } else {
        snprintf(sentence, sizeof sentence, "%.*s cannot be \"%.60s\"", (int)strcspn(o->name, ","),
                 o->name, text);
    }
    return usage_error(s, sentence, "");
}

static const cli_option *find(const cli_spec *s, const char *word, size_t n) {
    for (size_t i = 0; i < s->n_options; i++) {
        if (matches(&s->options[i], word, n)) {
            return &s->options[i];
        }
    }
    return NULL;
}

int cli_parse(const cli_spec *s, int argc, char **argv) {
    size_t n_words = 0;
    bool has_ended = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (has_ended || word[0] != '-' || word[1] == '\0') {
            if (n_words == s->words_max) {
                return usage_error(s, "too many arguments: ", word);
            }
            s->words[n_words++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            has_ended = true;
            continue;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            print_help(s);
            return CLI_OK;
        }
        // --name=value, or the value is the next word
        const char *equals = word[1] == '-' ? strchr(word, '=') : NULL;
        const cli_option *o =
            find(s, word, equals == NULL ? strlen(word) : (size_t)(equals - word));
        if (o == NULL) {
            return unknown_option(s, word);
        }
        const char *value = equals == NULL ? NULL : equals + 1;
        if (o->kind != CLI_FLAG && value == NULL) {
            if (i + 1 == argc) {
                return usage_error(s, "a value is missing after ", word);
            }
            value = argv[++i];
        }
        if (o->kind == CLI_FLAG && value != NULL) {
            return usage_error(s, "no value belongs to ", word);
        }
        if (!set_value(o, value)) {
            return bad_value(s, o, value);
        }
        if (o->kind == CLI_CALL && i + 1 < argc && argv[i + 1][0] == '{') {
            cli_calls *calls = o->value;
            calls->items[calls->n - 1].arguments = argv[++i];
        }
        if (o->is_given != NULL) {
            *o->is_given = true;
        }
    }
    if (n_words < s->words_min) {
        return usage_error(s, "an argument is missing", "");
    }
    return CLI_GO_ON;
}
