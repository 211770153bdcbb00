/*
 * raga's public C interface. One header for each room a program needs:
 *
 *   status.h     error codes and the sentence of a failure
 *   model.h      open a model (or look into any container), its facts, its memory bill
 *   tokenizer.h  text to token ids and back
 *   chat.h       chat templates: messages to a prompt
 *   session.h    run a model: evaluate, sample, generate, save, fork, cancel
 *   train.h      train, tune and merge models
 *   eval.h       perplexity, distance from a reference, tasks with known answers
 *   records.h    runs, their losses and measurements
 *   plot.h       their curves: SVG, or characters
 *   calls.h      tool calls: reading them, holding answers to them or to a JSON Schema
 *   picture.h    pictures, for models that see
 *   serve.h      a model over HTTP
 *   robot.h      robots, skills and their results
 *   hub.h        models by name: pulling them, the store
 *   system.h     version, processor, measured limits
 *
 * Rules: structs of options start with `size` (sizeof of the struct as compiled) and zero means
 * default, so that old programs keep working. Nothing here ends the process. Strings are UTF-8.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define RAGA_API        __attribute__((visibility("default")))
#define RAGA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define RAGA_API
#define RAGA_MUST_CHECK
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum raga_status {
    RAGA_OK,
    RAGA_E_ARG,         // the caller passed something that can never work
    RAGA_E_MEMORY,      // no memory
    RAGA_E_IO,          // the operating system refused a read, write or mapping
    RAGA_E_NOT_FOUND,   // no such file, tensor, token or name
    RAGA_E_FORMAT,      // a file or text is not what it claims to be
    RAGA_E_LIMIT,       // a limit of docs/limits.md was crossed
    RAGA_E_UNSUPPORTED, // valid, but not something this library can do
    RAGA_E_STATE,       // the call does not fit the state of the object
    RAGA_E_CANCELLED,   // stopped because the caller asked for it
    RAGA_E_NUMERIC,     // a result is not finite
    RAGA_E_INTERNAL,    // a fact about our own code did not hold
} raga_status;

/** The sentence of a failure. Caller's storage; every call takes NULL as well. */
typedef struct raga_error {
    raga_status status;
    char text[512];
} raga_error;

/** Short name of a code, "format" for RAGA_E_FORMAT; never NULL. */
RAGA_API const char *raga_status_name(raga_status status);

/** Give back memory that the library handed over (strings, arrays). NULL is fine. */
RAGA_API void raga_free(void *memory);

#ifdef __cplusplus
}
#endif
