/* Why a request gets no answer, before an interface puts it into its own shape. */
#pragma once

#include "base/buf.h"
#include "base/status.h"
#include "raga/status.h"

#include <stdbool.h>

/** Caller's storage; zero it to clear. */
typedef struct rg_fault {
    unsigned status;        // of HTTP; 0: nothing is wrong
    const char *code;       // what programs look for, "context_length_exceeded"; NULL: nothing more
    char param[64];         // the field that is wrong; empty: none
    char text[640];         // for people
    unsigned retry_after_s; // 0: the same request fails again
} rg_fault;

/** Write a fault down; false always, so that a reader can return it. */
bool rg_fault_set(rg_fault *fault, unsigned status, const char *param, const char *format, ...)
    RG_PRINTF(4, 5);
/** A failure of the library's while a request was read: what the client wrote is its own matter
 * (400), the rest is ours (500). False always. */
bool rg_fault_of(rg_fault *fault, const char *param, const raga_error *err);

/** Which interface a client speaks. */
typedef enum rg_client {
    RG_CLIENT_OPENAI,
    RG_CLIENT_ANTHROPIC,
    RG_CLIENT_OLLAMA,
} rg_client;

/** By the path that it asks for. */
rg_client rg_client_of_path(const char *path);
/** Append a fault as the JSON object that clients of an interface expect. */
void rg_fault_write(const rg_fault *fault, rg_client client, const char *request_id, rg_buf *out);
