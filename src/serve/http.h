/*
 * serve/ answers programs over HTTP: OpenAI's interface, Anthropic's, Ollama's. It is written like
 * a product built on the library: of the mind it sees the public interface (include/raga) alone,
 * and relies on base/ and on the JSON of format/ besides.
 *
 * http.h: requests in, answers out, within limits; nothing here knows a route or a model. Every
 * connection has a thread of its own, so a handler may wait.
 */
#pragma once

#include "base/buf.h"
#include "serve/fault.h"

#define RG_HTTP_BODY_MAX    (64 << 20)  // bytes of a request's body, unless options say otherwise
#define RG_HTTP_BODIES_MAX  (256 << 20) // bytes of all bodies that are held at once
#define RG_HTTP_HEADERS_MAX (32 << 10)  // bytes of a request's first line and headers, about
#define RG_HTTP_CONNS_MAX   1024        // connections, unless options say otherwise

typedef struct rg_http rg_http;

/** A request whose body is complete. Borrowed during the handler. */
typedef struct rg_http_request {
    const char *method;
    const char *path; // percent signs decoded
    rg_str body;
    char id[32]; // told to the client
    size_t key;  // which API key it showed; 0 also where none is asked for
    void *wire;  // the connection below
} rg_http_request;

/** Is the client gone? Nobody reads the answer then. Threads: the handler's. */
bool rg_http_has_left(const rg_http_request *request);

/** What gives a body bit by bit. */
typedef struct rg_http_source {
    /**
     * Copy at most `max` bytes to out, waiting for the first one at most wait_ms.
     * @return  bytes; 0 with *is_end false: none yet, 0 with *is_end true: that was all
     */
    size_t (*read)(void *arg, char *out, size_t max, unsigned wait_ms, bool *is_end);
    /** Called once, when nobody reads any more; has_left: before the end. */
    void (*close)(void *arg, bool has_left);
    void *arg;
    const char *ping; // written when nothing else was for a while; not kept, NULL: nothing
} rg_http_source;

typedef struct rg_http_answer {
    unsigned status;
    const char *type;       // of the content; literal
    rg_buf body;            // where there is no source
    rg_http_source source;  // read NULL: there is none
    unsigned retry_after_s; // 0: none
} rg_http_answer;

/** Answers a request; `answer` comes with status 200 and the type of JSON. */
typedef void rg_http_handler(void *arg, const rg_http_request *request, rg_http_answer *answer);

/** One route: the table of all of them ends with a row whose path is NULL. */
typedef struct rg_route {
    const char *method; // "GET" answers HEAD as well
    const char *path;   // with "*" at the end: all that begin so
    rg_http_handler *handler;
    bool is_open; // needs no key
} rg_route;

typedef struct rg_http_options {
    const char *host;
    uint16_t port; // 0: any that is free
    const rg_route *routes;
    void *arg; // of handlers
    size_t body_max, n_connections;
    const char *const *keys; // none: everybody may
    size_t n_keys;
    const char *const *origins; // of web pages that may; "*": all
    size_t n_origins;
    const char *const *names; // of this host, beside localhost; "*": any
    size_t n_names;
} rg_http_options;

/**
 * Listen and answer.
 * @param options  strings and tables borrowed for its life
 * Errors: RG_E_UNSUPPORTED (built without the library), RG_E_IO naming address and port,
 * RG_E_MEMORY.
 */
rg_status rg_http_start(const rg_mem *mem, const rg_http_options *options, rg_http **out,
                        rg_error *err) RG_MUST_CHECK;
/** The port it listens on. */
uint16_t rg_http_port(const rg_http *http);
/** Connections that are open. */
size_t rg_http_connections(rg_http *http);
/** Take no more connections. */
void rg_http_quiesce(rg_http *http);
/** Close all connections and give back; handlers must not wait for long any more. NULL is fine. */
void rg_http_stop(rg_http *http);

/** Make the body a fault in the shape that clients of the path expect. */
void rg_http_refuse(rg_http_answer *answer, const rg_fault *fault, const char *path,
                    const char *request_id);
