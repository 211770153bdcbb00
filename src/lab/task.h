/* Tasks with known answers, a line of JSON each: which choice is likeliest, what is answered. */
#pragma once

#include "engine/engine.h"
#include "format/json.h"
#include "token/tokenizer.h"

#define RG_TASK_LINE_MAX    (16u << 20) // bytes of a line
#define RG_TASK_CHOICES_MAX 256         // choices of one item

typedef enum rg_task_kind {
    RG_TASK_CHOICE, // {"question" | "prompt" | "messages", "choices", "answer"}
    RG_TASK_EXACT,  // {"prompt" | "messages", "answer"}
    RG_TASK_JSON,   // {"prompt" | "messages", "schema"?, "answer" | "calls"}
    RG_TASK_KINDS
} rg_task_kind;

/** "choice", ... */
const char *rg_task_name(rg_task_kind kind);

/** What the room above does for a task: prompts and answers are made there. */
typedef struct rg_task_host {
    void *self;
    /** The ids of an item's prompt or messages, ready for the answer. */
    rg_status (*ids)(void *self, const rg_json *item, rg_ids *out, rg_error *err);
    /** The model's answer, always the likeliest token; to an item with calls: the list of calls as
     * JSON. @param line  the item's own text */
    rg_status (*answer)(void *self, rg_task_kind kind, const rg_json *item, rg_str line,
                        rg_buf *out, rg_error *err);
} rg_task_host;

/** An item that was judged. Borrowed during the call. */
typedef struct rg_task_item {
    const char *file;
    size_t line;
    bool is_right;
    bool is_right_by_length; // choices: log p divided by the bytes of each
    rg_str expected;         // as text
    rg_str given;
} rg_task_item;

/** A false answer cancels. @param share  of the files' bytes */
typedef bool rg_task_item_fn(void *arg, const rg_task_item *item, double share);
/** Told of each line that is left out. */
typedef void rg_task_warn_fn(void *arg, const char *file, size_t line, const char *why);

typedef struct rg_task_options {
    rg_task_kind kind;
    const char *const *files; // n_files
    size_t n_files;
    size_t n_items_most; // 0: all
    rg_engine *engine;
    const rg_tokenizer *tokenizer;
    size_t n_vocab;
    rg_task_host host;
    rg_task_item_fn *tell; // may be NULL
    rg_task_warn_fn *warn; // may be NULL
    void *arg;
} rg_task_options;

typedef struct rg_task_result {
    uint64_t n; // items judged
    uint64_t n_right;
    uint64_t n_right_by_length; // choices
    uint64_t n_bad;             // lines left out
} rg_task_result;

/**
 * Run a task. A line that is no item of it, or whose prompt does not fit, is left out and told.
 * Errors: RG_E_FORMAT (not one item), RG_E_NUMERIC, RG_E_CANCELLED, those of files and memory.
 */
rg_status rg_task_run(const rg_mem *mem, const rg_task_options *options, rg_task_result *result,
                      rg_error *err) RG_MUST_CHECK;
