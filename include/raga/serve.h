/* Serve an open model over HTTP, to programs that speak OpenAI's, Anthropic's or Ollama's
 * interface. */
#pragma once

#include "raga/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct raga_server raga_server;

typedef struct raga_server_options {
    size_t size;
    const char *host; // address to listen at; NULL: "127.0.0.1", which only this machine reaches
    int32_t port;     // 0: 8080; -1: any that is free
    const char *const *names; // that the model goes by, the first one is told; none: its own. "*":
    size_t n_names;           // by any name
    const char *const *api_keys; // one of which every request must show; none: nothing is asked for
    size_t n_api_keys;
    const char *const *origins; // of web pages that may ask, "https://example.org"; "*": all
    size_t n_origins;
    const char *const *hosts; // names of this machine that requests may use, beside localhost and
    size_t n_hosts;           // the host above; "*": any. None, and a host that others reach: any
    size_t n_slots;           // sessions, as raga_model_options.n_slots had it; 0: 1
    size_t n_queue;           // requests that may wait for one; 0: 64
    size_t body_bytes;        // of a request; 0: 64 MiB
    size_t n_connections;     // at once; 0: 1024
    unsigned grace_ms;        // that running answers have when it stops; 0: 5,000
} raga_server_options;

/**
 * Begin to serve, on threads of its own.
 * @param model  must outlive the server; it may be used beside it
 * @param out    owned by the caller: raga_server_stop()
 * Errors: RAGA_E_UNSUPPORTED (a library built without libmicrohttpd), RAGA_E_IO naming address and
 * port, RAGA_E_ARG, RAGA_E_MEMORY.
 */
RAGA_API raga_status raga_server_start(raga_model *model, const raga_server_options *options,
                                       raga_server **out, raga_error *err) RAGA_MUST_CHECK;
/** Where it is, "http://127.0.0.1:8080"; borrowed for its life. */
RAGA_API const char *raga_server_url(const raga_server *server);
/** The name that the model goes by; borrowed for its life. */
RAGA_API const char *raga_server_model_name(const raga_server *server);
/** Wait until somebody asks it to end. */
RAGA_API void raga_server_wait(raga_server *server);
/** Ask it to end: raga_server_wait returns. Threads: any thread, also a signal handler. */
RAGA_API void raga_server_interrupt(raga_server *server);
/** End: no new connections, running answers have their time, all is given back. NULL is fine. */
RAGA_API void raga_server_stop(raga_server *server);

#ifdef __cplusplus
}
#endif
