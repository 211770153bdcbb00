/*
 * base/ is the ground floor: errors, memory, views, strings, files, threads, time, processor facts.
 * It relies on libc and pthreads alone. Every other room may include it.
 *
 * status.h: one list of error codes, and the sentence that goes with a failure.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

// code, short name, what it means; the public RAGA_E_* names are made from the same list
#define RG_STATUS_LIST(X)                                                                          \
    X(OK, "ok", "success")                                                                         \
    X(E_ARG, "argument", "the caller passed something that can never work")                        \
    X(E_MEMORY, "memory", "no memory")                                                             \
    X(E_IO, "io", "the operating system refused a read, write or mapping")                         \
    X(E_NOT_FOUND, "not found", "no such file, tensor, token or name")                             \
    X(E_FORMAT, "format", "a file or text is not what it claims to be")                            \
    X(E_LIMIT, "limit", "a limit of docs/limits.md was crossed")                                   \
    X(E_UNSUPPORTED, "unsupported", "valid, but not something this program can do")                \
    X(E_STATE, "state", "the call does not fit the state of the object")                           \
    X(E_CANCELLED, "cancelled", "stopped because the caller asked for it")                         \
    X(E_NUMERIC, "numeric", "a result is not finite")                                              \
    X(E_INTERNAL, "internal", "a fact about our own code did not hold")

typedef enum rg_status {
#define RG_STATUS_ENUM(name, text, why) RG_##name,
    RG_STATUS_LIST(RG_STATUS_ENUM)
#undef RG_STATUS_ENUM
        RG_STATUS_COUNT
} rg_status;

#define RG_MUST_CHECK   __attribute__((warn_unused_result))
#define RG_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define RG_ERROR_BYTES  512

/** The sentence of a failure, written once, at the cause. Caller's storage; zero it to clear. */
typedef struct rg_error {
    rg_status status;
    char text[RG_ERROR_BYTES];
} rg_error;

/**
 * Write the sentence and return the code: `status = rg_fail(err, RG_E_FORMAT, "...", n)`.
 * @param err  may be NULL: the code alone is returned. Threads: one at a time per object.
 */
rg_status rg_fail(rg_error *err, rg_status status, const char *format, ...) RG_PRINTF(3, 4);

/** Put one clause of where in front of a sentence already written: "file x.gguf: ...". */
void rg_error_prefix(rg_error *err, const char *format, ...) RG_PRINTF(2, 3);

/** The short name of a code, "format" for RG_E_FORMAT; never NULL. */
const char *rg_status_name(rg_status status);

// run a fallible call; on failure jump to done: with status set
#define RG_TRY(call)                                                                               \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != RG_OK) {                                                                     \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

// for facts about our own code only, never for anything that comes from outside
#ifdef NDEBUG
#define RG_ASSERT(fact) ((void)0)
#else
#define RG_ASSERT(fact) ((fact) ? (void)0 : __builtin_trap())
#endif
